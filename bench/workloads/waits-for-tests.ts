/** What the workload `waits` says of its threads, and what a profile says of them. */
import { expect } from 'vitest';
import type { Profile } from '@/profile/profile';
import { BLOCKED_STATES, NONE, STATE_NAMES, type ThreadIndex, ThreadState } from '@/profile/schema';
import { stackNames } from './run';

export const HZ = 19;
export const THRESHOLD_NS = 10e6;

export interface Worker {
  readonly name: string;
  readonly tid: number;
  readonly count: number;
  readonly waitedSeconds: number;
  readonly waitedSquares: number;
  /** From the thread's creation to the end of its work, and until it was joined. */
  readonly elapsedSeconds: number;
  readonly lifetimeSeconds: number;
  readonly runNs: number;
  readonly queueNs: number;
  /** Voluntary context switches. */
  readonly blocks: number;
}

export interface Result {
  readonly seconds: number;
  readonly threads: readonly Worker[];
}

export interface ReadWait {
  readonly tid: number;
  readonly waitClass: number;
  readonly weight: number;
  readonly durationNs: number;
  readonly stack: readonly string[];
  readonly wakerTid: number | undefined;
  readonly wakerStack: readonly string[];
}

export function threadsOf(profile: Profile, pid: number): (thread: ThreadIndex) => boolean {
  const { threads, processes } = profile;
  return (thread) => processes.columns.pid[threads.columns.process[thread]] === pid;
}

export function waitsOf(profile: Profile, pid: number): ReadWait[] {
  const { waits, threads } = profile;
  const isIn = threadsOf(profile, pid);
  const read: ReadWait[] = [];
  for (let row = 0; row < waits.length; row++) {
    const { thread, waitClass, weight, durationNs, stack, wakerThread, wakerStack } = waits.columns;
    if (!isIn(thread[row])) continue;
    read.push({
      tid: threads.columns.tid[thread[row]],
      waitClass: waitClass[row],
      weight: weight[row],
      durationNs: durationNs[row],
      stack: stackNames(profile, stack[row]),
      wakerTid: wakerThread[row] === NONE ? undefined : threads.columns.tid[wakerThread[row]],
      wakerStack: stackNames(profile, wakerStack[row]),
    });
  }
  return read;
}

/** Nanoseconds and counts by state of one thread, and what the scheduler accounted. */
export function timesOf(
  profile: Profile,
  pid: number,
  tid: number,
): { ns: number[]; count: number[]; schedulerNs: number[]; schedulerClockNs: number[] } {
  const { threadTimes, threads } = profile;
  const isIn = threadsOf(profile, pid);
  const size = Object.keys(ThreadState).length;
  const zeros = (): number[] => new Array<number>(size).fill(0);
  const [ns, count, schedulerNs, schedulerClockNs] = [zeros(), zeros(), zeros(), zeros()];
  for (let row = 0; row < threadTimes.length; row++) {
    const { thread, state, ...columns } = threadTimes.columns;
    if (!isIn(thread[row]) || threads.columns.tid[thread[row]] !== tid) continue;
    ns[state[row]] += columns.ns[row];
    count[state[row]] += columns.count[row];
    schedulerNs[state[row]] += columns.schedulerNs[row];
    schedulerClockNs[state[row]] += columns.schedulerClockNs[row];
  }
  return { ns, count, schedulerNs, schedulerClockNs };
}

interface StateSums {
  readonly count: number;
  readonly ns: number;
}

export const isBlocked = (state: number): boolean =>
  BLOCKED_STATES.some((blocked) => blocked === state);

/** That the histograms of a process's waits have every block that is in the sums of its threads, which have ended. */
export function expectAllInHistograms(profile: Profile, pid: number): void {
  const { threadTimes, latencies, processes } = profile;
  const [threads, histograms] = [new Map<string, StateSums>(), new Map<string, StateSums>()];
  const add = (sums: Map<string, StateSums>, name: string, count: number, ns: number): void => {
    const before = sums.get(name) ?? { count: 0, ns: 0 };
    sums.set(name, { count: before.count + count, ns: before.ns + ns });
  };
  const isIn = threadsOf(profile, pid);
  for (let row = 0; row < threadTimes.length; row++) {
    const { thread, state, ns, count } = threadTimes.columns;
    if (isIn(thread[row]) && isBlocked(state[row]))
      add(threads, STATE_NAMES[state[row]], count[row], ns[row]);
  }
  for (let row = 0; row < latencies.length; row++) {
    const { source, label, process, count, sum: ns } = latencies.columns;
    if (profile.string(source[row]) === 'waits' && processes.columns.pid[process[row]] === pid)
      add(histograms, profile.string(label[row]), count[row], ns[row]);
  }
  expect(histograms.size).toBeGreaterThan(0);
  expect(histograms).toEqual(threads);
}

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

export function expectWithin(actual: number, expected: number, bound: number, what: string): void {
  expect(
    Math.abs(actual - expected),
    `${what}: ${actual} of ${expected} +- ${bound}`,
  ).toBeLessThanOrEqual(bound);
}
