/** Histograms over the buckets of buckets.ts: counts, quantiles with their error, merging, comparison. */
import { BUCKETS, bucketEnd, bucketLow, bucketMiddle, LAST_BUCKET } from './buckets';

/** A quantile as far as the buckets tell it: the true value lies in [low, high]. `high` is infinite in the last bucket, and `value` then its low. */
export interface Quantile {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The quantiles that are shown; the maximum comes after them. */
export const QUANTILES: readonly { readonly name: string; readonly q: number }[] = [
  { name: 'p50', q: 0.5 },
  { name: 'p90', q: 0.9 },
  { name: 'p99', q: 0.99 },
  { name: 'p99.9', q: 0.999 },
  { name: 'max', q: 1 },
];

export class Histogram {
  /** By bucket. */
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  constructor(counts: Float64Array = new Float64Array(BUCKETS)) {
    this.counts = counts;
  }

  /** Of the plain values that are left of one on its way between threads. */
  static of({ counts, count, sum }: Pick<Histogram, 'counts' | 'count' | 'sum'>): Histogram {
    const histogram = new Histogram(counts);
    histogram.count = count;
    histogram.sum = sum;
    return histogram;
  }

  /** `count` events in a bucket, whose values sum to `sum`. */
  add(bucket: number, count: number, sum: number): void {
    this.counts[bucket] += count;
    this.count += count;
    this.sum += sum;
  }

  merge(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket] += other.counts[bucket];
    this.count += other.count;
    this.sum += other.sum;
  }

  /** Mean, exact: sums are kept beside the buckets. Undefined of nothing. */
  get mean(): number | undefined {
    return this.count === 0 ? undefined : this.sum / this.count;
  }

  /** The smallest value that at least the share `q` (0 to 1) of the events do not exceed. Undefined of nothing. */
  quantile(q: number): Quantile | undefined {
    if (this.count === 0) return undefined;
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    let last = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.counts[bucket] === 0) continue;
      seen += this.counts[bucket];
      last = bucket;
      if (seen >= rank) break;
    }
    const low = bucketLow(last);
    if (last === LAST_BUCKET) return { value: low, low, high: Number.POSITIVE_INFINITY };
    return { value: bucketMiddle(last), low, high: Math.max(low, bucketEnd(last) - 1) };
  }

  /** First and last bucket that hold something; undefined of nothing. */
  get range(): readonly [first: number, last: number] | undefined {
    if (this.count === 0) return undefined;
    let [first, last] = [0, BUCKETS - 1];
    while (this.counts[first] === 0) first++;
    while (this.counts[last] === 0) last--;
    return [first, last];
  }
}

/** How often each quantile's value in `after` is that in `before`; undefined where one of them has none or is 0. */
export function compareQuantiles(
  before: Histogram,
  after: Histogram,
): readonly { readonly name: string; readonly ratio: number | undefined }[] {
  return QUANTILES.map(({ name, q }) => {
    const [a, b] = [before.quantile(q)?.value, after.quantile(q)?.value];
    return { name, ratio: a === undefined || b === undefined || a === 0 ? undefined : b / a };
  });
}
