/** For tests: runs a workload whose latencies are known while they are measured, and compares. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { z } from 'zod';
import { compileWorkload } from '@/bench/workloads/compile';
import { Histogram } from '@/profile/latency/histogram';
import type { LatencySource } from '@/profile/latency/sources';
import { type LatencyBucket, LatencyPrograms } from '@/server/agent/latency/latency-programs';

export const truthSchema = z.object({
  count: z.number(),
  p50: z.number(),
  p90: z.number(),
  max: z.number(),
});

export interface Measured {
  readonly pid: number;
  /** The workload's line of JSON. */
  readonly truth: Readonly<Record<string, unknown>>;
  readonly buckets: readonly LatencyBucket[];
  /** How often the kernel's tables were read and emptied meanwhile. */
  readonly readings: number;
  /** By the kernel's own count, of the process. */
  readonly pageFaults: number;
  /** How often it got a CPU, by the scheduler's own count. */
  readonly arrivals: number;
}

export interface MeasureOptions {
  /** One in so many events is timed, of sources that are thinned. */
  readonly oneIn?: number;
  /** Runs before anything is measured; `pid`: the workload's. */
  readonly prepare?: (programs: LatencyPrograms, pid: number) => Promise<void>;
  /** Runs beside it, until the signal says that the workload is done. */
  readonly during?: (programs: LatencyPrograms, done: AbortSignal) => Promise<void>;
}

/** Runs a workload while `sources` are measured of it alone, and the tables are read all the time. */
export async function measureWorkload(
  workload: string,
  sources: readonly LatencySource[],
  args: readonly (string | number)[],
  { oneIn = 1, prepare, during }: MeasureOptions = {},
): Promise<Measured> {
  const child = spawn(compileWorkload(workload), args.map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pid = child.pid ?? 0;
  const programs = new LatencyPrograms({ onlyPids: [pid] });
  try {
    await readsInput(pid);
    await prepare?.(programs, pid);
    await programs.set(sources);
    await programs.setThinning(oneIn);
    expect(programs.problems).toEqual({});
    expect(programs.sources).toEqual(sources);
    const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
    const done = new AbortController();
    void line.then(() => done.abort());
    const [faultsBefore, arrivalsBefore] = [pageFaults(pid), arrivals(pid)];
    child.stdin.write('go\n');
    const beside = during?.(programs, done.signal);
    const buckets: LatencyBucket[] = [];
    let readings = 0;
    while (!done.signal.aborted) {
      buckets.push(...(await programs.take()));
      readings++;
      await sleep(10);
    }
    await beside;
    await readsInput(pid);
    const [faultsAfter, arrivalsAfter] = [pageFaults(pid), arrivals(pid)];
    await programs.set([]);
    buckets.push(...(await programs.take()));
    expect(programs.losses.uncounted).toBe(0);
    const truth = JSON.parse((await line)[0]);
    return {
      pid,
      truth,
      buckets,
      readings,
      pageFaults: faultsAfter - faultsBefore,
      arrivals: arrivalsAfter - arrivalsBefore,
    };
  } finally {
    programs.dispose();
    child.kill('SIGKILL');
  }
}

/** Fields of /proc/PID/stat from the third on (proc_pid_stat(5)); the second may hold spaces. */
function stat(pid: number): string[] {
  return (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
}

/** Resolves when a process waits for the line that it reads before it begins and before it ends. */
async function readsInput(pid: number): Promise<void> {
  const read = process.arch === 'arm64' ? 63 : 0;
  const isReading = (): boolean =>
    readFileSync(`/proc/${pid}/syscall`, 'utf8').startsWith(`${read} 0x0 `);
  while (!isReading()) await sleep(5);
}

function pageFaults(pid: number): number {
  const [MINOR, MAJOR] = [7, 9];
  const fields = stat(pid).map(Number);
  return fields[MINOR] + fields[MAJOR];
}

/** The third field of /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst), of the first thread. */
function arrivals(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[2]);
}

export function histogram(buckets: readonly LatencyBucket[], label: string): Histogram {
  const sums = new Histogram();
  for (const { bucket, count, sum } of buckets.filter((row) => row.label === label))
    sums.add(bucket, count, sum);
  return sums;
}

/** Of one in 8 that is drawn, so many in a row are not, at most: 7/8 to this power is 3e-8. */
const MOST_WAITING = 130;

/**
 * That as many calls were counted as a thread made, however frequent: but for the last ones, which are counted with the next
 * one like them that is drawn, or when the thread ends.
 */
export function expectCalls(count: number, made: number): void {
  expect(count).toBeLessThanOrEqual(made);
  expect(count).toBeGreaterThanOrEqual(made - MOST_WAITING);
}

/** Half a bucket. */
const BUCKET_ERROR = 0.035;
/** What the way to the kernel and back takes. */
export const ENTRY_NS = 30_000;

/**
 * That a histogram has as many events as the workload told, as long as it told. `entryNs`: the way there and back;
 * `interrupted`: the share of events that others may interrupt between the program's own clock and the kernel's.
 */
export function expectQuantiles(
  measured: Histogram,
  told: unknown,
  entryNs = ENTRY_NS,
  interrupted = 0,
): void {
  const truth = truthSchema.parse(told);
  expect(measured.count).toBe(truth.count);
  for (const [q, value] of [
    [0.5, truth.p50],
    [0.9, truth.p90],
  ] as const) {
    const least = measured.quantile(q)?.value ?? 0;
    expect(least, `p${100 * q}`).toBeLessThan(value * (1 + BUCKET_ERROR));
    const most = measured.quantile(q + interrupted)?.value ?? 0;
    expect(most, `p${100 * q}`).toBeGreaterThan(value * (1 - BUCKET_ERROR) - entryNs);
  }
}
