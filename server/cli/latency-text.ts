/** Histograms as text, as bcc's tools print them, and as JSON. */
import { bucketEnd, bucketLow } from '@/profile/latency/buckets';
import { formatLatency } from '@/profile/latency/format';
import { type Histogram, QUANTILES } from '@/profile/latency/histogram';
import {
  amountOf,
  type EventSums,
  type LatencySource,
  type LatencyUnit,
} from '@/profile/latency/sources';
import type { LabelSummary } from '@/profile/latency/summary';

export interface MeasuredLatency {
  readonly source: LatencySource;
  readonly seconds: number;
  readonly lost: number;
  readonly labels: readonly LabelSummary[];
  /** By pid. */
  readonly names: ReadonlyMap<number, string>;
}

const BAR_WIDTH = 40;
/** Of labels with most events; the table before them has all. */
const DISTRIBUTIONS = 10;
const PROCESSES = 5;

/** A table of all labels, then the distributions of those with most events. */
export function latencyText({ source, seconds, labels, names }: MeasuredLatency): string {
  const columns = ['count', 'total', 'mean', ...QUANTILES.map(({ name }) => name)];
  const width = Math.max(...labels.map(({ label }) => label.length));
  const lines = [
    `${source}, ${seconds.toFixed(1)} s`,
    '',
    [' '.repeat(width), ...columns.map((name) => name.padStart(9))].join(' '),
    ...labels.map(({ label, unit, histogram }) =>
      [
        label.padEnd(width),
        ...[
          String(histogram.count),
          formatLatency(histogram.sum, unit),
          formatLatency(histogram.mean ?? 0, unit),
          ...QUANTILES.map(({ q }) => formatLatency(histogram.quantile(q)?.value ?? 0, unit)),
        ].map((cell) => cell.padStart(9)),
      ].join(' '),
    ),
  ];
  for (const summary of labels.slice(0, DISTRIBUTIONS)) {
    lines.push('', summary.label, ...distribution(summary), processLine(summary, names));
  }
  return `${lines.join('\n')}\n`;
}

/** A line for each power of two, from the first to the last that has events. */
function distribution({ histogram, unit }: LabelSummary): string[] {
  const rows = powersOfTwo(histogram);
  const most = Math.max(...rows.map(({ count }) => count));
  return [
    `${'from'.padStart(9)} ${'to below'.padStart(9)} ${'count'.padStart(10)}  distribution`,
    ...rows.map(({ low, end, count }) => {
      const stars = '*'.repeat(Math.ceil((count / most) * BAR_WIDTH)).padEnd(BAR_WIDTH);
      return `${formatLatency(low, unit).padStart(9)} ${formatLatency(end, unit).padStart(9)} ${String(count).padStart(10)} |${stars}|`;
    }),
  ];
}

function powersOfTwo(
  histogram: Histogram,
): readonly { readonly low: number; readonly end: number; readonly count: number }[] {
  const counts = new Map<number, number>();
  histogram.counts.forEach((count, bucket) => {
    const power = Math.floor(Math.log2(Math.max(1, bucketLow(bucket))));
    if (count > 0) counts.set(power, (counts.get(power) ?? 0) + count);
  });
  const powers = [...counts.keys()];
  const first = Math.min(...powers);
  return Array.from({ length: Math.max(...powers) - first + 1 }, (_, i) => ({
    low: first + i === 0 ? 0 : 2 ** (first + i),
    end: 2 ** (first + i + 1),
    count: counts.get(first + i) ?? 0,
  }));
}

function processLine(
  { processes, histogram, unit }: LabelSummary,
  names: ReadonlyMap<number, string>,
): string {
  const total = amountOf(histogram, unit);
  const most = byAmount(processes, unit)
    .slice(0, PROCESSES)
    .map(([pid, sums]) => {
      const share = ((100 * amountOf(sums, unit)) / total).toFixed(0);
      return `${names.get(pid) ?? 'ended'} (${pid}) ${share}%`;
    });
  const rest = processes.size - most.length;
  return `by ${most.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`;
}

function byAmount(
  processes: LabelSummary['processes'],
  unit: LatencyUnit,
): [pid: number, sums: EventSums][] {
  return [...processes].sort(([, a], [, b]) => amountOf(b, unit) - amountOf(a, unit));
}

/** `buckets`: [low, end, count] each, without empty ones; times in nanoseconds. */
export function latencyJson({ source, seconds, lost, labels, names }: MeasuredLatency): string {
  const value = {
    source,
    seconds,
    lost,
    labels: labels.map(({ label, unit, histogram, processes }) => ({
      label,
      unit,
      count: histogram.count,
      sum: histogram.sum,
      quantiles: Object.fromEntries(QUANTILES.map(({ name, q }) => [name, histogram.quantile(q)])),
      buckets: [...histogram.counts].flatMap((count, bucket) =>
        count === 0 ? [] : [[bucketLow(bucket), bucketEnd(bucket), count]],
      ),
      processes: byAmount(processes, unit).map(([pid, sums]) => ({
        pid,
        name: names.get(pid) ?? 'ended',
        ...sums,
      })),
    })),
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
