/**
 * Where time waits: sums, graphs and histograms of a profile's waits. Each row stands for weight / durationNs waits like it,
 * so every sum here estimates what really happened.
 */
import { ProfileBuilder } from './builder';
import { buildCallTree, type CallTree, type GroupBy } from './call-tree';
import type { FunctionTable } from './functions';
import { LogLinearHistogram } from './log-linear';
import { Merger } from './merge';
import { processName } from './names';
import { PairTable } from './pair-table';
import type { Profile } from './profile';
import { FrameKind, NONE, type StackIndex, ThreadState } from './schema';
import {
  ALL_TIME,
  processFilter,
  type Selection,
  type StackWeights,
  weighSamples,
} from './weights';

export const OFF_CPU = 'off-cpu';
export const WALL_CLOCK = 'wall';

/** For people; by ThreadState. */
export const STATE_NAMES: readonly string[] = [
  'running',
  'waiting for a CPU',
  'throttled',
  'sleep',
  'lock',
  'disk',
  'network',
  'pipe',
  'poll',
  'page fault',
  'other',
];

export interface WaitSelection extends Omit<Selection, 'sampleType'> {
  /** Of ThreadState; empty: all. */
  readonly waitClasses: readonly number[];
}

export const ALL_WAITS: WaitSelection = {
  pids: [],
  tids: [],
  containers: [],
  range: undefined,
  waitClasses: [],
};

/** The rows of the profile's waits that a selection names. */
export function* selectedWaits(profile: Profile, selection: WaitSelection): Generator<number> {
  const { thread, timeNs, waitClass } = profile.waits.columns;
  const { tid, process } = profile.threads.columns;
  const passes = processFilter(profile, selection);
  const tids = new Set(selection.tids);
  const classes = new Set(selection.waitClasses);
  const { startNs, endNs } = selection.range ?? ALL_TIME;
  for (let row = 0; row < profile.waits.length; row++) {
    if (timeNs[row] < startNs || timeNs[row] >= endNs) continue;
    if (classes.size > 0 && !classes.has(waitClass[row])) continue;
    if (tids.size > 0 && !tids.has(tid[thread[row]])) continue;
    if (passes(process[thread[row]])) yield row;
  }
}

/** Weights of waits in ns, to build call trees, lists and all else from as of samples. */
export function weighWaits(profile: Profile, selection: WaitSelection = ALL_WAITS): StackWeights {
  const { thread, stack, weight } = profile.waits.columns;
  const { process } = profile.threads.columns;
  const pairs = new PairTable(256);
  const sums = { process: [] as number[], stack: [] as number[], weight: [] as number[] };
  const samples: number[] = [];
  for (const row of selectedWaits(profile, selection)) {
    const owner = process[thread[row]];
    let entry = pairs.get(owner, stack[row]);
    if (entry === NONE) {
      entry = samples.length;
      pairs.set(owner, stack[row], entry);
      sums.process.push(owner);
      sums.stack.push(stack[row]);
      sums.weight.push(0);
      samples.push(0);
    }
    sums.weight[entry] += weight[row];
    samples[entry]++;
  }
  return {
    length: samples.length,
    process: Uint32Array.from(sums.process),
    stack: Uint32Array.from(sums.stack),
    weight: Float64Array.from(sums.weight),
    samples: Float64Array.from(samples),
  };
}

/** A call tree of both, in ns; what of each node is waiting, by node. The rest is on CPU. */
export interface WallTree {
  readonly tree: CallTree;
  readonly waitingSelf: Float64Array<ArrayBuffer>;
  readonly waitingTotal: Float64Array<ArrayBuffer>;
}

/** Wall clock: on-CPU samples, which must be of CPU time in ns, and waits, in one tree. */
export function buildWallTree(
  profile: Profile,
  functions: FunctionTable,
  selection: Selection,
  groupBy?: GroupBy,
): WallTree {
  const onCpu = weighSamples(profile, selection);
  const waiting = weighWaits(profile, { ...selection, waitClasses: [] });
  const both = joinWeights(onCpu, waiting);
  const tree = buildCallTree(profile, functions, both, groupBy);
  // The same entries make the same nodes.
  const waitingOnly = both.weight.slice();
  waitingOnly.fill(0, 0, onCpu.length);
  const share = buildCallTree(profile, functions, { ...both, weight: waitingOnly }, groupBy);
  return { tree, waitingSelf: share.self, waitingTotal: share.total };
}

function joinWeights(a: StackWeights, b: StackWeights): StackWeights {
  const u32 = (x: Uint32Array, y: Uint32Array): Uint32Array => {
    const both = new Uint32Array(a.length + b.length);
    both.set(x.subarray(0, a.length));
    both.set(y.subarray(0, b.length), a.length);
    return both;
  };
  const f64 = (x: Float64Array, y: Float64Array): Float64Array => {
    const both = new Float64Array(a.length + b.length);
    both.set(x.subarray(0, a.length));
    both.set(y.subarray(0, b.length), a.length);
    return both;
  };
  return {
    length: a.length + b.length,
    process: u32(a.process, b.process),
    stack: u32(a.stack, b.stack),
    weight: f64(a.weight, b.weight),
    samples: f64(a.samples, b.samples),
  };
}

