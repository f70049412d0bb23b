/** What the latency page shows of a profile: a pure function of the profile and of what is asked. */
import { groupOf } from '../process-group';
import type { Profile, SamplingRates } from '../profile';
import { NONE, type ProcessIndex } from '../schema';
import type { TimeRange } from '../view';
import { processFilter } from '../weights';
import { BUCKETS, bucketLow } from './buckets';
import { Histogram } from './histogram';
import {
  amountOf,
  type EventSums,
  LATENCY_SOURCES,
  type LatencySource,
  type LatencyUnit,
  LONG_LATENCY_NS,
  unitOf,
} from './sources';

export interface LatencyQuery {
  readonly source: LatencySource;
  /** undefined: the one with most events. */
  readonly label: string | undefined;
  /** What the heatmap covers, in seconds up to the end; undefined: all. */
  readonly windowSeconds: number | undefined;
  /** What all but the heatmap is of; undefined: all that the heatmap covers. */
  readonly range: TimeRange | undefined;
  /** What they are compared with. */
  readonly baseline: TimeRange | undefined;
  /** Only events in these buckets, both included, count for processes and groups. */
  readonly buckets: readonly [first: number, last: number] | undefined;
  /** Only these processes are in histograms and the heatmap; empty: all. */
  readonly pids: readonly number[];
  /** And only those in these containers or cgroups, as `groupOf` names them; empty: all. */
  readonly containers: readonly string[];
}

export interface LatencyLabelRow {
  readonly label: string;
  readonly unit: LatencyUnit;
  readonly histogram: Histogram;
  /** Standard error of its count, as a share of it; 0 where all events were timed. */
  readonly countError: number;
  /** Of the baseline's range; undefined where none is asked for. */
  readonly baseline: Histogram | undefined;
}

/** Events of one label over time. Column i holds what was counted from `startNs[i]` until `endNs[i]`. */
export interface Heatmap {
  readonly startNs: Float64Array<ArrayBuffer>;
  readonly endNs: Float64Array<ArrayBuffer>;
  readonly firstBucket: number;
  readonly buckets: number;
  /** Column after column, from the first bucket up. */
  readonly counts: Float64Array<ArrayBuffer>;
  /** The most of one bucket in a column, a second: columns need not be equally long. */
  readonly mostPerSecond: number;
}

export interface LatencyProcess extends EventSums {
  /** 0 where it is not known. */
  readonly pid: number;
  readonly name: string;
}

/** A container, or a cgroup that is in none. */
export interface LatencyGroup extends EventSums {
  /** As `groupOf` has it; '' where it is not known. */
  readonly name: string;
  /** How many have such events. */
  readonly processes: number;
}

export interface LatencyResult {
  readonly query: LatencyQuery;
  /** Events by source in what is covered, for those that have any. */
  readonly sources: Readonly<Partial<Record<LatencySource, number>>>;
  /** Those with most events first. */
  readonly labels: readonly LatencyLabelRow[];
  /** Of so many events of these one was timed and counts for all, somewhere in the range; 1: all were. */
  readonly oneIn: number;
  /** The one that heatmap, processes and groups are of; undefined where there is none. */
  readonly label: string | undefined;
  readonly heatmap: Heatmap;
  /** In the containers that are asked for, whatever their pids. Those with most events, or bytes, first. */
  readonly processes: readonly LatencyProcess[];
  /** Of the processes that are asked for, in whatever container; likewise. */
  readonly groups: readonly LatencyGroup[];
  /** What was measured, and how much of it, from when on. */
  readonly rates: readonly SamplingRates[];
  /** What is covered, CLOCK_MONOTONIC; the wall clock is `wallOffsetNs` later. */
  readonly startNs: number;
  readonly endNs: number;
  readonly wallOffsetNs: number;
}

/** Where intervals have no length, as in old recordings: one goes on until the next, but for no longer than this. */
const SLICE_NS = 1e9;
const MAX_SLICE_NS = 1.5e9;
const MAX_COLUMNS = 600;

