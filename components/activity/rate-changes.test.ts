import { expect, it } from 'vitest';
import type { SamplingRates } from '@/profile/profile';
import { anyChange, timedChange } from './rate-changes';

const RATES: SamplingRates = { timeNs: 0, frequencyHz: 99, thresholdNs: 10e6, latencyOneIn: 1 };

it('says all that has changed, or of latencies alone', () => {
  const thinned = { ...RATES, frequencyHz: 49, thresholdNs: undefined, latencyOneIn: 2 };
  expect(anyChange(RATES, thinned)).toBe(
    'sampling 99 Hz → 49 Hz, waits all from 10 ms on → off, latencies all timed → one in 2 timed',
  );
  expect(timedChange(RATES, thinned)).toBe('latencies all timed → one in 2 timed');
});

it('has nothing to say where nothing of it has changed', () => {
  expect(anyChange(RATES, { ...RATES, timeNs: 1 })).toBe('');
  expect(timedChange(RATES, { ...RATES, frequencyHz: 49 })).toBe('');
});
