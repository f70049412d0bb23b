/** Changes of what is sampled and measured, and how much of it, in words; '' where nothing of it has changed. */
import {
  LATENCY_SOURCES,
  LATENCY_TEXTS,
  type LatencySource,
  THINNED_SOURCES,
} from '@/profile/latency/sources';
import type { SamplingRates } from '@/profile/profile';

export type RateChange = (from: SamplingRates, to: SamplingRates) => string;

/**
 * 'sampling 99 Hz → 49 Hz, waits all from 10 ms on → all from 20 ms on, latencies all timed → one in 2 timed, Block I/O
 * measured → off'
 */
export const anyChange: RateChange = (from, to) => {
  const changes: string[] = [];
  if (from.frequencyHz !== to.frequencyHz)
    changes.push(`sampling ${from.frequencyHz} Hz → ${to.frequencyHz} Hz`);
  if (from.thresholdNs !== to.thresholdNs) {
    const text = (ns: number | undefined): string =>
      ns === undefined ? 'off' : `all from ${ns / 1e6} ms on`;
    changes.push(`waits ${text(from.thresholdNs)} → ${text(to.thresholdNs)}`);
  }
  // Waits are measured while off-CPU profiling is on, which is said already.
  const isTold = from.thresholdNs !== undefined || to.thresholdNs !== undefined;
  const sources = LATENCY_SOURCES.filter((source) => !(isTold && source === 'waits'));
  return [...changes, ...timedChange(from, to), ...measuredChanges(from, to, sources)].join(', ');
};

/** Of one source of latencies. */
export const changeOf =
  (source: LatencySource): RateChange =>
  (from, to) =>
    [
      ...(THINNED_SOURCES.includes(source) ? timedChange(from, to) : []),
      ...measuredChanges(from, to, [source]),
    ].join(', ');

function timedChange(from: SamplingRates, to: SamplingRates): string[] {
  if (from.latencyOneIn === to.latencyOneIn) return [];
  const text = (oneIn: number): string => (oneIn === 1 ? 'all timed' : `one in ${oneIn} timed`);
  return [`latencies ${text(from.latencyOneIn)} → ${text(to.latencyOneIn)}`];
}

function measuredChanges(
  from: SamplingRates,
  to: SamplingRates,
  sources: readonly LatencySource[],
): string[] {
  const was = new Set(from.latencySources);
  const is = new Set(to.latencySources);
  const text = (isMeasured: boolean): string => (isMeasured ? 'measured' : 'off');
  return sources
    .filter((source) => was.has(source) !== is.has(source))
    .map(
      (source) =>
        `${LATENCY_TEXTS[source].title} ${text(was.has(source))} → ${text(is.has(source))}`,
    );
}
