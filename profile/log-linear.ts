/**
 * Log-linear histograms: 16 buckets of equal width for each doubling, so that a bucket's width is at most 1/16 (6.25 %) of
 * its lower bound, and its middle is at most 3.1 % from any value in it. Below 16 every integer has a bucket of its own.
 */

const BITS = 4;
const PER_DOUBLING = 1 << BITS;

/** The bucket of a value >= 0. */
export function bucketOf(value: number): number {
  if (value < PER_DOUBLING) return Math.max(0, Math.floor(value));
  // Math.log2 rounds: the exponent is exact only after a look at the power itself.
  let exponent = Math.floor(Math.log2(value));
  if (2 ** exponent > value) exponent--;
  else if (2 ** (exponent + 1) <= value) exponent++;
  const within = Math.floor(value / 2 ** (exponent - BITS)) - PER_DOUBLING;
  return (exponent - BITS + 1) * PER_DOUBLING + within;
}

/** The least value of a bucket; that of the next one is where it ends. */
export function bucketStart(bucket: number): number {
  if (bucket < PER_DOUBLING) return bucket;
  const doubling = Math.floor(bucket / PER_DOUBLING) - 1;
  return (PER_DOUBLING + (bucket % PER_DOUBLING)) * 2 ** doubling;
}

/** Sums of weights by bucket. */
export class LogLinearHistogram {
  /** By bucket, as far as there are any. */
  readonly counts: number[] = [];
  #total = 0;
  #max = 0;

  get total(): number {
    return this.#total;
  }

  /** The greatest value that was added; 0 for none. */
  get max(): number {
    return this.#max;
  }

  add(value: number, count: number): void {
    const bucket = bucketOf(value);
    while (this.counts.length <= bucket) this.counts.push(0);
    this.counts[bucket] += count;
    this.#total += count;
    this.#max = Math.max(this.#max, value);
  }

  /** The value below which `share` (0 to 1) of the counts are: the middle of its bucket; 0 where there are none. */
  quantile(share: number): number {
    const wanted = share * this.#total;
    let sum = 0;
    for (let bucket = 0; bucket < this.counts.length; bucket++) {
      sum += this.counts[bucket];
      if (sum >= wanted && sum > 0)
        return Math.min(this.#max, (bucketStart(bucket) + bucketStart(bucket + 1)) / 2);
    }
    return this.#max;
  }
}