/** From here on all events were timed, however few of the others: those that the tick may have taken for short are below. */
const SURELY_LONG_NS = 1.05 * LONG_LATENCY_NS;

interface LabelSums {
  readonly histogram: Histogram;
  /** Of its count. */
  variance: number;
  readonly baseline: Histogram | undefined;
}

/** Never throws: a source or label of which there is nothing gives an empty result. */
export function analyseLatency(profile: Profile, query: LatencyQuery): LatencyResult {
  const { columns, length } = profile.latencies;
  const { timeNs, source, label, process, bucket, count, sum, oneIn } = columns;
  const endNs = profile.header?.endNs ?? 0;
  // A second that had begun before the profile did is in it as well.
  const startNs =
    query.windowSeconds === undefined
      ? Number.NEGATIVE_INFINITY
      : endNs - query.windowSeconds * 1e9;
  const isWanted = ownerFilter(profile, query);
  const sources: Partial<Record<LatencySource, number>> = {};
  const sourceNames = new Map<number, LatencySource | undefined>();
  const labels = new Map<number, LabelSums>();
  let mostOneIn = 1;
  const inRange = rangeTest(query.range);
  const inBaseline = query.baseline === undefined ? undefined : rangeTest(query.baseline);
  for (let row = 0; row < length; row++) {
    const isCovered = timeNs[row] >= startNs;
    const isBaseline = inBaseline?.(timeNs[row]) ?? false;
    if (!isCovered && !isBaseline) continue;
    let name = sourceNames.get(source[row]);
    if (name === undefined && !sourceNames.has(source[row])) {
      name = LATENCY_SOURCES.find((known) => known === profile.string(source[row]));
      sourceNames.set(source[row], name);
    }
    if (name === undefined) continue;
    if (isCovered) sources[name] = (sources[name] ?? 0) + count[row];
    if (name !== query.source || !isWanted(process[row])) continue;
    let sums = labels.get(label[row]);
    if (sums === undefined) {
      sums = {
        histogram: new Histogram(),
        variance: 0,
        baseline: inBaseline === undefined ? undefined : new Histogram(),
      };
      labels.set(label[row], sums);
    }
    if (isCovered && inRange(timeNs[row])) {
      sums.histogram.add(bucket[row], count[row], sum[row]);
      if (oneIn[row] > 1) {
        mostOneIn = Math.max(mostOneIn, oneIn[row]);
        if (bucketLow(bucket[row]) < SURELY_LONG_NS)
          sums.variance += thinnedVariance(count[row], oneIn[row]);
      }
    }
    if (isBaseline) sums.baseline?.add(bucket[row], count[row], sum[row]);
  }
  const rows = [...labels]
    .map(([index, { variance, ...sums }]) => {
      const text = profile.string(index);
      const countError = Math.sqrt(variance) / Math.max(1, sums.histogram.count);
      return { index, row: { label: text, unit: unitOf(text), countError, ...sums } };
    })
    .filter(({ row }) => row.histogram.count + (row.baseline?.count ?? 0) > 0)
    .sort((a, b) => b.row.histogram.count - a.row.histogram.count);
  const chosen = rows.find(({ row }) => row.label === query.label) ?? rows[0];
  const unit = chosen?.row.unit ?? 'nanoseconds';
  const events = eventsByProcess(profile, query, chosen?.index ?? NONE, startNs);
  return {
    query,
    sources,
    labels: rows.map(({ row }) => row),
    oneIn: mostOneIn,
    label: chosen?.row.label,
    heatmap: heatmapOf(profile, query, chosen?.index ?? NONE, startNs, isWanted),
    processes: processesOf(profile, query, events, unit),
    groups: groupsOf(profile, query, events, unit),
    rates: profile.rates,
    startNs: Math.max(startNs, length === 0 ? profile.startNs : timeNs[0]),
    endNs,
    wallOffsetNs: profile.header?.wallOffsetNs ?? 0,
  };
}

