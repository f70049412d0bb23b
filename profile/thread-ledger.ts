/** What each thread's time was spent on, and whether it adds up. */
import type { Profile } from './profile';
import { type ThreadIndex, ThreadState } from './schema';
import type { TimeRange } from './view';
import { ALL_TIME } from './weights';

export const THREAD_STATES = Object.keys(ThreadState).length;
/** Of the scheduler: on a CPU, in the run queue. */
export const ACCOUNTS = 2;

/** A thread that has got another name, or another program, goes on where its row before ended; times are not exact. */
const SEAM_NS = 10e6;
/** Of a thread that was there for less, the microseconds at its ends are percents: that it differs from the scheduler says nothing. */
const CHECKED_NS = 100e6;
/** Above any tid. */
const TIDS = 2 ** 32;

/** An entry for each thread that has time in a range, in columns. */
export interface ThreadLedger {
  readonly length: number;
  /** Its row in the profile's threads; where it has several, for it was renamed, the last one. */
  readonly thread: Uint32Array<ArrayBuffer>;
  /** The part of the range in which the thread was there and looked at, in ns. */
  readonly startNs: Float64Array<ArrayBuffer>;
  readonly endNs: Float64Array<ArrayBuffer>;
  /** By entry and ThreadState: ns[entry * THREAD_STATES + state]. A slice that is only partly in the range counts in proportion. */
  readonly ns: Float64Array<ArrayBuffer>;
  /** Intervals that ended, likewise. */
  readonly count: Float64Array<ArrayBuffer>;
  /**
   * What the scheduler's own account says, likewise: on a CPU (`schedulerNs[entry * 2]`), and in the run queue (+ 1), throttled or not.
   * NaN where it is not known.
   */
  readonly schedulerNs: Float64Array<ArrayBuffer>;
  /** What these lack because of the scheduler's clock, as measured at each switch; negative where they have too much. */
  readonly schedulerClockNs: Float64Array<ArrayBuffer>;
  /** The entry of a row of the profile's threads, + 1; 0 for those without time in the range. */
  readonly entryOf: Uint32Array<ArrayBuffer>;
}

export interface LedgerEntry {
  readonly thread: ThreadIndex;
  readonly startNs: number;
  readonly endNs: number;
  /** By ThreadState. */
  readonly ns: Float64Array;
  readonly count: Float64Array;
  /** What is missing to the elapsed time, or too much of it (negative), in percent. */
  readonly residualPercent: number;
  readonly schedulerDifference: SchedulerDifference;
}

/** By how much a thread's time is more than the scheduler's own account says, in percent of the elapsed time; NaN where that has none. */
export interface Difference {
  readonly onCpu: number;
  readonly runQueue: number;
}

export interface SchedulerDifference {
  /** Because of the scheduler's clock, which it does not read at each switch, and which leaves out steal: as measured at each. */
  readonly ofItsClock: Difference;
  /** For other reasons. */
  readonly other: Difference;
}

/** Slices of some entries of a ledger, in columns: those of the i-th are rows offset[i] to offset[i + 1], in the order of time. */
export interface ThreadSlices {
  readonly offset: Uint32Array<ArrayBuffer>;
  readonly startNs: Float64Array<ArrayBuffer>;
  readonly endNs: Float64Array<ArrayBuffer>;
  /** By row and ThreadState, in no known order within the slice. */
  readonly ns: Float64Array<ArrayBuffer>;
  readonly count: Float64Array<ArrayBuffer>;
}

/** Calls `take` with each slice that is at least partly in the range: its rows are `first` (inclusive) to `last` (exclusive). */
function eachSlice(
  { threadTimes: { columns, length } }: Profile,
  range: TimeRange,
  take: (thread: number, startNs: number, endNs: number, first: number, last: number) => void,
): void {
  const { thread, timeNs, ns } = columns;
  for (let first = 0, last = 0; first < length; first = last) {
    const endNs = timeNs[first];
    let sum = 0;
    while (last < length && timeNs[last] === endNs && thread[last] === thread[first])
      sum += ns[last++];
    if (sum > 0 && endNs > range.startNs && endNs - sum < range.endNs)
      take(thread[first], endNs - sum, endNs, first, last);
  }
}

