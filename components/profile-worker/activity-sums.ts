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
