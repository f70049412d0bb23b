/** What each thread's time was spent on, and whether it adds up. */
import type { Profile } from './profile';
import { type ThreadIndex, ThreadState } from './schema';
import type { TimeRange } from './view';
import { ALL_TIME } from './weights';

export const THREAD_STATES = Object.keys(ThreadState).length;

export interface LedgerEntry {
  readonly thread: ThreadIndex;
  /** The part of the range in which the thread was there and looked at, in ns. */
  readonly startNs: number;
  readonly endNs: number;
  /** By ThreadState. A slice that is only partly in the range counts in proportion. */
  readonly ns: Float64Array;
  /** Intervals that ended, by ThreadState. */
  readonly count: Float64Array;
  /** What is missing to the elapsed time, or too much of it (negative), in percent. */
  readonly residualPercent: number;
}

/** A slice of a thread's time: what it was spent on in [startNs, endNs), in no known order. */
export interface ThreadSlice {
  readonly thread: ThreadIndex;
  readonly startNs: number;
  readonly endNs: number;
  /** By ThreadState. */
  readonly ns: Float64Array;
  readonly count: Float64Array;
}

/** The slices of all threads, in the order of their ends for each thread. What a timeline of states draws. */
export function threadSlices(profile: Profile): Map<ThreadIndex, ThreadSlice[]> {
  const { columns, length } = profile.threadTimes;
  const slices = new Map<ThreadIndex, ThreadSlice[]>();
  const open = new Map<string, { ns: Float64Array; count: Float64Array }>();
  const ends = new Map<ThreadIndex, Set<number>>();
  for (let row = 0; row < length; row++) {
    const [thread, endNs] = [columns.thread[row], columns.timeNs[row]];
    const key = `${thread} ${endNs}`;
    let slice = open.get(key);
    if (slice === undefined) {
      slice = { ns: new Float64Array(THREAD_STATES), count: new Float64Array(THREAD_STATES) };
      open.set(key, slice);
      const known = ends.get(thread);
      if (known === undefined) ends.set(thread, new Set([endNs]));
      else known.add(endNs);
    }
    slice.ns[columns.state[row]] += columns.ns[row];
    slice.count[columns.state[row]] += columns.count[row];
  }
  for (const [thread, times] of ends) {
    const ordered = [...times].sort((a, b) => a - b);
    slices.set(
      thread,
      ordered.map((endNs) => {
        const slice = open.get(`${thread} ${endNs}`) as { ns: Float64Array; count: Float64Array };
        const length = slice.ns.reduce((sum, ns) => sum + ns, 0);
        return { thread, startNs: endNs - length, endNs, ...slice };
      }),
    );
  }
  return slices;
}

/** One entry per thread that has time in the range, those with most time not spent waiting first. */
export function threadLedger(profile: Profile, range: TimeRange = ALL_TIME): LedgerEntry[] {
  const ledger: LedgerEntry[] = [];
  for (const [thread, slices] of threadSlices(profile)) {
    const ns = new Float64Array(THREAD_STATES);
    const count = new Float64Array(THREAD_STATES);
    let [startNs, endNs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const slice of slices) {
      const from = Math.max(slice.startNs, range.startNs);
      const to = Math.min(slice.endNs, range.endNs);
      if (to <= from) continue;
      const share = (to - from) / (slice.endNs - slice.startNs);
      for (let state = 0; state < THREAD_STATES; state++) {
        ns[state] += slice.ns[state] * share;
        count[state] += slice.count[state] * share;
      }
      startNs = Math.min(startNs, from);
      endNs = Math.max(endNs, to);
    }
    if (endNs <= startNs) continue;
    const sum = ns.reduce((total, value) => total + value, 0);
    const elapsed = endNs - startNs;
    ledger.push({
      thread,
      startNs,
      endNs,
      ns,
      count,
      residualPercent: ((elapsed - sum) / elapsed) * 100,
    });
  }
  const busy = ({ ns }: LedgerEntry): number => ns[ThreadState.Running] + ns[ThreadState.Runnable];
  return ledger.sort((a, b) => busy(b) - busy(a) || a.thread - b.thread);
}
