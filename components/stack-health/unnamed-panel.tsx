import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatShare } from '@/components/ui/format';
import type { UnnamedCode } from '@/profile/status';
import { Line } from './health-panel';
import { whyUnnamed } from './unnamed-reasons';

const MAX_MODULES = 30;

/** Which code has no names, and why. */
export function UnnamedPanel({
  analysis,
  reasons,
}: {
  readonly analysis: Analysis;
  /** As the agent reports them; empty for recordings. */
  readonly reasons: readonly UnnamedCode[];
}) {
  const { quality, unnamed } = analysis;
  const { count, of } = quality.named;
  const more = unnamed.slice(MAX_MODULES);
  return (
    <div className="w-[min(560px,calc(100vw-48px))]">
      <h2 className="text-sm font-semibold">Frames without names</h2>
      <p className="mt-1 text-sm">
        <span className="text-lg font-semibold">
          {formatShare(of === 0 ? 0 : (of - count) / of)}
        </span>{' '}
        of {formatCount(of)} frames in the samples that are shown have no function’s name. They are
        called by their file and where in it their function begins, or, where that is not known
        either, where they are.
      </p>
      {unnamed.length === 0 ? null : (
        <ul
          aria-label="Frames without names, by module"
          className="mt-2 divide-y divide-line border-t border-line"
        >
          {unnamed.slice(0, MAX_MODULES).map((row) => (
            <li key={row.module} className="py-1.5">
              <Line
                name={row.module === '' ? 'memory without a file' : row.module}
                samples={row.unnamed}
                of={of}
                look="font-mono text-sm"
              />
              <p className="text-xs break-words text-dim">
                {row.unnamed === row.frames
                  ? 'None of its frames is named'
                  : `${formatShare(row.unnamed / row.frames)} of its frames`}
                : {whyUnnamed(row, reasons)}
              </p>
            </li>
          ))}
        </ul>
      )}
      {more.length === 0 ? null : (
        <p className="pt-1 text-xs text-dim">and {formatCount(more.length)} more with fewer</p>
      )}
    </div>
  );
}
