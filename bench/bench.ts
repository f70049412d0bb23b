/** What a benchmark is: it measures something beside a peer, or against a limit, in the same run, and reports each number. */

export interface Measurement {
  readonly bench: string;
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  /** What it is compared with: another tool, or `limit`. */
  readonly peer: string;
  readonly peerValue: number;
  /** value / peerValue: below 1 is better than the peer, or within the limit. */
  readonly ratio: number;
}

export type Report = (
  metric: string,
  unit: string,
  value: number,
  peer: string,
  peerValue: number,
) => void;

export interface Bench {
  readonly name: string;
  /** One line. */
  readonly what: string;
  run(report: Report): Promise<void>;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** `p` from 0 to 100, by nearest rank. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))];
}

/** A median, and half of the interval that has 95 of 100 medians of as many values drawn from the same. */
export function estimate(values: readonly number[]): {
  readonly value: number;
  readonly error: number;
} {
  const medians = Array.from({ length: 2000 }, () =>
    median(values.map(() => values[Math.floor(Math.random() * values.length)])),
  );
  const error = (percentile(medians, 97.5) - percentile(medians, 2.5)) / 2;
  return { value: median(values), error };
}
