/** Parsers of command line values. Each throws InvalidArgumentError with what would have been right. */
import { InvalidArgumentError } from 'commander';
import type { ExportFormat } from '@/profile/formats/formats';

export const DEFAULT_FREQUENCY_HZ = 99;
export const MAX_FREQUENCY_HZ = 4999;
/** The kernel's own limit (PID_MAX_LIMIT). */
const MAX_PID = 4_194_304;
const MAX_PIDS = 1024;

/** Whose latencies can have histograms of their own. */
export const LATENCY_OWNERS = ['process', 'cgroup'] as const;
export type LatencyOwners = (typeof LATENCY_OWNERS)[number];

function wholeNumber(text: string, least: number, most: number, what: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new InvalidArgumentError(`${what} must be a whole number from ${least} to ${most}.`);
  }
  return value;
}

/** Samples a second on each CPU. */
export function parseFrequency(text: string): number {
  return wholeNumber(text, 1, MAX_FREQUENCY_HZ, 'The frequency');
}

/** 0 lets the kernel choose a free port. */
export function parsePort(text: string): number {
  return wholeNumber(text, 0, 65535, 'A port');
}

/** A share of all CPUs, in percent. */
export function parsePercent(text: string): number {
  const percent = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError('A percentage is a number from 0 to 100, such as 1 or 0.5.');
  return percent;
}

/** Seconds, with a fraction if need be. */
export function parseDuration(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  // A timer of Node holds 2^31 ms.
  if (!(seconds > 0 && seconds <= 2_000_000)) {
    throw new InvalidArgumentError(
      'A duration is a number of seconds above 0, such as 5 or 0.5, and at most 2000000.',
    );
  }
  return seconds;
}

/** `12,34`: process IDs separated by commas. Given again, the option adds to what it has. */
export function parsePids(text: string, earlier: readonly number[] = []): number[] {
  const pids = text.split(',').map((pid) => wholeNumber(pid.trim(), 1, MAX_PID, 'A process ID'));
  const all = [...new Set([...earlier, ...pids])];
  if (all.length > MAX_PIDS)
    throw new InvalidArgumentError(`At most ${MAX_PIDS} processes can be chosen.`);
  return all;
}

/** The format that was asked for, else the one that the file's name stands for, else collapsed. */
export function chooseFormat(
  asked: ExportFormat | undefined,
  path: string | undefined,
): ExportFormat {
  if (asked !== undefined) return asked;
  return path !== undefined && /\.(pb|pb\.gz|pprof)$/.test(path) ? 'pprof' : 'collapsed';
}
