/** How long waits were, and what for: of the waits of a derived profile that pass through a node of its tree. */
import type { FunctionTable } from './functions';
import { type LabelIndex, LabelKind } from './labels';
import { bucketOf } from './latency/buckets';
import { Histogram } from './latency/histogram';
import type { Profile } from './profile';
import { selectedWaits, type WaitSelection, waitsThrough } from './waits';

export interface WaitSummary {
  /** Counts by duration, each wait as often as it stands for. */
  readonly counts: Float64Array<ArrayBuffer>;
  /** About how many waits there were, and their time in ns: estimates, as all sums over waits. */
  readonly count: number;
  readonly sum: number;
  /** Time in ns by ThreadState. */
  readonly byState: readonly number[];
  /** Waits that were drawn. */
  readonly drawn: number;
}

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
  const byState: number[] = [];
  let drawn = 0;
  const rows = selectedWaits(profile, { ...selection, waitClasses: [] });
  const below = isOfProcess ? path.slice(1) : path;
  for (const row of waitsThrough(profile, functions, rows, below)) {
    if (isOfProcess && functions.processLabel(process[thread[row]], true) !== path[0]) continue;
    drawn++;
    byState[waitClass[row]] = (byState[waitClass[row]] ?? 0) + weight[row];
    // A wait too short for the clock stands for none that could be counted.
    if (durationNs[row] > 0)
      histogram.add(bucketOf(durationNs[row]), weight[row] / durationNs[row], weight[row]);
  }
  const { count, sum } = histogram;
  return { counts: histogram.counts as Float64Array<ArrayBuffer>, count, sum, byState, drawn };
}
