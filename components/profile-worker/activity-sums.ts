/** How much a profile's samples weigh over its time. */
import type { Profile } from '@/profile/profile';
import type { SampleTypeIndex } from '@/profile/schema';
import type { Activity } from './analysis';

const BUCKETS = 400;

/** The samples of one type, in buckets over the whole length of the profile; one that came late counts at the edge. */
export function sumActivity(
  { samples, header, startNs }: Profile,
  type: SampleTypeIndex,
): Activity {
  const lengthNs = Math.max(1, (header?.endNs ?? 0) - startNs);
  const bucketNs = lengthNs / BUCKETS;
  const weights = new Float64Array(BUCKETS);
  const { timeNs, weight, sampleType } = samples.columns;
  for (let row = 0; row < samples.length; row++) {
    if (sampleType[row] !== type) continue;
    const bucket = Math.floor((timeNs[row] - startNs) / bucketNs);
    weights[Math.min(BUCKETS - 1, Math.max(0, bucket))] += weight[row];
  }
  return { startNs, bucketNs, weights };
}

/**
 * Moves the waits in `rows` of a derived profile, which count when they end, to the time that they lasted. What of them was before the
 * profile began is in no bucket.
 */
export function spreadWaits(
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
