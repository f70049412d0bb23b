/** How much a profile's samples weigh over its time. */
import type { Profile } from '@/profile/profile';
import { type Selection, threadFilter } from '@/profile/weights';
import type { Activity } from './analysis';

/** Buckets of equal length, from a time on. */
export interface TimeGrid {
  readonly startNs: number;
  readonly bucketNs: number;
  readonly buckets: number;
}

const BUCKETS = 400;
/** Of a live profile they stay where they are while time goes on, so that the picture moves but does not flicker. */
const LIVE_BUCKET_NS = 1e9;
/** How many of them are shown: the fewest that have all that is held. */
const LIVE_BUCKETS = [60, 120, 300];

/** Over the whole length of a profile. */
export function wholeGrid({ header, startNs }: Profile): TimeGrid {
  const lengthNs = Math.max(1, (header?.endNs ?? 0) - startNs);
  return { startNs, bucketNs: lengthNs / BUCKETS, buckets: BUCKETS };
}

/** Over what is held of a live profile, up to the last second that is over. */
export function liveGrid(heldFromNs: number, endNs: number): TimeGrid {
  const end = Math.floor(endNs / LIVE_BUCKET_NS);
  const held = end - Math.floor(heldFromNs / LIVE_BUCKET_NS);
  const buckets = LIVE_BUCKETS.find((count) => count >= held) ?? Math.max(...LIVE_BUCKETS);
  return { startNs: (end - buckets) * LIVE_BUCKET_NS, bucketNs: LIVE_BUCKET_NS, buckets };
}

/**
 * The weight of the samples that `selection` names, whatever its range, and of waits over the time that they lasted if
 * `waits` has their rows (see `spreadWaits`), all of samples that are selected. What lies outside of a whole profile's grid came late, and counts at its edge; of a live one's it is left out.
 */
export function sumActivity(
  profile: Profile,
  selection: Selection,
  { startNs, bucketNs, buckets }: TimeGrid,
  isLive: boolean,
  waits?: Iterable<number>,
): Activity {
  const before = isLive ? 1 : 0;
  const weights = new Float64Array(buckets + 2 * before);
  const sums = { startNs: startNs - before * bucketNs, bucketNs, weights };
  const { samples } = profile;
  const { timeNs, weight, sampleType, thread } = samples.columns;
  const passes = threadFilter(profile, selection);
  for (let row = 0; row < samples.length; row++) {
    if (sampleType[row] !== selection.sampleType || !passes(thread[row])) continue;
    const bucket = Math.floor((timeNs[row] - sums.startNs) / bucketNs);
    weights[Math.min(weights.length - 1, Math.max(0, bucket))] += weight[row];
  }
  if (waits !== undefined) spreadWaits(profile, waits, sums);
  return { startNs, bucketNs, weights: weights.slice(before, before + buckets) };
}

/**
 * Moves the waits in `rows` of a derived profile, which count when they end, to the time that they lasted. What of them was before the
 * profile began is in no bucket.
 */
function spreadWaits(
  { waits }: Profile,
  rows: Iterable<number>,
  { startNs, bucketNs, weights }: Activity,
): void {
  const { timeNs, durationNs, weight } = waits.columns;
  const last = weights.length - 1;
  for (const row of rows) {
    const to = (timeNs[row] - startNs) / bucketNs;
    const from = to - durationNs[row] / bucketNs;
    // What came late counts at the edge, as its sample does.
    const end = Math.min(last, Math.max(0, Math.floor(to)));
    if (Math.floor(from) >= end) continue;
    weights[end] -= weight[row];
    for (let bucket = Math.max(0, Math.floor(from)); bucket <= last && bucket < to; bucket++) {
      const part = Math.min(to, bucket + 1) - Math.max(from, bucket);
      weights[bucket] += (weight[row] * part) / (to - from);
    }
  }
  // Differences of large sums.
  for (let bucket = 0; bucket <= last; bucket++) weights[bucket] = Math.max(0, weights[bucket]);
}
