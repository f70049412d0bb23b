/**
 * Weights per (process, stack): what call trees, process lists and all that is derived from them are made of. They are
 * keyed by the profile's own stacks, which never change, so they stay valid when symbols come late.
 */
import { PairTable } from './pair-table';
import type { Profile } from './profile';
import { NONE, type ProcessIndex, type SampleTypeIndex, type StackIndex } from './schema';
import type { TimeRange, View } from './view';

/** The unit of profiles in which a row of weight w stands for w samples. */
export const COUNT_UNIT = 'count';

/** Which samples count. */
export interface Selection {
  /** Empty: all. */
  readonly pids: readonly number[];
  /** Empty: all. */
  readonly tids: readonly number[];
  /** By name; empty: all, also processes in no container. */
  readonly containers: readonly string[];
  readonly range: TimeRange | undefined;
  /** Only samples of this type are summed: sums over different units mean nothing. */
  readonly sampleType: SampleTypeIndex;
}

export const EVERYTHING: Selection = {
  pids: [],
  tids: [],
  containers: [],
  range: undefined,
  sampleType: 0,
};

/** The first `length` values of columns. A (process, stack) pair occurs once; one with 0 samples counts for nothing. */
export interface StackWeights {
  readonly length: number;
  /** Rows of the profile's processes. */
  readonly process: Uint32Array;
  /** Rows of the profile's stacks; NONE where the stack was lost. */
  readonly stack: Uint32Array;
  /** In the sample type's unit. */
  readonly weight: Float64Array;
  /** Number of samples; in profiles whose unit is 'count' the weight, for there a row stands for many. */
  readonly samples: Float64Array;
}

/** The part of a view that says which samples count. A sample type that the profile has not: its first. */
export function selectionOf(profile: Profile, view: View): Selection {
  const { pids, tids, containers, range } = view;
  return { pids, tids, containers, range, sampleType: sampleTypeOf(profile, view.sampleType) };
}

/** The sample type of a name; the first where there is no such name. */
export function sampleTypeOf(profile: Profile, name: string | undefined): SampleTypeIndex {
  const { columns, length } = profile.sampleTypes;
  for (let type = 0; type < length; type++) {
    if (profile.string(columns.name[type]) === name) return type;
  }
  return 0;
}

/** Sums the samples of a profile that `selection` names, in one pass. For a window that moves, see WindowWeights. */
export function weighSamples(profile: Profile, selection: Selection = EVERYTHING): StackWeights {
  const sums = new WeightSums(profile, selection);
  const { timeNs } = profile.samples.columns;
  const { startNs, endNs } = selection.range ?? ALL_TIME;
  for (let row = 0; row < profile.samples.length; row++) {
    if (timeNs[row] >= startNs && timeNs[row] < endNs) sums.add(row);
  }
  return sums;
}

/** The entries of `weights` whose process passes the filters of `selection`; threads and time are not looked at. */
export function filterByProcess(
  profile: Profile,
  weights: StackWeights,
  selection: Pick<Selection, 'pids' | 'containers'>,
): StackWeights {
  if (selection.pids.length === 0 && selection.containers.length === 0) return weights;
  const passes = processFilter(profile, selection);
  const entries = new Uint32Array(weights.length);
  let length = 0;
  for (let entry = 0; entry < weights.length; entry++) {
    if (passes(weights.process[entry])) entries[length++] = entry;
  }
  const kept = entries.subarray(0, length);
  return {
    length,
    process: kept.map((entry) => weights.process[entry]),
    stack: kept.map((entry) => weights.stack[entry]),
    weight: Float64Array.from(kept, (entry) => weights.weight[entry]),
    samples: Float64Array.from(kept, (entry) => weights.samples[entry]),
  };
}

export const ALL_TIME: TimeRange = {
  startNs: Number.NEGATIVE_INFINITY,
  endNs: Number.POSITIVE_INFINITY,
};

/** Sums that samples are added to and taken from. Integer weights keep them exact up to 2^53. */
export class WeightSums implements StackWeights {
  length = 0;
  process = new Uint32Array(256);
  stack = new Uint32Array(256);
  weight = new Float64Array(256);
  samples = new Float64Array(256);
  readonly #profile: Profile;
  readonly #sampleType: SampleTypeIndex;
  readonly #tids: ReadonlySet<number>;
  readonly #passes: (process: ProcessIndex) => boolean;
  #entries = new PairTable(256);
  #emptyEntries = 0;
  #hasCountUnit: boolean | undefined;

