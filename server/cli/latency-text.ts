/** Histograms as text, as bcc's tools print them, and as JSON. */
import { bucketEnd, bucketLow } from '@/profile/latency/buckets';
import { formatLatency, formatQuantile } from '@/profile/latency/format';
import { type Histogram, QUANTILES } from '@/profile/latency/histogram';
import { amountOf, type LatencySource, timingNote } from '@/profile/latency/sources';
import type { LabelSummary } from '@/profile/latency/summary';
import type { LatencyOwners } from './arguments';

export interface MeasuredLatency {
  readonly source: LatencySource;
  readonly seconds: number;
  readonly lost: number;
  /** Whose histograms they are; undefined: of all together. */
  readonly by: LatencyOwners | undefined;
  readonly labels: readonly LabelSummary[];
  /** By pid. */
  readonly names: ReadonlyMap<number, string>;
}

const BAR_WIDTH = 40;
/** Of those with most events; the table before them has more. */
const DISTRIBUTIONS = 10;
const MOST_ROWS = 100;
const PROCESSES = 5;

/** A table of what has most events, then the distributions of the first of these. */
export function latencyText(measured: MeasuredLatency): string {
  const { source, seconds, by, labels, names } = measured;
  const rows = labels.slice(0, MOST_ROWS);
  const owners = rows.map((summary) => ownerText(summary, measured));
  const columns = ['count', 'total', 'mean', ...QUANTILES.map(({ name }) => name)];
  const ownerWidth = by === undefined ? 0 : widthOf([by, ...owners]) + 2;
  const width = widthOf(rows.map(({ label }) => label));
  const note = timingNote(source);
  const lines = [
    `${source}, ${seconds.toFixed(1)} s`,
    ...(note === undefined ? [] : [note]),
    '',
    [(by ?? '').padEnd(ownerWidth + width), ...columns.map((name) => name.padStart(9))].join(' '),
    ...rows.map(({ label, unit, histogram }, i) =>
      [
        owners[i].padEnd(ownerWidth) + label.padEnd(width),
        ...[
          String(histogram.count),
          formatLatency(histogram.sum, unit),
          formatLatency(histogram.mean ?? 0, unit),
          ...QUANTILES.map(({ q }) => formatQuantile(histogram.quantile(q), unit)),
        ].map((cell) => cell.padStart(9)),
      ].join(' '),
    ),
  ];
  if (labels.length > rows.length)
    lines.push(`and ${labels.length - rows.length} more, with fewer events`);
  rows.slice(0, DISTRIBUTIONS).forEach((summary, i) => {
    const title = by === undefined ? summary.label : `${by} = ${owners[i]}, ${summary.label}`;
    lines.push('', title, ...distribution(summary));
    if (by !== 'process') lines.push(processLine(summary, names));
  });
  return `${lines.join('\n')}\n`;
}

const widthOf = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));

/** 'sh (1234)'; 'sleep (40 that ended)' of several that have ended; a container, or a cgroup; '' of all together. */
function ownerText({ owner, processes }: LabelSummary, { by, names }: MeasuredLatency): string {
  if (by !== 'process') return String(owner);
  const [[pid]] = processes;
  if (typeof owner === 'number' || processes.size === 1)
    return processText(names.get(pid) ?? '', pid);
  return `${owner} (${processes.size} that ended)`;
}

const processText = (name: string, pid: number): string => (pid === 0 ? name : `${name} (${pid})`);

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

/** 'by make (1234) 60%, sleep (40 processes) 30%': those of a name together. */
function processLine(
  { processes, histogram, unit }: LabelSummary,
  names: ReadonlyMap<number, string>,
): string {
  const byName = new Map<string, { amount: number; readonly pids: number[] }>();
  for (const [pid, sums] of processes) {
    const name = names.get(pid) ?? '';
    const same = byName.get(name) ?? { amount: 0, pids: [] };
    same.amount += amountOf(sums, unit);
    same.pids.push(pid);
    byName.set(name, same);
  }
  const all = [...byName].sort(([, a], [, b]) => b.amount - a.amount);
  const total = amountOf(histogram, unit);
  const most = all.slice(0, PROCESSES).map(([name, { amount, pids }]) => {
    const who =
      pids.length === 1 ? processText(name, pids[0]) : `${name} (${pids.length} processes)`;
    return `${who} ${((100 * amount) / total).toFixed(0)}%`;
  });
  const rest = all.slice(PROCESSES).reduce((sum, [, { pids }]) => sum + pids.length, 0);
  return `by ${most.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`;
}

/** `buckets`: [low, end, count] each, without empty ones; times in nanoseconds. */
export function latencyJson(measured: MeasuredLatency): string {
  const { source, seconds, lost, by, labels, names } = measured;
  const value = {
    source,
    seconds,
    lost,
    labels: labels.map(({ owner, label, unit, histogram, processes }) => ({
      ...(by === 'cgroup' ? { cgroup: owner } : {}),
      label,
      unit,
      count: histogram.count,
      sum: histogram.sum,
      // `high` is null in JSON where it is infinite.
      quantiles: Object.fromEntries(QUANTILES.map(({ name, q }) => [name, histogram.quantile(q)])),
      buckets: [...histogram.counts].flatMap((count, bucket) =>
        count === 0 ? [] : [[bucketLow(bucket), bucketEnd(bucket), count]],
      ),
      processes: [...processes]
        .sort(([, a], [, b]) => amountOf(b, unit) - amountOf(a, unit))
        .map(([pid, sums]) => ({ pid, name: names.get(pid), ...sums })),
    })),
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
