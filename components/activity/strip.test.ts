import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areaPath, columnCount, columnMeans, placeOf, rangeBetween, timeTicks } from './strip';

const ACTIVITY = { startNs: 1000, bucketNs: 100, weights: new Float64Array(10) };

describe('the time strip', () => {
  it('keeps the mean when it has fewer columns than buckets', () => {
    expect([...columnMeans(Float64Array.of(1, 3, 5, 7), 2)]).toEqual([2, 6]);
    expect([...columnMeans(Float64Array.of(1, 3), 4)]).toEqual([1, 3]);
  });

  it('has columns as wide as it takes for samples to tell how busy the CPUs were', () => {
    const ofSeconds = (seconds: number) => ({
      startNs: 0,
      bucketNs: (seconds / 400) * 1e9,
      weights: new Float64Array(400),
    });
    expect(columnCount(ofSeconds(10), [{ frequencyHz: 99 }])).toBe(60);
    expect(columnCount(ofSeconds(60), [{ frequencyHz: 99 }])).toBe(300);
    expect(columnCount(ofSeconds(3600), [{ frequencyHz: 99 }])).toBe(800);
    expect(columnCount(ofSeconds(8), [{ frequencyHz: 99 }, { frequencyHz: 10 }])).toBe(8);
    expect(columnCount(ofSeconds(0.1), [{ frequencyHz: 10 }])).toBe(1);
    expect(columnCount(ofSeconds(8), [{ frequencyHz: 0 }])).toBe(60);
    expect(columnCount(ofSeconds(8), [])).toBe(60);
  });

  it('draws steps', () => {
    expect(areaPath(Float64Array.of(1, 2), 2)).toBe('M0 1V0.5000H1V0.0000H2V1Z');
    expect(areaPath(Float64Array.of(0, 0), 0)).toBe('');
  });

  it('turns places into times, in any order and within the strip', () => {
    expect(rangeBetween(ACTIVITY, 0.7, 0.2)).toEqual({ startNs: 1200, endNs: 1700 });
    expect(rangeBetween(ACTIVITY, -1, 2)).toEqual({ startNs: 1000, endNs: 2000 });
    expect(rangeBetween(ACTIVITY, 0.5, 0.5)).toEqual({ startNs: 1500, endNs: 1501 });
  });

  it('finds the place of a time again', () => {
    const place = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(place, (at) => {
        const { startNs } = rangeBetween(ACTIVITY, at, 1);
        expect(placeOf(ACTIVITY, startNs)).toBeCloseTo(at, 2);
      }),
    );
  });

  it('has ticks at times that people count in', () => {
    expect(timeTicks(10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(timeTicks(0.35, 4)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(timeTicks(357, 6)).toEqual([0, 60, 120, 180, 240, 300]);
    expect(timeTicks(7 * 86400, 6)).toEqual([0, 2 * 86400, 4 * 86400, 6 * 86400]);
    expect(timeTicks(0, 5)).toEqual([0]);
  });

  it('never has more ticks than asked for, and one', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e7, noNaN: true }), (seconds) => {
        expect(timeTicks(seconds, 6).length).toBeLessThanOrEqual(7);
      }),
    );
  });
});
