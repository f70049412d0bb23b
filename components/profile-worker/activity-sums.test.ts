import { describe, expect, it } from 'vitest';
import { derivedProfile } from '@/profile/derived-profile';
import { TestProfile } from '@/profile/profiles-for-tests';
import { ALL_WAITS, selectedWaits } from '@/profile/waits';
import { EVERYTHING, type Selection } from '@/profile/weights';
import { liveGrid, sumActivity, wholeGrid } from './activity-sums';

describe('activity of waits', () => {
  it('is spread over the time that they lasted', () => {
    const test = new TestProfile()
      .addWait({ stack: ['long'], timeNs: 300, durationNs: 200 })
      .addWait({ stack: ['short'], timeNs: 50, durationNs: 0.5, weight: 10 })
      .addWait({ stack: ['from before the start'], timeNs: 10, durationNs: 1000 });
    const { profile } = test;
    profile.startNs = 0;
    const derived = derivedProfile(profile, 'off-cpu');
    derived.header = {
      sequence: 0,
      startNs: 0,
      endNs: 400,
      wallOffsetNs: 0,
      frequencyHz: 99,
    } as never;
    const waits = selectedWaits(derived, ALL_WAITS);
    const sums = sumActivity(derived, EVERYTHING, wholeGrid(derived), false, waits);
    expect(sums.weights.reduce((sum, one) => sum + one, 0)).toBeCloseTo(200 + 10 + 10, 6);
    expect(sums.weights[150]).toBeCloseTo(1, 6);
    expect(sums.weights[299]).toBeCloseTo(1, 6);
    expect(sums.weights[301]).toBe(0);
    expect(sums.weights[5]).toBeCloseTo(1, 6);
    expect(sums.weights[49]).toBeCloseTo(10, 6);
  });
});

describe('activity of a live profile', () => {
  it('stays where it is while time goes on, and has no second that is not over', () => {
    const test = new TestProfile();
    for (let i = 0; i < 100; i++)
      test.addWait({ stack: ['f'], timeNs: (i + 0.5) * 1e9, durationNs: 1, weight: i });
    const derived = derivedProfile(test.profile, 'off-cpu');
    const activityAt = (endSeconds: number): Map<number, number> => {
      const grid = liveGrid(20.3e9, endSeconds * 1e9);
      const waits = selectedWaits(derived, ALL_WAITS);
      const { startNs, bucketNs, weights } = sumActivity(derived, EVERYTHING, grid, true, waits);
      expect(startNs + bucketNs * weights.length).toBe(Math.floor(endSeconds) * 1e9);
      return new Map(Array.from(weights, (weight, i) => [startNs / 1e9 + i, weight]));
    };
    const [before, after] = [activityAt(70.2), activityAt(75.9)];
    expect(before.size).toBe(60);
    for (const [second, weight] of after) {
      expect(weight).toBe(Math.max(second, 0));
      if (before.has(second)) expect(before.get(second)).toBe(weight);
    }
    expect(liveGrid(0, 61e9).buckets).toBe(120);
    expect(liveGrid(0, 3600e9).buckets).toBe(300);
  });
});

describe('activity of what is selected', () => {
  const test = new TestProfile()
    .add({ pid: 1, tid: 1, stack: ['f'], timeNs: 10, weight: 5 })
    .add({ pid: 2, tid: 2, stack: ['f'], timeNs: 10, weight: 7 })
    .add({ pid: 2, tid: 3, stack: ['f'], timeNs: 90, weight: 1 })
    .addWait({ pid: 1, tid: 1, stack: ['g'], timeNs: 100, durationNs: 50 })
    .addWait({ pid: 2, tid: 2, stack: ['g'], timeNs: 100, durationNs: 20 });
  const grid = { startNs: 0, bucketNs: 50, buckets: 2 };

  it('is of its samples alone', () => {
    const weights = (selection: Partial<Selection>): number[] =>
      Array.from(sumActivity(test.profile, { ...EVERYTHING, ...selection }, grid, false).weights);
    expect(weights({})).toEqual([12, 1]);
    expect(weights({ pids: [2] })).toEqual([7, 1]);
    expect(weights({ tids: [3] })).toEqual([0, 1]);
    expect(weights({ pids: [1], tids: [3] })).toEqual([0, 0]);
  });

  it('is of its waits alone', () => {
    const derived = derivedProfile(test.profile, 'off-cpu');
    const selection = { ...EVERYTHING, pids: [2] };
    const waits = selectedWaits(derived, { ...ALL_WAITS, ...selection });
    const { weights } = sumActivity(derived, selection, grid, false, waits);
    expect(Array.from(weights)).toEqual([0, 20]);
  });
});
