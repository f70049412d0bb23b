/** Changes of how much is sampled, in words; '' where nothing of it has changed. */
import type { SamplingRates } from '@/profile/profile';

export type RateChange = (from: SamplingRates, to: SamplingRates) => string;

/** 'sampling 99 Hz → 49 Hz, waits all from 10 ms on → all from 20 ms on, latencies all timed → one in 2 timed' */
export const anyChange: RateChange = (from, to) => {
  const changes: string[] = [];
  if (from.frequencyHz !== to.frequencyHz)
    changes.push(`sampling ${from.frequencyHz} Hz → ${to.frequencyHz} Hz`);
  if (from.thresholdNs !== to.thresholdNs) {
    const text = (ns: number | undefined): string =>
      ns === undefined ? 'off' : `all from ${ns / 1e6} ms on`;
    changes.push(`waits ${text(from.thresholdNs)} → ${text(to.thresholdNs)}`);
  }
  if (from.latencyOneIn !== to.latencyOneIn) changes.push(timedChange(from, to));
  return changes.join(', ');
};

/** Of latencies alone. */
export const timedChange: RateChange = (from, to) => {
  if (from.latencyOneIn === to.latencyOneIn) return '';
  const text = (oneIn: number): string => (oneIn === 1 ? 'all timed' : `one in ${oneIn} timed`);
  return `latencies ${text(from.latencyOneIn)} → ${text(to.latencyOneIn)}`;
};
