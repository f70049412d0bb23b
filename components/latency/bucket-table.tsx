import { formatCount, formatShare } from '@/components/ui/format';
import type { LatencyLabelRow } from '@/profile/latency/analysis';
import { BUCKETS, bucketEnd, bucketLow } from '@/profile/latency/buckets';
import { formatLatency } from '@/profile/latency/format';

const PER_POWER = 16;

/** The histogram in numbers, by powers of two. */
export function BucketTable({
  row: { histogram, unit, label },
}: {
  readonly row: LatencyLabelRow;
}) {
  const groups: { readonly first: number; readonly last: number; readonly count: number }[] = [];
  for (let first = 0; first < BUCKETS; first += PER_POWER) {
    const last = Math.min(BUCKETS, first + PER_POWER) - 1;
    const count = histogram.counts.subarray(first, last + 1).reduce((sum, value) => sum + value, 0);
    if (count > 0) groups.push({ first, last, count });
  }
  return (
    <details className="border-t border-line px-3 py-1 text-sm">
      <summary className="text-dim">The histogram as a table</summary>
      <div className="max-h-60 overflow-auto">
        <table className="mt-1 border-collapse">
          <caption className="sr-only">Events of {label} by latency</caption>
          <thead className="text-dim">
            <tr>
              {['from', 'to below', 'events', 'share'].map((name) => (
                <th key={name} scope="col" className="px-2 text-right font-medium">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map(({ first, last, count }) => (
              <tr key={first}>
                <td className="px-2 text-right">{formatLatency(bucketLow(first), unit)}</td>
                <td className="px-2 text-right">{formatLatency(bucketEnd(last), unit)}</td>
                <td className="px-2 text-right">{formatCount(count)}</td>
                <td className="px-2 text-right">{formatShare(count / histogram.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
