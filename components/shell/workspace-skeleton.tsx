/** The workspace before there is anything to show: its shape, so that nothing jumps when the picture comes. */
const ROWS = [
  [100],
  [62, 37],
  [62, 20, 16],
  [40, 21, 20, 10],
  [38, 12, 8, 19, 6],
  [22, 15, 12, 8, 14],
  [22, 9, 6, 10],
  [18, 6, 9],
  [11, 5],
];
const LIST = [78, 62, 70, 48, 66, 54, 40, 58, 46];

/** `text` says what is waited for. */
export function WorkspaceSkeleton({ text }: { readonly text: string }) {
  return (
    <div className="relative flex min-h-0 flex-1 overflow-hidden bg-surface">
      <div className="hidden w-60 shrink-0 flex-col gap-3 border-r border-line p-3 md:flex">
        {LIST.map((width) => (
          <div
            key={width}
            className="breathing h-3.5 rounded bg-surface-2"
            style={{ width: `${width}%` }}
          />
        ))}
      </div>
      <div className="min-w-0 flex-1 p-3">
        {ROWS.map((widths, row) => (
          <div key={widths.join()} className="mb-0.5 flex gap-0.5">
            {widths.map((width) => (
              <div
                key={width}
                className="breathing h-4.5 rounded-[2px] bg-surface-2"
                style={{ width: `${width}%`, animationDelay: `${row * 70}ms` }}
              />
            ))}
          </div>
        ))}
        <p role="status" className="mt-6 text-center text-dim">
          {text}
        </p>
      </div>
    </div>
  );
}
