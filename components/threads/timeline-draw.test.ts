import { describe, expect, it } from 'vitest';
import type { CanvasTheme } from '@/components/flame-graph/use-theme';
import type { ShownSlices } from '@/components/profile-worker/thread-analysis';
import { THREAD_STATES } from '@/profile/thread-ledger';
import {
  clockText,
  drawAxis,
  isUnwritten,
  layoutTimeline,
  placeOfTime,
  sliceAt,
  timeAt,
} from './timeline-draw';

const slices: ShownSlices = {
  shown: [4, 9],
  offset: Uint32Array.of(0, 2, 2),
  startNs: Float64Array.of(10e9, 20e9),
  endNs: Float64Array.of(15e9, 30e9),
  ns: new Float64Array(2 * THREAD_STATES),
  count: new Float64Array(2 * THREAD_STATES),
};

describe('the timeline', () => {
  it('finds the time at a place, and the place of a time', () => {
    const layout = layoutTimeline({ startNs: 1e9, endNs: 61e9 }, 1.7e18, 610);
    if (layout === undefined) throw new Error('no layout');
    for (const timeNs of [1e9, 13.5e9, 60.9e9])
      expect(timeAt(layout, placeOfTime(layout, timeNs)) / 1e9).toBeCloseTo(timeNs / 1e9, 3);
    expect(timeAt(layout, -50) / 1e9).toBeCloseTo(1, 6);
    expect(layoutTimeline({ startNs: 0, endNs: 1 }, 0, 20)).toBeUndefined();
  });

  it('finds the slice at a time, and none in a gap', () => {
    expect(sliceAt(slices, 0, 12e9)).toBe(0);
    expect(sliceAt(slices, 0, 17e9)).toBeUndefined();
    expect(sliceAt(slices, 0, 20e9)).toBe(1);
    expect(sliceAt(slices, 1, 20e9)).toBeUndefined();
  });

  it('says what may still come', () => {
    expect(isUnwritten(slices, 0, 35e9)).toBe(true);
    expect(isUnwritten(slices, 0, 60e9)).toBe(false);
    expect(isUnwritten(slices, 0, 30e9)).toBe(false);
    expect(isUnwritten(slices, 1, 35e9)).toBe(false);
  });

  it('has an axis whose labels do not overlap, however much time is shown', () => {
    const WIDTH = 80;
    const theme = { colors: {}, font: '' } as unknown as CanvasTheme;
    for (let seconds = 1; seconds < 100; seconds++) {
      const places: number[] = [];
      const context = {
        fillRect: () => {},
        measureText: () => ({ width: WIDTH }),
        fillText: (_: string, place: number) => places.push(place),
      } as unknown as CanvasRenderingContext2D;
      const layout = layoutTimeline({ startNs: 0, endNs: seconds * 1e9 }, 1.7e18, 900);
      if (layout === undefined) throw new Error('no layout');
      drawAxis(context, layout, theme);
      expect(places.length).toBeGreaterThan(0);
      for (let i = 1; i < places.length; i++)
        expect(places[i] - places[i - 1], `of ${seconds} s`).toBeGreaterThan(WIDTH);
    }
  });

  it('says times as exactly as they can be told apart', () => {
    expect(clockText(1_700_000_000_123, 60_000)).toMatch(/^\d\d:\d\d:\d\d$/);
    expect(clockText(1_700_000_000_123, 2000)).toMatch(/^\d\d:\d\d:\d\d\.123$/);
  });
});
