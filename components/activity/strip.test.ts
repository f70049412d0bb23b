import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areaPath, columnMeans, placeOf, rangeBetween, roundTicks } from './strip';

const ACTIVITY = { startNs: 1000, bucketNs: 100, weights: new Float64Array(10) };

describe('the time strip', () => {
  it('keeps the mean when it has fewer columns than buckets', () => {
    expect([...columnMeans(Float64Array.of(1, 3, 5, 7), 2)]).toEqual([2, 6]);
    expect([...columnMeans(Float64Array.of(1, 3), 4)]).toEqual([1, 3]);
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

  it('has round ticks', () => {
    expect(roundTicks(10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(roundTicks(0.35, 4)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(roundTicks(0, 5)).toEqual([0]);
  });
});