  /** Of `selection` all but the range: the caller knows which rows are in it. */
  constructor(profile: Profile, selection: Selection) {
    this.#profile = profile;
    this.#sampleType = selection.sampleType;
    this.#tids = new Set(selection.tids);
    this.#passes = processFilter(profile, selection);
  }

  /** Adds a row of the profile's samples if the selection has it. */
  add(row: number): void {
    this.#apply(row, 1);
  }

  /** Takes away a row that was added. */
  subtract(row: number): void {
    this.#apply(row, -1);
  }

  clear(): void {
    this.length = 0;
    this.#emptyEntries = 0;
    this.#entries = new PairTable(256);
  }

  #apply(row: number, sign: 1 | -1): void {
    const { samples, threads } = this.#profile;
    const { thread, stack, weight, sampleType } = samples.columns;
    if (sampleType[row] !== this.#sampleType) return;
    if (this.#tids.size > 0 && !this.#tids.has(threads.columns.tid[thread[row]])) return;
    const process = threads.columns.process[thread[row]];
    if (!this.#passes(process)) return;
    let entry = this.#entries.get(process, stack[row]);
    if (entry === NONE) entry = this.#addEntry(process, stack[row]);
    const before = this.samples[entry];
    const count = this.#isCount() ? weight[row] : 1;
    this.weight[entry] += sign * weight[row];
    this.samples[entry] += sign * count;
    if (this.samples[entry] === 0) {
      this.weight[entry] = 0;
      if (before !== 0) this.#emptyEntries++;
      if (this.#emptyEntries > 1024 && this.#emptyEntries * 2 > this.length) this.#compact();
    } else if (before === 0) this.#emptyEntries--;
  }

  /** Whether a sample of weight w stands for w samples. Asked when there is a sample, and so its type. */
  #isCount(): boolean {
    this.#hasCountUnit ??=
      this.#profile.string(this.#profile.sampleTypes.columns.unit[this.#sampleType]) === COUNT_UNIT;
    return this.#hasCountUnit;
  }

  #addEntry(process: ProcessIndex, stack: StackIndex): number {
    const entry = this.length++;
    if (entry === this.process.length) this.#resize(entry * 2);
    this.process[entry] = process;
    this.stack[entry] = stack;
    this.weight[entry] = 0;
    this.samples[entry] = 0;
    this.#entries.set(process, stack, entry);
    // Empty until its first sample is added, which follows.
    this.#emptyEntries++;
    return entry;
  }

  #compact(): void {
    this.#entries = new PairTable(this.length - this.#emptyEntries);
    let to = 0;
    for (let from = 0; from < this.length; from++) {
      if (this.samples[from] === 0) continue;
      this.process[to] = this.process[from];
      this.stack[to] = this.stack[from];
      this.weight[to] = this.weight[from];
      this.samples[to] = this.samples[from];
      this.#entries.set(this.process[to], this.stack[to], to);
      to++;
    }
    this.length = to;
    this.#emptyEntries = 0;
  }

  #resize(room: number): void {
    const { process, stack, weight, samples } = this;
    this.process = new Uint32Array(room);
    this.process.set(process);
    this.stack = new Uint32Array(room);
    this.stack.set(stack);
    this.weight = new Float64Array(room);
    this.weight.set(weight);
    this.samples = new Float64Array(room);
    this.samples.set(samples);
  }
}

/** Tells which processes pass; remembers the answer, for rows of processes never change. */
export function processFilter(
  profile: Profile,
  { pids, containers }: Pick<Selection, 'pids' | 'containers'>,
): (process: ProcessIndex) => boolean {
  if (pids.length === 0 && containers.length === 0) return () => true;
  const [pidSet, containerSet] = [new Set(pids), new Set(containers)];
  const answers: boolean[] = [];
  return (process) => {
    const { pid, container } = profile.processes.columns;
    answers[process] ??=
      (pidSet.size === 0 || pidSet.has(pid[process])) &&
      (containerSet.size === 0 || containerSet.has(profile.string(container[process])));
    return answers[process];
  };
}
