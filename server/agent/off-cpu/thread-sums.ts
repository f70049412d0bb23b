/**
 * What each thread's time was spent on, from the kernel's running sums: each reading gives the difference to the one
 * before. A thread that did nothing but wait is written down only now and then.
 */
import type { Row } from '@/profile/schema';
import { ThreadState } from '@/profile/schema';
import { THREAD } from '../records';

const STATES = Object.keys(ThreadState).length;
const HIGH = 2 ** 32;
/** So long may a wait be without a row. */
const LONGEST_WAIT_NS = 10e9;

type SliceRow = Omit<Row<'threadTimes'>, 'thread'>;

interface Thread {
  /** By state: nanoseconds, then counts, as they have been given out. */
  readonly given: Float64Array;
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
    const u64 = (offset: number): number =>
      view.getUint32(offset, true) + view.getUint32(offset + 4, true) * HIGH;
    const id = u64(at + THREAD.id);
    let thread = this.#threads.get(id);
    if (thread === undefined) {
      thread = { given: new Float64Array(STATES * 2), waiting: undefined, seenInPass: this.#pass };
      this.#threads.set(id, thread);
    }
    thread.seenInPass = this.#pass;
    const timeNs = u64(at + THREAD.time_ns);
    const rows: SliceRow[] = [];
    for (let state = 0; state < STATES; state++) {
      // A sum may go back a little: what was read while a wait went on was told apart before its end was known.
      const ns = Math.max(0, u64(at + THREAD.ns + state * 8) - thread.given[state]);
      const count = Math.max(0, u64(at + THREAD.count + state * 8) - thread.given[STATES + state]);
      if (ns === 0 && count === 0) continue;
      thread.given[state] += ns;
      thread.given[STATES + state] += count;
      rows.push({ timeNs, state, ns, count });
    }
    return {
      pid: view.getUint32(at + THREAD.pid, true),
      tid: view.getUint32(at + THREAD.tid, true),
      rows: isLast ? [...takeWaiting(thread), ...rows] : joinWaits(thread, rows),
    };
  }

  /** The last reading of a thread, which has ended. */
  readEnd(view: DataView, at: number): ThreadReading {
    const reading = this.read(view, at, true);
    const id =
      view.getUint32(at + THREAD.id, true) + view.getUint32(at + THREAD.id + 4, true) * HIGH;
    this.#threads.delete(id);
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