/** One entry per thread that has time in the range, in no order. */
export function ledgerOf(profile: Profile, range: TimeRange = ALL_TIME): ThreadLedger {
  const { state, ns, count, schedulerNs, schedulerClockNs } = profile.threadTimes.columns;
  const entryOf = new Uint32Array(profile.threads.length);
  const found: ThreadIndex[] = [];
  const [startNs, endNs]: [number[], number[]] = [[], []];
  let sums = new Float64Array(64 * THREAD_STATES);
  let counts = new Float64Array(64 * THREAD_STATES);
  let accounts = new Float64Array(64 * ACCOUNTS);
  let clocks = new Float64Array(64 * ACCOUNTS);
  eachSlice(profile, range, (thread, from, to, first, last) => {
    if (entryOf[thread] === 0) {
      entryOf[thread] = found.push(thread);
      startNs.push(Number.POSITIVE_INFINITY);
      endNs.push(Number.NEGATIVE_INFINITY);
      if (found.length * THREAD_STATES > sums.length) {
        sums = grown(sums);
        counts = grown(counts);
        accounts = grown(accounts);
        clocks = grown(clocks);
      }
    }
    const entry = entryOf[thread] - 1;
    const [start, end] = [Math.max(from, range.startNs), Math.min(to, range.endNs)];
    const share = (end - start) / (to - from);
    for (let row = first; row < last; row++) {
      sums[entry * THREAD_STATES + state[row]] += ns[row] * share;
      counts[entry * THREAD_STATES + state[row]] += count[row] * share;
      if (state[row] <= ThreadState.Throttled) {
        const account = entry * ACCOUNTS + Math.min(state[row], ThreadState.Runnable);
        accounts[account] += schedulerNs[row] < 0 ? Number.NaN : schedulerNs[row] * share;
        clocks[account] += schedulerClockNs[row] * share;
      }
    }
    startNs[entry] = Math.min(startNs[entry], start);
    endNs[entry] = Math.max(endNs[entry], end);
  });
  return joinRenamed(profile, { found, startNs, endNs, sums, counts, accounts, clocks, entryOf });
}

interface Unjoined {
  readonly found: ThreadIndex[];
  readonly startNs: number[];
  readonly endNs: number[];
  readonly sums: Float64Array<ArrayBuffer>;
  readonly counts: Float64Array<ArrayBuffer>;
  readonly accounts: Float64Array<ArrayBuffer>;
  readonly clocks: Float64Array<ArrayBuffer>;
  readonly entryOf: Uint32Array<ArrayBuffer>;
}

/** Makes one entry of those of the same number that follow one another without a gap: one thread with several rows. */
function joinRenamed(profile: Profile, unjoined: Unjoined): ThreadLedger {
  const { found, startNs, endNs, entryOf } = unjoined;
  const { tid, process } = profile.threads.columns;
  const { pid } = profile.processes.columns;
  const kept: number[] = [];
  /** By entry: the one into which it went. */
  const target = new Uint32Array(found.length);
  const lastOf = new Map<number, number>();
  const joined: [into: number, from: number][] = [];
  for (let entry = 0; entry < found.length; entry++) {
    const key = pid[process[found[entry]]] * TIDS + tid[found[entry]];
    const before = lastOf.get(key);
    if (before === undefined || Math.abs(startNs[entry] - endNs[before]) > SEAM_NS) {
      lastOf.set(key, entry);
      target[entry] = kept.push(entry) - 1;
      continue;
    }
    target[entry] = target[before];
    found[before] = found[entry];
    endNs[before] = Math.max(endNs[before], endNs[entry]);
    joined.push([before, entry]);
  }
  /** The kept entries' `width` values each, with those of the entries that went into them. */
  const keep = (values: Float64Array, width: number): Float64Array<ArrayBuffer> => {
    for (const [into, from] of joined)
      for (let i = 0; i < width; i++) values[into * width + i] += values[from * width + i];
    const picked = new Float64Array(kept.length * width);
    kept.forEach((entry, i) => {
      picked.set(values.subarray(entry * width, (entry + 1) * width), i * width);
    });
    return picked;
  };
  for (let row = 0; row < entryOf.length; row++)
    if (entryOf[row] !== 0) entryOf[row] = target[entryOf[row] - 1] + 1;
  return {
    length: kept.length,
    thread: Uint32Array.from(kept, (entry) => found[entry]),
    startNs: Float64Array.from(kept, (entry) => startNs[entry]),
    endNs: Float64Array.from(kept, (entry) => endNs[entry]),
    ns: keep(unjoined.sums, THREAD_STATES),
    count: keep(unjoined.counts, THREAD_STATES),
    schedulerNs: keep(unjoined.accounts, ACCOUNTS),
    schedulerClockNs: keep(unjoined.clocks, ACCOUNTS),
    entryOf,
  };
}

/** All of an entry's time, by state. */
export function stateSums({ ns }: Pick<ThreadLedger, 'ns'>, entry: number): Float64Array {
  return ns.subarray(entry * THREAD_STATES, (entry + 1) * THREAD_STATES);
}