/** How long waits were, in ns, each as often as it stands for: of the rows given, such as those below a node. */
export function waitDurations(profile: Profile, rows: Iterable<number>): LogLinearHistogram {
  const { durationNs, weight } = profile.waits.columns;
  const histogram = new LogLinearHistogram();
  for (const row of rows) {
    // A wait too short for the clock stands for none that could be counted.
    if (durationNs[row] > 0) histogram.add(durationNs[row], weight[row] / durationNs[row]);
  }
  return histogram;
}

/** The waits whose stack passes through a node of a tree that was made of `weighWaits`: of its path, from the root down. */
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
 * The waits as samples of a profile of their own, of the type ('off-cpu', 'nanoseconds'): for all that reads samples. Each
 * stack ends in a frame that says what was waited for.
 */
export function offCpuProfile(profile: Profile, selection: WaitSelection = ALL_WAITS): Profile {
  const derived = new Derivation(profile, OFF_CPU);
  derived.addWaits(selection);
  return derived.profile;
}

/** On-CPU samples and waits as samples of one type, ('wall', 'nanoseconds'). Waits end in a frame that says so. */
export function wallProfile(profile: Profile, selection: WaitSelection = ALL_WAITS): Profile {
  const derived = new Derivation(profile, WALL_CLOCK);
  derived.addSamples(selection);
  derived.addWaits(selection);
  return derived.profile;
}

/**
 * Who wakes whom: the waiter's stack below, from its root to its leaf; then a frame that names the waker; then the waker's
 * stack upside down, so that where the waker did it is next to where the waiter waited, and the waker's root is on top.
 */
export function offWakeProfile(profile: Profile, selection: WaitSelection = ALL_WAITS): Profile {
  const derived = new Derivation(profile, OFF_CPU);
  derived.addWakeups(selection);
  return derived.profile;
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

/** Drops waits and thread times before `timeNs`: what is live is bounded. It copies what stays. */
export function forgetWaitsBefore(profile: Profile, timeNs: number): void {
  for (const name of ['waits', 'threadTimes'] as const) {
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

/** Makes a profile whose samples are put together anew. */
class Derivation {
  readonly #source: Profile;
  readonly #builder = new ProfileBuilder();
  readonly #merger: Merger;
  readonly #type: number;

  constructor(source: Profile, type: string) {
    this.#source = source;
    this.#merger = new Merger(this.#builder, source);
    this.#type = this.#builder.sampleType(type, 'nanoseconds');
  }

  get profile(): Profile {
    const { profile } = this.#builder;
    profile.header = this.#source.header;
    profile.startNs = this.#source.startNs;
    for (const [reason, count] of this.#source.losses) profile.losses.set(reason, count);
    return profile;
  }

  addSamples(selection: WaitSelection): void {
    const { samples, threads } = this.#source;
    const { columns } = samples;
    const passes = processFilter(this.#source, selection);
    const tids = new Set(selection.tids);
    const { startNs, endNs } = selection.range ?? ALL_TIME;
    for (let row = 0; row < samples.length; row++) {
      const thread = columns.thread[row];
      if (columns.timeNs[row] < startNs || columns.timeNs[row] >= endNs) continue;
      if (tids.size > 0 && !tids.has(threads.columns.tid[thread])) continue;
      if (!passes(threads.columns.process[thread])) continue;
      this.#builder.sample({
        timeNs: columns.timeNs[row],
        weight: columns.weight[row],
        thread: this.#merger.thread(thread),
        stack: this.#merger.stack(columns.stack[row]),
        sampleType: this.#type,
        cpu: columns.cpu[row],
      });
    }
  }

  addWaits(selection: WaitSelection): void {
    const { stack, waitClass } = this.#source.waits.columns;
    for (const row of selectedWaits(this.#source, selection)) {
      const name = `[waiting: ${STATE_NAMES[waitClass[row]]}]`;
      this.#addWait(row, this.#append(this.#merger.stack(stack[row]), name));
    }
  }

  addWakeups(selection: WaitSelection): void {
    const { stacks, waits } = this.#source;
    const { stack, waitClass, wakerStack } = waits.columns;
    for (const row of selectedWaits(this.#source, selection)) {
      if (waitClass[row] <= ThreadState.Throttled) continue;
      let at = this.#append(this.#merger.stack(stack[row]), `[${this.#wakerName(row)}]`);
      for (let waker = wakerStack[row]; waker !== NONE; waker = stacks.columns.parent[waker])
        at = this.#builder.stack(at, this.#merger.frame(stacks.columns.frame[waker]));
      this.#addWait(row, at);
    }
  }

  #wakerName(row: number): string {
    const { wakerThread, wakerStack } = this.#source.waits.columns;
    const waker = wakerThread[row];
    if (waker !== NONE) {
      const { process, name } = this.#source.threads.columns;
      return `woken by ${processName(this.#source, process[waker])}, thread ${this.#source.string(name[waker])}`;
    }
    return wakerStack[row] === NONE ? 'waker not known' : 'woken by an interrupt';
  }

  #append(parent: StackIndex, text: string): StackIndex {
    const functionName = this.#builder.string(text);
    const symbol = { functionName, file: NONE, line: 0, inlinedInto: NONE };
    return this.#builder.stack(parent, this.#builder.namedFrame(symbol, NONE, FrameKind.Native));
  }

  #addWait(row: number, stack: StackIndex): void {
    const { timeNs, weight, thread } = this.#source.waits.columns;
    this.#builder.sample({
      timeNs: timeNs[row],
      weight: weight[row],
      thread: this.#merger.thread(thread[row]),
      stack,
      sampleType: this.#type,
      cpu: 0xffff,
    });
  }
}
