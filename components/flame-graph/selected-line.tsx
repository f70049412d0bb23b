/** The selected frame's facts in one line. */
import type { NodeFacts } from './node-facts';

export function SelectedLine({
  name,
  facts,
}: {
  readonly name: string;
  readonly facts: NodeFacts;
}) {
  return (
    <div
      data-testid="selected-frame"
      className="flex h-6 shrink-0 items-center gap-3 overflow-hidden bg-surface-2 px-2 text-xs whitespace-nowrap"
    >
      <span className="min-w-24 truncate font-mono font-semibold" title={facts.name}>
        {name}
      </span>
      {facts.rows.map(({ what, share, error, time, samples }) => (
        <span key={what} className={`shrink-0 ${what === 'Self' ? 'max-sm:hidden' : ''}`}>
          <span className="text-dim">{what}</span> <span className="font-semibold">{share}</span>{' '}
          <span className="text-dim">
            {[error, time, what === 'Total' ? samples : '']
              .filter((part) => part !== '')
              .join(' · ')}
          </span>
        </span>
      ))}
      {facts.split === '' ? null : (
        <span className="truncate text-dim max-lg:hidden">{facts.split}</span>
      )}
    </div>
  );
}
