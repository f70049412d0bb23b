/** Latencies and sizes as people read them, with three digits: '0.1 us' is no more precise than a bucket is. */
import type { Quantile } from './histogram';
import type { LatencyUnit } from './sources';

const TIMES = [
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
] as const;
const SIZES = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/** 1234567 ns -> '1.23 ms'; 2048 bytes -> '2.00 KiB': sizes of requests are powers of two, and so are their buckets. */
export function formatLatency(value: number, unit: LatencyUnit): string {
  for (const [name, size] of unit === 'bytes' ? SIZES : TIMES) {
    if (value >= size * 0.9995) return `${threeDigits(value / size)} ${name}`;
  }
  return `${Math.round(value)} ${unit === 'bytes' ? 'B' : 'ns'}`;
}

/** A quantile's value; '≥ 137 s' where it is only known that it is longer than all that is told apart, '–' of nothing. */
export function formatQuantile(quantile: Quantile | undefined, unit: LatencyUnit): string {
  if (quantile === undefined) return '–';
  const text = formatLatency(quantile.value, unit);
  return Number.isFinite(quantile.high) ? text : `≥ ${text}`;
}

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
