/**
 * What each thread's time was spent on, from the kernel's running sums: each reading gives the difference to the one
 * before. A thread that did nothing but wait is written down only now and then.
 */
import type { Row } from '@/profile/schema';
import { ThreadState } from '@/profile/schema';
import { THREAD } from '../records';

const STATES = Object.keys(ThreadState).length;
const HIGH = 2 ** 32;
/** UNKNOWN_NS of bpf/hearth.h. */
const UNKNOWN_NS = 2 ** 64;
/** So long may a wait be without a row. */
const LONGEST_WAIT_NS = 10e9;

type SliceRow = Omit<Row<'threadTimes'>, 'thread'>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Thread {
  /** By state: nanoseconds, counts, the scheduler's nanoseconds, and what its clock makes of them, as they were last read. */
  readonly known: Float64Array;
  /** By state: nanoseconds that were given out under it and turned out not to belong there. */
  readonly owed: Float64Array;
  /** A slice of one state that has not been given out yet. */
  waiting: SliceRow | undefined;
  seenInPass: number;
}

export interface ThreadReading {
  readonly pid: number;
  readonly tid: number;
  readonly rows: readonly SliceRow[];
}

export class ThreadSums {
  /** By the ID that the kernel side gave it. */
  readonly #threads = new Map<number, Thread>();
  #pass = 0;

  /** Takes a `struct record_thread` at `at`. `isLast`: nothing is kept back. */
  read(view: DataView, at: number, isLast = false): ThreadReading {
    const id = idAt(view, at);
    let thread = this.#threads.get(id);
    if (thread === undefined) {
      thread = newThread();
      this.#threads.set(id, thread);
    }
    thread.seenInPass = this.#pass;
    return readInto(thread, view, at, isLast);
  }

  /** What a last reading would give; the next one gives it, too. */
  peek(view: DataView, at: number): ThreadReading {
    const thread = this.#threads.get(idAt(view, at)) ?? newThread();
    const { known, owed } = thread;
    return readInto({ ...thread, known: known.slice(), owed: owed.slice() }, view, at, true);
  }

  /** The last reading of a thread, which has ended. */
  readEnd(view: DataView, at: number): ThreadReading {
    const reading = this.read(view, at, true);
    this.#threads.delete(idAt(view, at));
    return reading;
  }

  /** To be called after a pass over all threads: forgets those that are no more, or no longer pass the filter. */
  endPass(): void {
    for (const [id, { seenInPass }] of this.#threads) {
      if (seenInPass < this.#pass - 1) this.#threads.delete(id);
    }
    this.#pass++;
  }

  get size(): number {
    return this.#threads.size;
  }
}

const u64 = (view: DataView, offset: number): number =>
  view.getUint32(offset, true) + view.getUint32(offset + 4, true) * HIGH;
const i64 = (view: DataView, offset: number): number =>
  view.getUint32(offset, true) + view.getInt32(offset + 4, true) * HIGH;
const idAt = (view: DataView, at: number): number => u64(view, at + THREAD.id);

const newThread = (): Thread => ({
  known: new Float64Array(STATES * 4),
  owed: new Float64Array(STATES),
  waiting: undefined,
  seenInPass: 0,
});

function readInto(thread: Thread, view: DataView, at: number, isLast: boolean): ThreadReading {
  const timeNs = u64(view, at + THREAD.time_ns);
  const isFirst = thread.known.every((value) => value === 0);
  const read: Mutable<SliceRow>[] = [];
  for (let state = 0; state < STATES; state++) {
    const ns = u64(view, at + THREAD.ns + state * 8);
    const count = u64(view, at + THREAD.count + state * 8);
    const { known } = thread;
    const row = {
      timeNs,
      state,
      ns: ns - known[state],
      count: Math.max(0, count - known[STATES + state]),
      schedulerNs: schedulerNs(thread, view, at, state),
      schedulerClockNs: schedulerClockNs(thread, view, at, state),
    };
    known[state] = ns;
    known[STATES + state] = count;
    // It goes back where a wait was told apart before its end was known, or a switch was not seen.
    if (row.ns < 0) {
      thread.owed[state] -= row.ns;
      row.ns = 0;
    }
    pay(thread.owed, state, row);
    read.push(row);
  }
  payBack(thread, read);
  const rows = read.filter(({ ns, count, schedulerNs }) => ns > 0 || count > 0 || schedulerNs > 0);
  return {
    pid: view.getUint32(at + THREAD.pid, true),
    tid: view.getUint32(at + THREAD.tid, true),
    // A thread that is seen for the first time is shown at once.
    rows: isLast || isFirst ? [...takeWaiting(thread), ...rows] : joinWaits(thread, rows),
  };
}

const SCHEDULER_SUMS: Readonly<Record<number, number>> = {
  [ThreadState.Running]: THREAD.scheduler_run_ns,
  [ThreadState.Runnable]: THREAD.scheduler_queue_ns,
};

/** What the scheduler has accounted since the reading before. It may go back a little: then it is made good by the next. */
function schedulerNs({ known }: Thread, view: DataView, at: number, state: number): number {
  const offset = SCHEDULER_SUMS[state];
  if (offset === undefined) return 0;
  const ns = u64(view, at + offset);
  if (ns === UNKNOWN_NS) return -1;
  const before = known[STATES * 2 + state];
  known[STATES * 2 + state] = Math.max(before, ns);
  return Math.max(0, ns - before);
}

const SCHEDULER_CLOCKS: Readonly<Record<number, number>> = {
  [ThreadState.Running]: THREAD.scheduler_run_clock_ns,
  [ThreadState.Runnable]: THREAD.scheduler_queue_clock_ns,
};

/** What the scheduler's clock has left out of that since the reading before. */
function schedulerClockNs({ known }: Thread, view: DataView, at: number, state: number): number {
  const offset = SCHEDULER_CLOCKS[state];
  if (offset === undefined) return 0;
  const ns = i64(view, at + offset);
  const before = known[STATES * 3 + state];
  known[STATES * 3 + state] = ns;
  return ns - before;
}

/**
 * Takes what is owed from the other time among the rows, so that a thread's time adds up to the time that went by. Time on
 * a CPU and in its queue, which is exact, is never less, but for what was too much of the same before.
 */
function payBack({ owed }: Thread, rows: readonly Mutable<SliceRow>[]): void {
  for (const row of rows) {
    if (row.state <= ThreadState.Throttled) continue;
    for (let state = 0; state < STATES; state++) pay(owed, state, row);
  }
}

/** Takes from a row what is owed under a state. */
function pay(owed: Float64Array, state: number, row: Mutable<SliceRow>): void {
  const paid = Math.min(owed[state], row.ns);
  owed[state] -= paid;
  row.ns -= paid;
}

function takeWaiting(thread: Thread): readonly SliceRow[] {
  const { waiting } = thread;
  thread.waiting = undefined;
  return waiting === undefined ? [] : [waiting];
}

/** Keeps back what continues one wait, and gives out what was kept back before anything else. */
function joinWaits(thread: Thread, rows: readonly SliceRow[]): readonly SliceRow[] {
  const { waiting } = thread;
  const [row] = rows;
  const isWaitOnly = rows.length === 1 && row.count === 0 && row.state > ThreadState.Throttled;
  if (!isWaitOnly) return [...takeWaiting(thread), ...rows];
  if (waiting?.state === row.state && waiting.ns < LONGEST_WAIT_NS) {
    thread.waiting = { ...row, ns: waiting.ns + row.ns };
    return [];
  }
  thread.waiting = row;
  return waiting === undefined ? [] : [waiting];
}
