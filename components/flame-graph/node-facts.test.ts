import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weightedShareError } from './node-facts';

describe('the error of a share of weights', () => {
  it('is that of counts where all weigh the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 1000 }), (n, k) => {
        const [all, part] = [n + k, k];
        const error = weightedShareError(
          { weight: part * 7, variance: part * 49 },
          { weight: all * 7, variance: all * 49 },
        );
        const p = part / all;
        expect(error).toBeCloseTo(1.96 * Math.sqrt((p * (1 - p)) / all), 9);
      }),
    );
  });

  it('is none where nothing was left to chance', () => {
    expect(weightedShareError({ weight: 3, variance: 0 }, { weight: 9, variance: 0 })).toBe(0);
    expect(weightedShareError({ weight: 0, variance: 0 }, { weight: 0, variance: 0 })).toBe(0);
  });

  it('is, of many drawings, how far the share really is from the truth', () => {
    // Two functions wait alike often, 1 and 9 ms; T is 10 ms.
    let seed = 20_011;
    const next = (): number => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return (seed >>> 0) / 2 ** 32;
    };
    let within = 0;
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      const sums = [1, 9].map((d) => {
        let [weight, variance] = [0, 0];
        for (let i = 0; i < 1000; i++) {
          if (next() >= d / 10) continue;
          weight += 10;
          variance += 10 * (10 - d);
        }
        return { weight, variance };
      });
      const all = {
        weight: sums[0].weight + sums[1].weight,
        variance: sums[0].variance + sums[1].variance,
      };
      const off = Math.abs(sums[0].weight / all.weight - 0.1);
      if (off <= weightedShareError(sums[0], all)) within++;
    }
    // 95 of 100, and four standard errors of 400 rounds.
    expect(within / rounds).toBeGreaterThan(0.95 - 0.044);
  });
});
