/** How long waits were, and what for: of the waits of a derived profile that pass through a node of its tree. */
import type { FunctionTable } from './functions';
import { type LabelIndex, LabelKind } from './labels';
import { bucketOf } from './latency/buckets';
import { Histogram } from './latency/histogram';
import { type LongestWait, longestOf } from './longest-waits';
import type { Profile } from './profile';
import { selectedWaits, type WaitSelection, waitsThrough } from './waits';

/** Of the waits in one state; all but the quantiles are estimates. */
export interface StateSummary {
  /** A ThreadState. */
  readonly state: number;
  readonly count: number;
  /** In ns, like all that follow. */
  readonly sum: number;
  readonly p50: number;
  readonly p99: number;
}

export interface WaitSummary {
  /** Whose waits they are; undefined: of all. */
  readonly label: LabelIndex | undefined;
  /** Counts by duration, each wait as often as it stands for. */
  readonly counts: Float64Array<ArrayBuffer>;
  /** About how many waits there were, and their time in ns: estimates, as all sums over waits. */
  readonly count: number;
  readonly sum: number;
  /** The states waited in, those with most time first. */
  readonly states: readonly StateSummary[];
  /** The longest, one of each kind, and how they came to their ends. */
  readonly longest: readonly LongestWait[];
  /** Waits that were drawn. */
  readonly drawn: number;
}

const LONGEST = 3;

/** `path`: labels from the root's child to the node; empty for the root. */
export function summarizeWaits(
  profile: Profile,
  functions: FunctionTable,
  selection: Omit<WaitSelection, 'waitClasses'>,
  path: readonly LabelIndex[],
): WaitSummary {
  const { labels } = functions;
  const isOfProcess = path.length > 0 && labels.kind[path[0]] === LabelKind.Process;
  const { durationNs, weight, waitClass, thread } = profile.waits.columns;
  const { process } = profile.threads.columns;
  const histogram = new Histogram();
  const byState = new Map<number, { sum: number; readonly histogram: Histogram }>();
  const through: number[] = [];
  const rows = selectedWaits(profile, { ...selection, waitClasses: [] });
  const below = isOfProcess ? path.slice(1) : path;
  for (const row of waitsThrough(profile, functions, rows, below)) {
    if (isOfProcess && functions.processLabel(process[thread[row]], true) !== path[0]) continue;
    through.push(row);
    let state = byState.get(waitClass[row]);
    if (state === undefined) {
      state = { sum: 0, histogram: new Histogram() };
      byState.set(waitClass[row], state);
    }
    state.sum += weight[row];
    // A wait too short for the clock stands for none that could be counted.
    if (durationNs[row] <= 0) continue;
    const waits = weight[row] / durationNs[row];
    for (const one of [histogram, state.histogram])
      one.add(bucketOf(durationNs[row]), waits, weight[row]);
  }
  const { count, sum } = histogram;
  return {
    label: path.at(-1),
    counts: histogram.counts as Float64Array<ArrayBuffer>,
    count,
    sum,
    states: Array.from(byState, ([state, { sum: ofState, histogram: own }]) => ({
      state,
      count: own.count,
      sum: ofState,
      p50: own.quantile(0.5)?.value ?? 0,
      p99: own.quantile(0.99)?.value ?? 0,
    })).sort((a, b) => b.sum - a.sum),
    longest: longestOf(profile, through, LONGEST),
    drawn: through.length,
  };
}
