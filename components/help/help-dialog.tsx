import { Dialog } from '@/components/ui/dialog';

const KEYS: readonly (readonly [keys: readonly string[], does: string])[] = [
  [['/'], 'Search functions; /text/ is a regular expression'],
  [['Space'], 'Pause and resume the live view'],
  [['←', '→', '↑', '↓'], 'Move between frames of the flame graph'],
  [['Enter'], 'Zoom into the frame'],
  [['↑', '↓', 'Home', 'End'], 'Move between rows of a list that the Tab key has led to'],
  [['Escape'], 'Zoom out, then clear the search and the time range'],
  [['Ctrl', 'click'], 'Add a process to the filter, or take it out'],
  [['?'], 'This list'],
];

export function HelpDialog(props: { readonly open: boolean; onClose(): void }) {
  return (
    <Dialog label="Keyboard shortcuts" {...props}>
      <dl className="divide-y divide-line">
        {KEYS.map(([keys, does]) => (
          <div key={does} className="flex items-center justify-between gap-4 py-1.5">
            <dt className="text-dim">{does}</dt>
            <dd className="flex shrink-0 gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="min-w-6 rounded border border-line-strong bg-surface-2 px-1.5 text-center font-sans text-sm"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