/** The buffers of a result's heatmap, which can be moved to another thread. */
export function latencyBuffers({ heatmap }: LatencyResult): ArrayBuffer[] {
  return [heatmap.startNs.buffer, heatmap.endNs.buffer, heatmap.counts.buffer];
}

/** The result as it was before it was sent from one thread to another, which leaves plain values only. */
export function receivedLatency(result: LatencyResult): LatencyResult {
  return {
    ...result,
    labels: result.labels.map(({ histogram, baseline, ...row }) => ({
      ...row,
      histogram: Histogram.of(histogram),
      baseline: baseline === undefined ? undefined : Histogram.of(baseline),
    })),
  };
}

/** Drops the rows before `timeNs`, but for those that came late. Copies those that stay: not for every chunk. */
export function forgetLatencies({ latencies }: Profile, timeNs: number): void {
  const { columns, length } = latencies;
  let dropped = 0;
  while (dropped < length && columns.timeNs[dropped] < timeNs) dropped++;
  if (dropped === 0) return;
  const kept = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, column.slice(dropped, length)]),
  ) as unknown as typeof columns;
  latencies.clear();
  latencies.pushRange(kept, 0, length - dropped);
}

/**
 * Variance of a count to which each of the events adds N with probability 1/N: of n events n (N - 1), and the count estimates
 * n. Of k that were timed its root is sqrt((1 - 1/N) / k) of the count.
 */
function thinnedVariance(count: number, oneIn: number): number {
  return count * (oneIn - 1);
}

function rangeTest(range: TimeRange | undefined): (timeNs: number) => boolean {
  if (range === undefined) return () => true;
  return (timeNs) => timeNs >= range.startNs && timeNs < range.endNs;
}

/** Whose events are wanted. The process that is not known has the pid 0, and is in no container. */
function ownerFilter(
  profile: Profile,
  { pids, containers }: Pick<LatencyQuery, 'pids' | 'containers'>,
): (process: ProcessIndex) => boolean {
  const passes = processFilter(profile, { pids, containers });
  const passesUnknown = containers.length === 0 && (pids.length === 0 || pids.includes(0));
  return (process) => (process === NONE ? passesUnknown : passes(process));
}

function heatmapOf(
  profile: Profile,
  { source: wantedSource }: LatencyQuery,
  wantedLabel: number,
  startNs: number,
  isWanted: (process: ProcessIndex) => boolean,
): Heatmap {
  const { columns, length } = profile.latencies;
  const { timeNs, durationNs, source, label, process, bucket, count } = columns;
  /** How long they are, by their start. */
  const slices = new Map<number, number>();
  let [first, last] = [BUCKETS, -1];
  const isShown = (row: number): boolean =>
    label[row] === wantedLabel &&
    timeNs[row] >= startNs &&
    profile.string(source[row]) === wantedSource &&
    isWanted(process[row]);
  for (let row = 0; row < length; row++) {
    if (timeNs[row] < startNs) continue;
    slices.set(timeNs[row], durationNs[row]); // of all sources: a second in which nothing happened is one too
    if (!isShown(row)) continue;
    first = Math.min(first, bucket[row]);
    last = Math.max(last, bucket[row]);
  }
  const buckets = Math.max(0, last - first + 1);
  const times = Float64Array.from(slices.keys()).sort();
  const merged = Math.max(1, Math.ceil(times.length / MAX_COLUMNS));
  const width = Math.ceil(times.length / merged);
  const starts = Float64Array.from({ length: width }, (_, i) => times[i * merged]);
  const ends = starts.map((_, i) => {
    const lastSlice = times[Math.min(times.length, (i + 1) * merged) - 1];
    const next = times[(i + 1) * merged] ?? Number.POSITIVE_INFINITY;
    const lengthNs = slices.get(lastSlice) ?? 0;
    if (lengthNs > 0) return Math.min(next, lastSlice + lengthNs);
    return next - lastSlice <= MAX_SLICE_NS ? next : lastSlice + SLICE_NS;
  });
  const columnOf = new Map<number, number>();
  times.forEach((time, i) => {
    columnOf.set(time, Math.floor(i / merged));
  });
  const counts = new Float64Array(width * buckets);
  for (let row = 0; row < length; row++) {
    if (!isShown(row)) continue;
    counts[(columnOf.get(timeNs[row]) ?? 0) * buckets + bucket[row] - first] += count[row];
  }
  const perSecond = (value: number, at: number): number => {
    const column = Math.floor(at / buckets);
    return (value * 1e9) / (ends[column] - starts[column]);
  };
  return {
    startNs: starts,
    endNs: ends,
    firstBucket: buckets === 0 ? 0 : first,
    buckets,
    counts,
    mostPerSecond: counts.reduce((most, value, at) => Math.max(most, perSecond(value, at)), 0),
  };
}

