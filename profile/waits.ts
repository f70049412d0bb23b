/**
 * Where time waits: sums, graphs and histograms of a profile's waits. Each row stands for weight / durationNs waits like it,
 * so every sum here estimates what really happened.
 */

import type { ChunkHeader, Increment } from './chunk';
import type { FunctionTable } from './functions';
import { rowsWhere } from './increment-rows';
import type { EventRows } from './merge';
import type { Profile } from './profile';
import { NONE, type StackIndex, ThreadState } from './schema';
import { ALL_TIME, type Selection, threadFilter } from './weights';

export interface WaitSelection extends Omit<Selection, 'sampleType'> {
  /** Of ThreadState; empty: all. */
  readonly waitClasses: readonly number[];
  /** In ns; undefined: all. */
  readonly lengths?: { readonly minNs: number; readonly maxNs: number } | undefined;
}

export const ALL_WAITS: WaitSelection = {
  pids: [],
  tids: [],
  containers: [],
  range: undefined,
  waitClasses: [],
};

const ALL_LENGTHS = { minNs: Number.NEGATIVE_INFINITY, maxNs: Number.POSITIVE_INFINITY };

/** The rows of waits, the profile's or a chunk's of it, that a selection names. */
export function* selectedWaits(
  profile: Profile,
  selection: WaitSelection,
  waits: EventRows<'waits'> = profile.waits,
): Generator<number> {
  const { thread, timeNs, durationNs, waitClass } = waits.columns;
  const passes = threadFilter(profile, selection);
  const classes = new Set(selection.waitClasses);
  const { startNs, endNs } = selection.range ?? ALL_TIME;
  const { minNs, maxNs } = selection.lengths ?? ALL_LENGTHS;
  for (let row = 0; row < waits.length; row++) {
    if (timeNs[row] < startNs || timeNs[row] >= endNs) continue;
    if (durationNs[row] < minNs || durationNs[row] >= maxNs) continue;
    if (classes.size > 0 && !classes.has(waitClass[row])) continue;
    if (passes(thread[row])) yield row;
  }
}

/** The waits whose stack passes through a node of a tree: `labels` are those of its path below the process, from the root down. */
export function* waitsThrough(
  profile: Profile,
  functions: FunctionTable,
  rows: Iterable<number>,
  labels: readonly number[],
): Generator<number> {
  functions.update();
  const { pathOfStack, pathParent, pathLabel } = functions;
  const { stack } = profile.waits.columns;
  const passes = new Map<StackIndex, boolean>();
  for (const row of rows) {
    let known = passes.get(stack[row]);
    if (known === undefined) {
      const path: number[] = [];
      if (stack[row] === NONE) path.push(functions.lostLabel);
      else
        for (let at = pathOfStack[stack[row]]; at !== NONE; at = pathParent[at])
          path.unshift(pathLabel[at]);
      known = labels.every((label, depth) => path[depth] === label);
      passes.set(stack[row], known);
    }
    if (known) yield row;
  }
}

/**
 * The wait of the waker of a wait that had ended just before, and so on, at most `hops`: rows, the nearest first. Waits for a
 * CPU are not among them: nobody ends one.
 */
export function wakeChain(profile: Profile, row: number, hops = 16): number[] {
  const { thread, timeNs, durationNs, waitClass, wakerThread } = profile.waits.columns;
  const chain: number[] = [];
  let at = row;
  while (chain.length < hops && wakerThread[at] !== NONE) {
    let before = NONE;
    for (let other = 0; other < profile.waits.length; other++) {
      if (thread[other] !== wakerThread[at] || timeNs[other] > timeNs[at]) continue;
      if (waitClass[other] <= ThreadState.Throttled) continue;
      // One that had ended before the wait began did not cause it.
      if (timeNs[other] < timeNs[at] - durationNs[at]) continue;
      if (before === NONE || timeNs[other] > timeNs[before]) before = other;
    }
    if (before === NONE || before === at || chain.includes(before)) break;
    chain.push(before);
    at = before;
  }
  return chain;
}

/**
 * The waits that are in [startNs, endNs), at least in part: that part, with its share of the weight. What was waited before a
 * recording began, or after its end, is none of its time. Those that reach to the end have their time just before it.
 */
export function waitsWithin(
  startNs: number,
  endNs: number,
  all: Increment<'waits'>,
): Increment<'waits'> {
  const { timeNs: untilNs, durationNs: lengthNs } = all.columns;
  const waits = rowsWhere(
    'waits',
    all,
    (row) => untilNs[row] > startNs && untilNs[row] - lengthNs[row] < endNs,
  );
  const timeNs = waits.columns.timeNs.slice();
  const weight = waits.columns.weight.slice();
  const durationNs = waits.columns.durationNs.slice();
  const lastNs = justBefore(endNs);
  for (let row = 0; row < waits.length; row++) {
    const fromNs = Math.max(startNs, timeNs[row] - durationNs[row]);
    const insideNs = Math.min(endNs, timeNs[row]) - fromNs;
    if (insideNs < durationNs[row]) weight[row] *= insideNs / durationNs[row];
    durationNs[row] = insideNs;
    timeNs[row] = Math.min(timeNs[row], lastNs);
  }
  return { ...waits, columns: { ...waits.columns, timeNs, weight, durationNs } };
}

/** Whether a wait went on when its recording, with this last header, ended: see `waitsWithin`; nobody has ended it. */
export function wentOn(
  { columns: { timeNs, wakerThread, wakerStack } }: EventRows<'waits'>,
  row: number,
  header: ChunkHeader | undefined,
): boolean {
  return (
    header?.hasOpenWaits === true &&
    timeNs[row] === justBefore(header.endNs) &&
    wakerThread[row] === NONE &&
    wakerStack[row] === NONE
  );
}

/** The last nanosecond, or the last number: above 2^53, after 104 days, they are more than one apart. */
const justBefore = (ns: number): number => Math.min(ns - 1, ns * (1 - Number.EPSILON / 2));

/** Drops waits, thread times, and latency samples before `timeNs`: what is live is bounded. It copies what stays. */
export function forgetWaitsBefore(profile: Profile, timeNs: number): void {
  for (const name of ['waits', 'threadTimes', 'latencySamples'] as const) {
    const table = profile[name];
    const times = table.columns.timeNs;
    let dropped = 0;
    while (dropped < table.length && times[dropped] < timeNs) dropped++;
    if (dropped === 0) continue;
    const kept = Object.fromEntries(
      Object.entries(table.columns).map(([column, values]) => [
        column,
        values.slice(dropped, table.length),
      ]),
    );
    const length = table.length - dropped;
    table.clear();
    table.pushRange(kept as never, 0, length);
  }
}
