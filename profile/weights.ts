/**
 * Weights per (process, stack): what call trees, process lists and all that is derived from them are made of. They are
 * keyed by the profile's own stacks, which never change, so they stay valid when symbols come late.
 */
import { PairRows } from './pair-rows';
import { groupOf } from './process-group';
import type { Profile } from './profile';
import { resized } from './resized';
import type { ProcessIndex, SampleTypeIndex, StackIndex, ThreadIndex } from './schema';
import type { TimeRange, View } from './view';

/** The unit of profiles in which a row of weight w stands for w samples. */
export const COUNT_UNIT = 'count';

/** Which samples count. */
export interface Selection {
  /** Empty: all. */
  readonly pids: readonly number[];
  /** Empty: all. */
  readonly tids: readonly number[];
  /** As `groupOf` names them; empty: all processes. */
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
  /** Number of samples; in profiles whose unit is 'count' the same array as `weight`, for there a row stands for many. */
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
  const weight = Float64Array.from(kept, (entry) => weights.weight[entry]);
  return {
    length,
    process: kept.map((entry) => weights.process[entry]),
    stack: kept.map((entry) => weights.stack[entry]),
    weight,
    samples:
      weights.samples === weights.weight
        ? weight
        : Float64Array.from(kept, (entry) => weights.samples[entry]),
  };
}

export const ALL_TIME: TimeRange = {
  startNs: Number.NEGATIVE_INFINITY,
  endNs: Number.POSITIVE_INFINITY,
};

const INITIAL_ENTRIES = 256;

/** Sums that samples are added to and taken from. Integer weights keep them exact up to 2^53. */
export class WeightSums implements StackWeights {
  weight = new Float64Array(INITIAL_ENTRIES);
  /** Not used where the unit is 'count'. */
  #samples = new Float64Array(0);
  /** (process, stack) */
  #entries = new PairRows(INITIAL_ENTRIES);
  readonly #profile: Profile;
  readonly #sampleType: SampleTypeIndex;
  readonly #passes: (thread: ThreadIndex) => boolean;
  #emptyEntries = 0;
  #hasCountUnit: boolean | undefined;

  /** Of `selection` all but the range: the caller knows which rows are in it. */
  constructor(profile: Profile, selection: Selection) {
    this.#profile = profile;
    this.#sampleType = selection.sampleType;
    this.#passes = threadFilter(profile, selection);
  }

  get length(): number {
    return this.#entries.length;
  }

  get process(): Uint32Array {
    return this.#entries.first;
  }

  get stack(): Uint32Array {
    return this.#entries.second;
  }

  get samples(): Float64Array {
    return this.#hasCountUnit === true ? this.weight : this.#samples;
  }

  /** Adds a row of the profile's samples if the selection has it. */
  add(row: number): void {
    this.#apply(row, this.#profile.samples.columns.weight[row], 1);
  }

  /** Adds so much of a row, and counts so many samples for it: also what is less than nothing of one that was added. */
  addPart(row: number, weight: number, samples: number): void {
    this.#apply(row, weight, samples);
  }

  /** Takes away a row that was added. */
  subtract(row: number): void {
    this.#apply(row, -this.#profile.samples.columns.weight[row], -1);
  }

  clear(): void {
    this.weight.fill(0);
    this.#samples.fill(0);
    this.#emptyEntries = 0;
    this.#entries = new PairRows(INITIAL_ENTRIES);
  }

  /** Gives back the room for more entries. */
  trim(): void {
    this.#entries.trim();
    this.weight = resized(this.weight, this.length);
    if (this.#hasCountUnit === false) this.#samples = resized(this.#samples, this.length);
  }

  #apply(row: number, weight: number, count: number): void {
    const { samples, threads } = this.#profile;
    const { thread, stack, sampleType } = samples.columns;
    if (sampleType[row] !== this.#sampleType) return;
    if (!this.#passes(thread[row])) return;
    const process = threads.columns.process[thread[row]];
    const hasCountUnit = this.#isCount();
    const entry = this.#entry(process, stack[row]);
    const { samples: sums } = this;
    const before = sums[entry];
    this.weight[entry] += weight;
    if (!hasCountUnit) sums[entry] += count;
    if (sums[entry] === 0) {
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

  #entry(process: ProcessIndex, stack: StackIndex): number {
    const known = this.length;
    const entry = this.#entries.intern(process, stack);
    if (entry < known) return entry;
    if (entry === this.weight.length)
      this.weight = resized(this.weight, Math.max(INITIAL_ENTRIES, entry * 2));
    if (this.#hasCountUnit === false && entry >= this.#samples.length)
      this.#samples = resized(this.#samples, this.weight.length);
    // Empty until its first sample is added, which follows.
    this.#emptyEntries++;
    return entry;
  }

  #compact(): void {
    const { length, process, stack, weight, samples } = this;
    const entries = new PairRows(length - this.#emptyEntries);
    for (let from = 0; from < length; from++) {
      if (samples[from] === 0) continue;
      const to = entries.intern(process[from], stack[from]);
      weight[to] = weight[from];
      samples[to] = samples[from];
    }
    weight.fill(0, entries.length);
    samples.fill(0, entries.length);
    this.#entries = entries;
    this.#emptyEntries = 0;
  }
}

/** Tells which threads pass; remembers the answer, for a thread's ID and its process never change. */
export function threadFilter(
  profile: Profile,
  { pids, tids, containers }: Pick<Selection, 'pids' | 'tids' | 'containers'>,
): (thread: ThreadIndex) => boolean {
  if (pids.length + tids.length + containers.length === 0) return () => true;
  const passes = processFilter(profile, { pids, containers });
  const tidSet = new Set(tids);
  const answers: boolean[] = [];
  return (thread) => {
    const { tid, process } = profile.threads.columns;
    answers[thread] ??= (tidSet.size === 0 || tidSet.has(tid[thread])) && passes(process[thread]);
    return answers[thread];
  };
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
    answers[process] ??=
      (pidSet.size === 0 || pidSet.has(profile.processes.columns.pid[process])) &&
      (containerSet.size === 0 || containerSet.has(groupOf(profile, process)));
    return answers[process];
  };
}
