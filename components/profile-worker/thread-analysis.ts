/** What the page of threads shows of a profile: a ledger, slices of the threads on screen, and who will wake whom. */
import { type LongestWait, longestWaits, waitingThread } from '@/profile/longest-waits';
import { type OpenWait, type ProbableWaker, probableWakers } from '@/profile/probable-waker';
import { groupOf } from '@/profile/process-group';
import type { Profile } from '@/profile/profile';
import { NONE, type ThreadIndex } from '@/profile/schema';
import {
  ledgerOf,
  type ThreadLedger,
  type ThreadSlices,
  threadSlices,
} from '@/profile/thread-ledger';
import type { TimeRange } from '@/profile/view';
import { processFilter } from '@/profile/weights';
import { isFound } from './thread-search';

export interface ThreadsQuery {
  /** Up to the end of a live profile; undefined for everything that is there. */
  readonly windowSeconds: number | undefined;
  /** Instead of the window. */
  readonly range: TimeRange | undefined;
  /** Threads of the ledger whose slices are wanted. */
  readonly shown: readonly number[];
  /** Waits that go on now. */
  readonly open: readonly OpenWait[];
  /** Whether the longest waits are wanted, and of which threads: of these processes and containers (none: of all), and found by a search. */
  readonly longestOf:
    | {
        readonly pids: readonly number[];
        readonly containers: readonly string[];
        readonly search: string;
      }
    | undefined;
}

export const NO_THREADS: ThreadsQuery = {
  windowSeconds: undefined,
  range: undefined,
  shown: [],
  open: [],
  longestOf: undefined,
};

/** The ledger with names, in columns: an entry has the same place in each. */
export interface ThreadList {
  readonly length: number;
  /** What `ThreadsQuery.shown` names; stays the thread's while it has the same name. */
  readonly thread: Uint32Array<ArrayBuffer>;
  readonly tid: Uint32Array<ArrayBuffer>;
  readonly pid: Uint32Array<ArrayBuffer>;
  /** Indices into `names`. */
  readonly name: Uint32Array<ArrayBuffer>;
  readonly process: Uint32Array<ArrayBuffer>;
  /** The process's container, or else its cgroup, as `groupOf` has it. */
  readonly group: Uint32Array<ArrayBuffer>;
  readonly names: readonly string[];
  readonly startNs: Float64Array<ArrayBuffer>;
  readonly endNs: Float64Array<ArrayBuffer>;
  readonly ns: Float64Array<ArrayBuffer>;
  readonly count: Float64Array<ArrayBuffer>;
  readonly schedulerNs: Float64Array<ArrayBuffer>;
  readonly schedulerClockNs: Float64Array<ArrayBuffer>;
  /** What the list is of, CLOCK_MONOTONIC; the wall clock is `wallOffsetNs` later. */
  readonly range: TimeRange;
  readonly wallOffsetNs: number;
}

export interface ShownSlices extends ThreadSlices {
  /** By thread, as the query named them: the i-th has slices offset[i] to offset[i + 1]. */
  readonly shown: readonly number[];
}

/** What is new of it. */
export interface ThreadsUpdate {
  readonly list?: ThreadList;
  readonly slices?: ShownSlices;
  /** For each of the query's `open`. */
  readonly wakers?: {
    readonly open: readonly OpenWait[];
    readonly probable: readonly (ProbableWaker | undefined)[];
  };
  readonly longest?: readonly LongestWait[];
}

/** A slice shorter than this part of the time shown can't be seen. */
const SLICES = 600;
const LONGEST_WAITS = 50;

/** Remembers what it has answered, and answers only what is new. */
export class ThreadAnalysis {
  #listOf = '';
  #slicesOf = '';
  #wakersOf = '';
  #longestOf = '';
  #ledger: ThreadLedger | undefined;