/** One entry per thread that has time in the range, those with most time not spent waiting first. */
export function threadLedger(profile: Profile, range: TimeRange = ALL_TIME): LedgerEntry[] {
  const ledger = ledgerOf(profile, range);
  const entries: LedgerEntry[] = [];
  for (let entry = 0; entry < ledger.length; entry++) {
    const [startNs, endNs] = [ledger.startNs[entry], ledger.endNs[entry]];
    const ns = stateSums(ledger, entry);
    entries.push({
      thread: ledger.thread[entry],
      startNs,
      endNs,
      ns,
      count: ledger.count.subarray(entry * THREAD_STATES, (entry + 1) * THREAD_STATES),
      residualPercent: residualPercent(ns, endNs - startNs),
      schedulerDifference: schedulerDifference(
        ns,
        ledger.schedulerNs.subarray(entry * ACCOUNTS, (entry + 1) * ACCOUNTS),
        ledger.schedulerClockNs.subarray(entry * ACCOUNTS, (entry + 1) * ACCOUNTS),
        endNs - startNs,
      ),
    });
  }
  const busy = ({ ns }: LedgerEntry): number => ns[ThreadState.Running] + ns[ThreadState.Runnable];
  return entries.sort((a, b) => busy(b) - busy(a) || a.thread - b.thread);
}

/** What is missing to the elapsed time, in percent of it; negative where there is too much. */
export function residualPercent(ns: Float64Array, elapsedNs: number): number {
  let sum = 0;
  for (const value of ns) sum += value;
  return ((elapsedNs - sum) / elapsedNs) * 100;
}

/** `ns` by ThreadState, `schedulerNs` and `schedulerClockNs` on a CPU and in the run queue. */
export function schedulerDifference(
  ns: Float64Array,
  schedulerNs: Float64Array,
  schedulerClockNs: Float64Array,
  elapsedNs: number,
): SchedulerDifference {
  const { Running, Runnable, Throttled } = ThreadState;
  const [onCpu, runQueue] = schedulerNs;
  const [onCpuClock, runQueueClock] = schedulerClockNs;
  return {
    ofItsClock: {
      onCpu: (onCpuClock / elapsedNs) * 100,
      runQueue: (runQueueClock / elapsedNs) * 100,
    },
    other: {
      onCpu: ((ns[Running] - onCpu - onCpuClock) / elapsedNs) * 100,
      runQueue: ((ns[Runnable] + ns[Throttled] - runQueue - runQueueClock) / elapsedNs) * 100,
    },
  };
}

/** The larger of the two, whichever way; NaN where neither is known. */
export function largestDifference({ onCpu, runQueue }: Difference): number {
  if (Number.isNaN(runQueue)) return onCpu;
  return Math.abs(runQueue) > Math.abs(onCpu) ? runQueue : onCpu;
}

/** What is not of its clock, of a thread that was there for long enough for it to say something; else NaN. */
export function checkedDifference({ other }: SchedulerDifference, elapsedNs: number): number {
  return elapsedNs < CHECKED_NS ? Number.NaN : largestDifference(other);
}

/**
 * The slices of some entries of a ledger that are at least partly in the range. Those that follow one another are made one
 * until they are `leastNs` long: nobody can see shorter ones, and there may be very many.
 */
export function threadSlices(
  profile: Profile,
  { entryOf }: Pick<ThreadLedger, 'entryOf'>,
  entries: readonly number[],
  range: TimeRange = ALL_TIME,
  leastNs = 0,
): ThreadSlices {
  const { state, ns, count } = profile.threadTimes.columns;
  const placeOf = new Map(entries.map((entry, place) => [entry, place]));
  const found: { startNs: number; endNs: number; first: number; last: number }[][] = entries.map(
    () => [],
  );
  eachSlice(profile, range, (thread, startNs, endNs, first, last) => {
    const place = entryOf[thread] === 0 ? undefined : placeOf.get(entryOf[thread] - 1);
    if (place !== undefined) found[place].push({ startNs, endNs, first, last });
  });
  const most = found.reduce((sum, slices) => sum + slices.length, 0);
  const columns = {
    startNs: new Float64Array(most),
    endNs: new Float64Array(most),
    ns: new Float64Array(most * THREAD_STATES),
    count: new Float64Array(most * THREAD_STATES),
  };
  const offset = new Uint32Array(entries.length + 1);
  let length = 0;
  for (let place = 0; place < entries.length; place++) {
    const begin = length;
    for (const { startNs, endNs, first, last } of found[place].sort((a, b) => a.endNs - b.endNs)) {
      const isNext =
        length === begin ||
        columns.endNs[length - 1] - columns.startNs[length - 1] >= leastNs ||
        startNs - columns.endNs[length - 1] > SEAM_NS;
      if (isNext) columns.startNs[length++] = startNs;
      columns.endNs[length - 1] = endNs;
      for (let row = first; row < last; row++) {
        columns.ns[(length - 1) * THREAD_STATES + state[row]] += ns[row];
        columns.count[(length - 1) * THREAD_STATES + state[row]] += count[row];
      }
    }
    offset[place + 1] = length;
  }
  return {
    offset,
    startNs: columns.startNs.slice(0, length),
    endNs: columns.endNs.slice(0, length),
    ns: columns.ns.slice(0, length * THREAD_STATES),
    count: columns.count.slice(0, length * THREAD_STATES),
  };
}

function grown(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2);
  larger.set(values);
  return larger;
}
