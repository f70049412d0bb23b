/**
 * The buckets in which latencies are counted, in the kernel and here alike: log-linear, as in an HDR histogram. Below 16
 * a value is its own bucket; from there on each power of two has 16 buckets of equal width. A bucket is 6.25% of its
 * lower bound wide at most, so that its middle is off by 3.2% at most.
 */

const SUB_BUCKETS = 16;
/** The last bucket holds all values from 2^37 (in nanoseconds: 137 s) on. */
const VALUE_BITS = 37;

export const LAST_BUCKET = (VALUE_BITS - 4 + 1) * SUB_BUCKETS;
export const BUCKETS: number = LAST_BUCKET + 1;

/** The bucket of a value of 0 or more. */
export function bucketOf(value: number): number {
  const whole = Math.floor(value);
  if (whole < SUB_BUCKETS) return whole;
  if (whole >= 2 ** VALUE_BITS) return LAST_BUCKET;
  // Not by logarithm, which rounds just below a power of two.
  const high = Math.floor(whole / 2 ** 31);
  const shift = (high > 0 ? 31 + (31 - Math.clz32(high)) : 31 - Math.clz32(whole)) - 4;
  return shift * SUB_BUCKETS + Math.floor(whole / 2 ** shift);
}

/** The least value of a bucket. */
export function bucketLow(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (bucket - shift * SUB_BUCKETS) * 2 ** shift;
}

/** Where the next bucket begins; of the last bucket, twice its lower bound, for it has no upper one. */
export function bucketEnd(bucket: number): number {
  return bucket >= LAST_BUCKET ? 2 * bucketLow(LAST_BUCKET) : bucketLow(bucket + 1);
}

/** The value that stands for a bucket: the middle of the values that it holds. */
export function bucketMiddle(bucket: number): number {
  return bucket < SUB_BUCKETS ? bucket : (bucketLow(bucket) + bucketEnd(bucket) - 1) / 2;
}
