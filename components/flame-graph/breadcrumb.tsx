/** The way from the root to what fills the width; each step leads back there. */
export function Breadcrumb({
  path,
  names,
  onZoom,
}: {
  readonly path: readonly string[];
  /** What its steps are called, as far as they are there now. */
  readonly names: readonly string[];
  readonly onZoom: (path: readonly string[]) => void;
}) {
  if (path.length === 0) return null;
  const shown = path.length > 6 ? [...path.slice(0, 2), undefined, ...path.slice(-3)] : path;
  return (
    <nav
      aria-label="Zoom"
      className="flex shrink-0 items-center gap-1 overflow-hidden border-b border-line bg-surface-2 px-2 py-1 text-xs"
    >
      <button
        type="button"
        className="shrink-0 text-accent hover:underline"
        onClick={() => onZoom([])}
      >
        all
      </button>
      {shown.map((step, i) => {
        const depth = i < 3 || path.length <= 6 ? i + 1 : path.length - shown.length + i + 1;
        return (
          <span
            key={step === undefined ? 'gap' : `${depth} ${step}`}
            className="flex min-w-0 items-center gap-1"
          >
            <span aria-hidden="true" className="text-dim">
              ›
            </span>
            {step === undefined ? (
              <span className="text-dim">…</span>
            ) : (
              <button
                type="button"
                aria-current={depth === path.length ? 'location' : undefined}
                className="max-w-52 truncate hover:underline aria-[current]:font-semibold"
                title={step.split('\t')[0]}
                onClick={() => onZoom(path.slice(0, depth))}
              >
                {names[depth - 1] ?? step.split('\t')[0]}
              </button>
            )}
          </span>
        );
      })}
      <span className="ml-auto hidden shrink-0 pl-2 text-dim md:inline">Esc goes back</span>
    </nav>
  );
}
