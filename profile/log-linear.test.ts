import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, bucketStart, LogLinearHistogram } from './log-linear';

const values = fc.oneof(fc.nat(1e12), fc.double({ min: 0, max: 1e12, noNaN: true }));

describe('log-linear buckets', () => {
  it('hold each value, and are at most 6.25 % wide', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bucket = bucketOf(value);
        const [start, end] = [bucketStart(bucket), bucketStart(bucket + 1)];
        expect(start).toBeLessThanOrEqual(value);
        expect(end).toBeGreaterThan(value);
        if (value >= 16) expect((end - start) / start).toBeLessThanOrEqual(1 / 16);
      }),
    );
  });

  it('follow each other without a gap, at powers of two too', () => {
    for (let bucket = 0; bucket < 700; bucket++) expect(bucketOf(bucketStart(bucket))).toBe(bucket);
    for (let power = 0; power < 50; power++)
      expect(bucketStart(bucketOf(2 ** power))).toBe(2 ** power);
  });
});

describe('a log-linear histogram', () => {
  it('has quantiles within half a bucket of the true ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 100, max: 1e11 }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (numbers, share) => {
          const histogram = new LogLinearHistogram();
          for (const number of numbers) histogram.add(number, 1);
          const sorted = [...numbers].sort((a, b) => a - b);
          const truth = sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)];
          expect(Math.abs(histogram.quantile(share) / truth - 1)).toBeLessThanOrEqual(0.0625);
          expect(histogram.total).toBe(numbers.length);
          expect(histogram.max).toBe(sorted[sorted.length - 1]);
        },
      ),
    );
  });

  it('is 0 where there is nothing', () => {
    expect(new LogLinearHistogram().quantile(0.5)).toBe(0);
  });
});
