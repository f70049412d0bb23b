import { describe, expect, it } from 'vitest';
import { derivedProfile } from '@/profile/derived-profile';
import { TestProfile } from '@/profile/profiles-for-tests';
import { ALL_WAITS, selectedWaits } from '@/profile/waits';
import { spreadWaits, sumActivity } from './activity-sums';

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
    const sums = sumActivity(derived, 0);
    spreadWaits(derived, selectedWaits(derived, ALL_WAITS), sums);
    expect(sums.weights.reduce((sum, one) => sum + one, 0)).toBeCloseTo(200 + 10 + 10, 6);
    expect(sums.weights[150]).toBeCloseTo(1, 6);
    expect(sums.weights[299]).toBeCloseTo(1, 6);
    expect(sums.weights[301]).toBe(0);
    expect(sums.weights[5]).toBeCloseTo(1, 6);
    expect(sums.weights[49]).toBeCloseTo(10, 6);
  });
});
