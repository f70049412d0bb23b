import { expect, it } from 'vitest';
import type { SamplingRates } from '@/profile/profile';
import { anyChange, changeOf } from './rate-changes';

const RATES: SamplingRates = {
  timeNs: 0,
  frequencyHz: 99,
  thresholdNs: 10e6,
  latencyOneIn: 1,
  latencySources: ['block', 'syscalls'],
};

it('says all that has changed, or of one source of latencies alone', () => {
  const thinned: SamplingRates = {
    ...RATES,
    frequencyHz: 49,
    thresholdNs: undefined,
    latencyOneIn: 2,
    latencySources: ['syscalls', 'tcp'],
  };
  expect(anyChange(RATES, thinned)).toBe(
    'sampling 99 Hz → 49 Hz, waits all from 10 ms on → off, latencies all timed → one in 2 timed, ' +
      'Block I/O measured → off, TCP off → measured',
  );
  expect(changeOf('syscalls')(RATES, thinned)).toBe('latencies all timed → one in 2 timed');
  // All of its events are timed always.
  expect(changeOf('block')(RATES, thinned)).toBe('Block I/O measured → off');
});

it('says of waits only where off-CPU profiling, of which they are a part, says nothing', () => {
  const on: SamplingRates = { ...RATES, latencySources: ['waits', 'block', 'syscalls'] };
  const [without, alone] = [RATES, on].map((rates) => ({ ...rates, thresholdNs: undefined }));
  expect(anyChange(without, on)).toBe('waits off → all from 10 ms on');
  expect(anyChange(on, without)).toBe('waits all from 10 ms on → off');
  expect(anyChange(without, alone)).toBe('Waits off → measured');
  expect(changeOf('waits')(without, on)).toBe('Waits off → measured');
});

it('has nothing to say where nothing of it has changed', () => {
  expect(anyChange(RATES, { ...RATES, timeNs: 1 })).toBe('');
  expect(anyChange(RATES, { ...RATES, latencySources: ['syscalls', 'block'] })).toBe('');
  expect(changeOf('block')(RATES, { ...RATES, frequencyHz: 49 })).toBe('');
});