  /** `heldFromNs`: what is older is not all there any more. `undefined`: nothing is new. */
  update(profile: Profile, query: ThreadsQuery, heldFromNs: number): ThreadsUpdate | undefined {
    const range = rangeOf(profile, query, heldFromNs);
    const { threadTimes, threads, waits, processes } = profile;
    // Times come once a second: the live profile's end alone, which moves with each chunk, makes nothing new.
    const times = [threadTimes.length, threadTimes.columns.timeNs[0], threads.length];
    const listOf = JSON.stringify([
      times,
      processes.length,
      query.range ?? query.windowSeconds,
      threadTimes.length === 0 ? range : undefined,
    ]);
    const isNewList = listOf !== this.#listOf || this.#ledger === undefined;
    if (isNewList) this.#ledger = ledgerOf(profile, range);
    this.#listOf = listOf;
    const ledger = this.#ledger as ThreadLedger;

    const slicesOf = JSON.stringify([listOf, query.shown]);
    const isNewSlices = slicesOf !== this.#slicesOf;
    this.#slicesOf = slicesOf;
    // Of a recording no wait goes on; of a live profile the list is new once a second.
    const wakersOf = JSON.stringify([query.open, query.open.length > 0 ? listOf : '']);
    const isNewWakers = wakersOf !== this.#wakersOf;
    this.#wakersOf = wakersOf;
    const longestOf = JSON.stringify([query.longestOf ?? null, listOf, waits.length]);
    const isNewLongest = query.longestOf !== undefined && longestOf !== this.#longestOf;
    this.#longestOf = longestOf;
    if (!isNewList && !isNewSlices && !isNewWakers && !isNewLongest) return undefined;
    return {
      ...(isNewList ? { list: listFrom(profile, ledger, range) } : {}),
      ...(isNewSlices ? { slices: slicesFrom(profile, ledger, query.shown, range) } : {}),
      ...(isNewWakers
        ? { wakers: { open: query.open, probable: probableWakers(profile, query.open) } }
        : {}),
      ...(isNewLongest
        ? { longest: longestWaits(profile, range, finder(profile, query.longestOf), LONGEST_WAITS) }
        : {}),
    };
  }
}

/** Tells by row of the profile's threads who is looked for; each is looked at once. */
function finder(
  profile: Profile,
  sought: ThreadsQuery['longestOf'],
): (thread: ThreadIndex) => boolean {
  if (sought === undefined) return () => true;
  const passes = processFilter(profile, sought);
  if (sought.search.trim() === '') return (row) => passes(profile.threads.columns.process[row]);
  const known = new Map<ThreadIndex, boolean>();
  return (row) => {
    let found = known.get(row);
    if (found === undefined) {
      found =
        passes(profile.threads.columns.process[row]) &&
        isFound(waitingThread(profile, row), sought.search);
      known.set(row, found);
    }
    return found;
  };
}

function rangeOf(
  { header, startNs }: Profile,
  { range, windowSeconds }: ThreadsQuery,
  heldFromNs: number,
): TimeRange {
  const endNs = header?.endNs ?? startNs + 1;
  if (range !== undefined) return range;
  if (windowSeconds === undefined) return { startNs: heldFromNs, endNs };
  return { startNs: Math.max(heldFromNs, endNs - windowSeconds * 1e9), endNs };
}

function listFrom(profile: Profile, ledger: ThreadLedger, range: TimeRange): ThreadList {
  const { tid, process, name } = profile.threads.columns;
  const { pid, name: processName } = profile.processes.columns;
  const places = new Map<number, number>();
  const names: string[] = [];
  const placeOf = (string: number): number => {
    let place = places.get(string);
    if (place === undefined) {
      place = names.push(string === NONE ? '' : profile.string(string)) - 1;
      places.set(string, place);
    }
    return place;
  };
  const groups = new Map<number, number>();
  const placeOfGroup = (row: number): number => {
    let place = groups.get(row);
    if (place === undefined) {
      place = names.push(groupOf(profile, row)) - 1;
      groups.set(row, place);
    }
    return place;
  };
  const { length, thread, startNs, endNs, ns, count, schedulerNs, schedulerClockNs } = ledger;
  // Moved to the page: the ledger's own columns are still needed only for `entryOf`.
  return {
    length,
    thread,
    tid: thread.map((row) => tid[row]),
    pid: thread.map((row) => pid[process[row]]),
    name: thread.map((row) => placeOf(name[row])),
    process: thread.map((row) => placeOf(processName[process[row]])),
    group: thread.map((row) => placeOfGroup(process[row])),
    names,
    startNs,
    endNs,
    ns,
    count,
    schedulerNs,
    schedulerClockNs,
    range,
    wallOffsetNs: profile.header?.wallOffsetNs ?? 0,
  };
}

function slicesFrom(
  profile: Profile,
  { entryOf }: ThreadLedger,
  shown: readonly number[],
  range: TimeRange,
): ShownSlices {
  // A thread that has left the range has none.
  const entries = new Map<number, number>();
  for (const thread of shown)
    if (thread < entryOf.length && entryOf[thread] !== 0) entries.set(entryOf[thread] - 1, thread);
  const leastNs = (range.endNs - range.startNs) / SLICES;
  return {
    shown: [...entries.values()],
    ...threadSlices(profile, { entryOf }, [...entries.keys()], range, leastNs),
  };
}

/** The buffers that an update moves to the page. */
export function threadBuffers({ list, slices }: ThreadsUpdate): ArrayBuffer[] {
  return [list, slices].flatMap((part) =>
    part === undefined
      ? []
      : Object.values(part).flatMap((value) =>
          ArrayBuffer.isView(value) ? [value.buffer as ArrayBuffer] : [],
        ),
  );
}
