import type { SamplingRates } from '@/profile/profile';
import type { TimeRange } from '@/profile/view';

/** A line where it changed how much is sampled; its tooltip says how. Lies in what it is put in, from top to bottom. */
export function RateMarks({
  rates,
  range,
  left,
}: {
  readonly rates: readonly SamplingRates[];
  /** What is shown. */
  readonly range: TimeRange;
  /** Where a time is, as CSS has it. */
  left(timeNs: number): string;
}) {
  return rates.slice(1).map((rate, i) =>
    rate.timeNs < range.startNs || rate.timeNs > range.endNs ? null : (
      <div
        key={rate.timeNs}
        role="img"
        aria-label={rateChange(rates[i], rate)}
        title={rateChange(rates[i], rate)}
        className="absolute inset-y-0 w-2 -translate-x-1/2"
        style={{ left: left(rate.timeNs) }}
      >
        <div className="pointer-events-none mx-auto h-full border-l border-dashed border-ink" />
      </div>
    ),
  );
}

/** 'sampling 99 Hz → 49 Hz, waits all from 10 ms on → all from 20 ms on, latencies all timed → one in 2 timed' */
function rateChange(from: SamplingRates, to: SamplingRates): string {
  const changes: string[] = [];
  if (from.frequencyHz !== to.frequencyHz)
    changes.push(`sampling ${from.frequencyHz} Hz → ${to.frequencyHz} Hz`);
  if (from.thresholdNs !== to.thresholdNs) {
    const text = (ns: number | undefined): string =>
      ns === undefined ? 'off' : `all from ${ns / 1e6} ms on`;
    changes.push(`waits ${text(from.thresholdNs)} → ${text(to.thresholdNs)}`);
  }
  if (from.latencyOneIn !== to.latencyOneIn) {
    const text = (oneIn: number): string => (oneIn === 1 ? 'all timed' : `one in ${oneIn} timed`);
    changes.push(`latencies ${text(from.latencyOneIn)} → ${text(to.latencyOneIn)}`);
  }
  return changes.join(', ');
}