/** Sums of what is selected, by row of the processes or NONE. */
function eventsByProcess(
  profile: Profile,
  { source: wantedSource, range, buckets }: LatencyQuery,
  wantedLabel: number,
  startNs: number,
): ReadonlyMap<ProcessIndex, EventSums> {
  const { columns, length } = profile.latencies;
  const { timeNs, source, label, process, bucket, count, sum } = columns;
  const inRange = rangeTest(range);
  const [first, last] = buckets ?? [0, BUCKETS];
  const found = new Map<ProcessIndex, { count: number; sum: number }>();
  for (let row = 0; row < length; row++) {
    if (label[row] !== wantedLabel || timeNs[row] < startNs || !inRange(timeNs[row])) continue;
    if (bucket[row] < first || bucket[row] > last) continue;
    if (profile.string(source[row]) !== wantedSource) continue;
    const known = found.get(process[row]);
    if (known === undefined) found.set(process[row], { count: count[row], sum: sum[row] });
    else {
      known.count += count[row];
      known.sum += sum[row];
    }
  }
  return found;
}

function processesOf(
  profile: Profile,
  { containers }: LatencyQuery,
  events: ReadonlyMap<ProcessIndex, EventSums>,
  unit: LatencyUnit,
): LatencyProcess[] {
  const { pid, name } = profile.processes.columns;
  const isWanted = ownerFilter(profile, { pids: [], containers });
  // The same process has several rows where it has had several names.
  const byPid = new Map<number, LatencyProcess>();
  for (const [index, { count, sum }] of events) {
    if (!isWanted(index)) continue;
    const [id, text] =
      index === NONE ? [0, 'not known'] : [pid[index], profile.string(name[index])];
    const before = byPid.get(id);
    byPid.set(id, {
      pid: id,
      name: text,
      count: count + (before?.count ?? 0),
      sum: sum + (before?.sum ?? 0),
    });
  }
  return [...byPid.values()].sort((a, b) => amountOf(b, unit) - amountOf(a, unit) || a.pid - b.pid);
}

function groupsOf(
  profile: Profile,
  { pids }: LatencyQuery,
  events: ReadonlyMap<ProcessIndex, EventSums>,
  unit: LatencyUnit,
): LatencyGroup[] {
  const { pid } = profile.processes.columns;
  const isWanted = ownerFilter(profile, { pids, containers: [] });
  const byName = new Map<string, { count: number; sum: number; readonly pids: Set<number> }>();
  for (const [index, { count, sum }] of events) {
    if (!isWanted(index)) continue;
    const name = index === NONE ? '' : groupOf(profile, index);
    const group = byName.get(name) ?? { count: 0, sum: 0, pids: new Set() };
    group.count += count;
    group.sum += sum;
    group.pids.add(index === NONE ? 0 : pid[index]);
    byName.set(name, group);
  }
  return Array.from(byName, ([name, group]) => ({
    name,
    processes: group.pids.size,
    count: group.count,
    sum: group.sum,
  })).sort((a, b) => amountOf(b, unit) - amountOf(a, unit) || (a.name < b.name ? -1 : 1));
}
