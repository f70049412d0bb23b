import { useRef, useState } from 'react';
import { formatShortCount } from '@/components/ui/format';
import { HeldOrder } from '@/components/ui/held-order';
import { useHeld } from '@/components/ui/use-held';
import { useRovingRows } from '@/components/ui/use-roving-rows';
import type { LatencyLabelRow } from '@/profile/latency/analysis';
import { formatLatency, formatQuantile } from '@/profile/latency/format';
import { compareQuantiles, QUANTILES } from '@/profile/latency/histogram';

/** A line per label, which is chosen by its button. With a baseline: how many times as long each quantile is. */
export function LabelTable({
  labels,
  note,
  chosen,
  onChoose,
}: {
  /** Those with most events first. */
  readonly labels: readonly LatencyLabelRow[];
  /** What is to be known of all of them. */
  readonly note: string | undefined;
  readonly chosen: string | undefined;
  onChoose(label: string): void;
}) {
  const [isHeld, hold] = useHeld();
  const [order] = useState(() => new HeldOrder<LatencyLabelRow>());
  const rows = order.rows(labels, ({ label }) => label, isHeld);
  const scroller = useRef<HTMLDivElement>(null);
  const controlOf = useRovingRows({
    scroller,
    count: rows.length,
    keyAt: (index) => rows[index].label,
  });
  return (
    <div ref={scroller} className="min-h-0 scroll-pt-7 overflow-auto" {...hold}>
      <table className="w-full border-collapse text-sm">
        <caption className="sr-only">Latencies by label</caption>
        <thead className="sticky top-0 z-10 bg-surface text-dim">
          <tr>
            <th scope="col" className="px-2 py-1 text-left font-medium">
              What
            </th>
            {['events', 'total', ...QUANTILES.map(({ name }) => name)].map((name) => (
              <th key={name} scope="col" className="px-2 py-1 text-right font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={row.label}
              className={row.label === chosen ? 'bg-accent-soft' : 'hover:bg-surface-2'}
            >
              <th scope="row" className="max-w-64 p-0 text-left font-normal">
                <button
                  {...controlOf(row.label)}
                  type="button"
                  aria-pressed={row.label === chosen}
                  title={row.label}
                  onClick={() => onChoose(row.label)}
                  className="block w-full truncate rounded px-2 py-1 text-left -outline-offset-2"
                >
                  {row.label}
                </button>
              </th>
              <td className="whitespace-nowrap px-2 py-1 text-right">
                {formatShortCount(row.histogram.count)}
                {row.countError === 0 ? null : (
                  <span
                    className="ml-1 text-dim"
                    title="Standard error of the count: of these events only some were timed, and count for all"
                  >
                    ±{formatError(row.countError)}
                  </span>
                )}
              </td>
              <td className="whitespace-nowrap px-2 py-1 text-right">
                {formatLatency(row.histogram.sum, row.unit)}
              </td>
              <Quantiles row={row} />
            </tr>
          ))}
        </tbody>
      </table>
      {note === undefined ? null : <p className="px-2 py-1 text-xs text-dim">{note}</p>}
    </div>
  );
}

/** A share of 1 as '0.3%'. */
function formatError(error: number): string {
  const percent = 100 * error;
  return percent < 0.1 ? '<0.1%' : `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
}

/** '1.24'; '<0.01' where two digits would make nothing of it. */
function formatRatio(ratio: number): string {
  return ratio < 0.005 ? '<0.01' : ratio.toFixed(2);
}

function Quantiles({ row: { histogram, baseline, unit } }: { readonly row: LatencyLabelRow }) {
  const ratios = baseline === undefined ? undefined : compareQuantiles(baseline, histogram);
  return QUANTILES.map(({ name, q }, index) => {
    const quantile = histogram.quantile(q);
    const ratio = ratios?.[index].ratio;
    return (
      <td key={name} className="whitespace-nowrap px-2 py-1 text-right">
        {quantile === undefined ? (
          '–'
        ) : (
          <span
            title={
              Number.isFinite(quantile.high)
                ? `between ${formatLatency(quantile.low, unit)} and ${formatLatency(quantile.high, unit)}`
                : 'Longer ones are not told apart'
            }
          >
            {formatQuantile(quantile, unit)}
          </span>
        )}
        {ratio === undefined ? null : (
          <span
            className={`block text-xs ${ratio > 1.07 ? 'text-danger' : ratio < 0.93 ? 'text-ok' : 'text-dim'}`}
          >
            ×{formatRatio(ratio)}
          </span>
        )}
      </td>
    );
  });
}
