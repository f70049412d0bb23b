import type { SamplingRates } from '@/profile/profile';
import type { TimeRange } from '@/profile/view';
import type { RateChange } from './rate-changes';

/** A line where it changed how much is sampled; its tooltip says how. Lies in what it is put in, from top to bottom. */
export function RateMarks({
  rates,
  change,
  range,
  left,
}: {
  readonly rates: readonly SamplingRates[];
  /** Which changes are marked, and as what. */
  readonly change: RateChange;
  /** What is shown. */
  readonly range: TimeRange;
  /** Where a time is, as CSS has it. */
  left(timeNs: number): string;
}) {
  return rates.slice(1).map((rate, i) => {
    const text = change(rates[i], rate);
    return text === '' || rate.timeNs < range.startNs || rate.timeNs > range.endNs ? null : (
      <div
        key={rate.timeNs}
        role="img"
        aria-label={text}
        title={text}
        className="absolute inset-y-0 w-2 -translate-x-1/2"
        style={{ left: left(rate.timeNs) }}
      >
        <div className="pointer-events-none mx-auto h-full border-l border-dashed border-ink" />
      </div>
    );
  });
}
