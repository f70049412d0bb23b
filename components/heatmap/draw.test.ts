import { describe, expect, it } from 'vitest';
import type { Heatmap } from '@/profile/latency/analysis';
import { secondsOf, shadeOf } from './draw';

/** Columns of one bucket: how long each is, and how many events it has. */
function heatmapOf(columns: readonly (readonly [seconds: number, count: number])[]): Heatmap {
  const endNs = columns.map((_, i) =>
    columns.slice(0, i + 1).reduce((sum, [seconds]) => sum + seconds * 1e9, 0),
  );
  return {
    startNs: Float64Array.of(0, ...endNs.slice(0, -1)),
    endNs: Float64Array.from(endNs),
    firstBucket: 0,
    buckets: 1,
    counts: Float64Array.from(columns, ([, count]) => count),
    mostPerSecond: Math.max(...columns.map(([seconds, count]) => count / seconds)),
  };
}

function shades(columns: readonly (readonly [seconds: number, count: number])[]): number[] {
  const heatmap = heatmapOf(columns);
  const shade = shadeOf(heatmap);
  return columns.map(([, count], i) => shade(count / secondsOf(heatmap, i)));
}

describe('the shade of a column', () => {
  it('is that of its events a second, however late it was read', () => {
    const [a, late, most] = shades([
      [1, 10],
      [3, 30],
      [1, 1000],
    ]);
    expect(late).toBeCloseTo(a);
    expect(most).toBe(1);
  });

  it('is there for a single event, and in a column that is long', () => {
    const [one, inLong] = shades([
      [1, 1],
      [5, 1],
      [1, 1000],
    ]);
    expect(inLong).toBeGreaterThan(0.1);
    expect(one).toBeGreaterThan(inLong);
  });
});
