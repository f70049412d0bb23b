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

/** Moves the waits of a derived profile, which count when they end, to the time that they lasted. */
export function spreadWaits({ waits }: Profile, { startNs, bucketNs, weights }: Activity): void {
  const { timeNs, durationNs, weight } = waits.columns;
  const last = weights.length - 1;
  for (let row = 0; row < waits.length; row++) {
    const end = (timeNs[row] - startNs) / bucketNs;
    // What came late counts at the edge, as its sample does.
    const endBucket = Math.min(last, Math.max(0, Math.floor(end)));
    const to = Math.min(weights.length, Math.max(0, end));
    const from = Math.max(0, to - durationNs[row] / bucketNs);
    if (Math.floor(from) >= endBucket) continue;
    weights[endBucket] -= weight[row];
    for (let bucket = Math.floor(from); bucket < to; bucket++) {
      const part = Math.min(to, bucket + 1) - Math.max(from, bucket);
      weights[bucket] += (weight[row] * part) / (to - from);
    }
  }
  // Differences of large sums.
  for (let bucket = 0; bucket <= last; bucket++) weights[bucket] = Math.max(0, weights[bucket]);
}
