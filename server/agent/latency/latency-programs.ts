/** The latency programs: those that somebody asked for are attached, and no others. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DEFAULT_STACK_THRESHOLD_NS,
  LATENCY_SOURCES,
  type LatencySource,
  STACK_SOURCES,
  THINNED_SOURCES,
} from '@/profile/latency/sources';
import { BpfError, type ProgramRunTime } from '../libbpf';
import { SystemError } from '../libc';
import { kindsOf, type Label, Labels } from './labels';
import { type LatencyFilter, LatencyObject } from './latency-object';
import { type LatencyCounter, type LatencyLosses, NO_LOSSES, sumOfLosses } from './latency-tables';
import { LATENCY_KEY, LATENCY_MODES } from './layout';

/** One bucket of one process and label, in the time since the last reading. */
export interface LatencyBucket {
  readonly source: LatencySource;
  readonly label: string;
  /** 0 where it is not known. */
  readonly pid: number;
  readonly bucket: number;
  readonly count: number;
  /** Of all values: nanoseconds or bytes, as `unitOf` says of the label. */
  readonly sum: number;
  /** Of so many events one was timed, or of fewer, and counts for all of them; 1: all were. */
  readonly oneIn: number;
}

/** Sources by the object that measures them. */
const OBJECT_OF: Readonly<Record<LatencySource, string>> = {
  runqueue: 'waits',
  waits: 'waits',
  block: 'block',
  syscalls: 'syscalls',
  fs: 'syscalls',
  futex: 'syscalls',
  tcp: 'tcp',
  faults: 'faults',
  dns: 'dns',
};

const WAITS = 'waits';
/**
 * For how long the programs that count waits from now on run beside those that did: a wait is counted by those that
 * see its end, and they have to have seen its beginning. Few waits are longer.
 */
const HAND_OVER_MS = 100;

export class LatencyPrograms {
  readonly #filter: LatencyFilter;
  readonly #objects = new Map<string, LatencyCounter>();
  /** Counts waits in place of programs of their own. */
  #waitCounter: LatencyCounter | undefined;
  readonly #labels = new Labels();
  #sources: readonly LatencySource[] = [];
  #stacks: readonly LatencySource[] = [];
  #thresholdNs = DEFAULT_STACK_THRESHOLD_NS;
  #oneIn = 1;
  /** The most since the last reading, and before that: events that began then may have ended since. */
  #mostOneIn = 1;
  #mostOneInBefore = 1;
  readonly #problems = new Map<LatencySource, string>();
  /** What objects that were switched off have left. */
  #left: LatencyBucket[] = [];
  #lossesBefore = NO_LOSSES;
  readonly #switching = new Queue();
  /** What changes objects, and reads them. Not the loading of others, which takes up to seconds. */
  readonly #queue = new Queue();

  constructor(filter: LatencyFilter) {
    this.#filter = filter;
  }

  /** Those that are being measured. */
  get sources(): readonly LatencySource[] {
    return this.#sources;
  }

  /** Those of them whose events get stacks. */
  get stacks(): readonly LatencySource[] {
    return this.#stacks;
  }

  /** Why sources that were asked for are not measured. */
  get problems(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#problems);
  }

  /**
   * Measures these from now on, and no others; events of those that are in `stacks`, too, get stacks (which needs a filter by
   * maps). What the kernel refuses is among the `problems` afterwards: a source, or its stacks alone.
   */
  set(sources: readonly LatencySource[], stacks: readonly LatencySource[] = []): Promise<void> {
    return this.#switching.run(() => this.#set(sources, stacks));
  }

  /** Events of this length, in ns, get stacks always, shorter ones in proportion; up to 2^31. */
  setStackThreshold(ns: number): Promise<void> {
    return this.#queue.run(async () => {
      this.#thresholdNs = ns;
      this.#configureStacks();
    });
  }

  /**
   * Of so many events of the sources that are thinned (THINNED_SOURCES) one is timed, drawn by itself, and counts for all of
   * them; those of LONG_LATENCY_NS or more are all timed. 1: all. Of events under way, what was so when they began holds.
   */
  setThinning(oneIn: number): Promise<void> {
    return this.#queue.run(async () => {
      this.#oneIn = oneIn;
      this.#mostOneIn = Math.max(this.#mostOneIn, oneIn);
      this.#control();
    });
  }

  /**
   * Has off-CPU profiling count the run queue and waits, whose programs see the same events; undefined: no more, and when this
   * has resolved, they may be unloaded.
   */
  countWaitsBy(counter: LatencyCounter | undefined): Promise<void> {
    return this.#switching.run(() => this.#handOver(counter));
  }

  /** Of how many events of these sources one is timed. */
  get oneIn(): number {
    return this.#sources.some((source) => THINNED_SOURCES.includes(source)) ? this.#oneIn : 1;
  }

  /** Of the struct latency_key that starts at `at`. */
  labelOf(keys: Buffer, at: number): Label {
    return this.#labels.of(keys, at);
  }

  /** All that was counted since the last time. */
  take(): Promise<LatencyBucket[]> {
    return this.#queue.run(async () => {
      const buckets = this.#left;
      this.#left = [];
      await Promise.all(
        [...this.#objects.values()].map((object) => object.take(this.#receiver(buckets))),
      );
      this.#mostOneInBefore = this.#mostOneIn;
      this.#mostOneIn = this.#oneIn;
      return buckets;
    });
  }

  get losses(): LatencyLosses {
    return [...this.#objects.values()]
      .map(({ losses }) => losses)
      .reduce(sumOfLosses, this.#lossesBefore);
  }

  runTimes(): ProgramRunTime[] {
    return [...this.#objects.values()].flatMap((object) => object.runTimes());
  }

  mapFds(): number[] {
    return [...this.#objects.values()].flatMap((object) => object.mapFds());
  }

  dispose(): void {
    for (const object of this.#objects.values()) object.dispose();
    this.#objects.clear();
  }

  async #set(sources: readonly LatencySource[], stacks: readonly LatencySource[]): Promise<void> {
    this.#problems.clear();
    const wanted = new Set(sources.map((source) => OBJECT_OF[source]));
    this.#stacks = STACK_SOURCES.filter(
      (source) => sources.includes(source) && stacks.includes(source),
    );
    const withStacks = new Set(this.#stacks.map((source) => OBJECT_OF[source]));
    await this.#queue.run(async () => {
      for (const [name, object] of this.#objects) {
        if (wanted.has(name) && object.takesStacks === withStacks.has(name)) continue;
        this.#objects.delete(name);
        await this.#finish(object);
      }
    });
    for (const name of wanted) {
      if (this.#objects.has(name)) continue;
      const object = await this.#load(name, sources, withStacks.has(name));
      if (object === undefined) continue;
      this.#objects.set(name, object);
      object.countBetween(0n);
    }
    this.#sources = this.#measured(sources);
    this.#stacks = this.#stacks.filter(
      (source) => this.#objects.get(OBJECT_OF[source])?.takesStacks === true,
    );
    this.#configureStacks();
    this.#control();
  }

  /** Those of `sources` that are measured. */
  #measured(sources: readonly LatencySource[]): readonly LatencySource[] {
    return LATENCY_SOURCES.filter(
      (source) => sources.includes(source) && this.#objects.has(OBJECT_OF[source]),
    );
  }

  async #finish(object: LatencyCounter): Promise<void> {
    await object.finish(this.#receiver(this.#left));
    this.#lossesBefore = sumOfLosses(this.#lossesBefore, object.losses);
    object.dispose();
  }

  async #handOver(counter: LatencyCounter | undefined): Promise<void> {
    const before = this.#objects.get(WAITS);
    this.#waitCounter = counter;
    if (before === undefined) return;
    const after = await this.#load(WAITS, this.#sources, false);
    await this.#queue.run(async () => {
      if (after === undefined) this.#objects.delete(WAITS);
      else this.#objects.set(WAITS, after);
      this.#sources = this.#measured(this.#sources);
      this.#control();
      const atNs = process.hrtime.bigint() + BigInt(HAND_OVER_MS * 1e6);
      after?.countBetween(atNs);
      before.countBetween(0n, atNs);
      await sleep(HAND_OVER_MS + 1);
      await this.#finish(before);
    });
  }

  #control(): void {
    const modes = modesOf(this.#sources);
    for (const object of this.#objects.values()) object.control(this.#oneIn, modes);
  }

  #configureStacks(): void {
    const kinds = kindsOf(this.#stacks);
    for (const object of this.#objects.values())
      if (object.takesStacks) object.setStacks(kinds, this.#thresholdNs);
  }

  /** Undefined where the kernel refuses; where it refuses stacks, one that takes none. */
  async #load(
    name: string,
    sources: readonly LatencySource[],
    takesStacks: boolean,
  ): Promise<LatencyCounter | undefined> {
    if (name === WAITS && this.#waitCounter !== undefined) return this.#waitCounter;
    try {
      return await LatencyObject.load(name, this.#filter, takesStacks);
    } catch (error) {
      if (!(error instanceof BpfError || error instanceof SystemError)) throw error;
      const without = takesStacks ? await this.#load(name, sources, false) : undefined;
      const what = without === undefined ? 'the programs' : 'to take stacks';
      for (const source of sources) {
        if (OBJECT_OF[source] === name)
          this.#problems.set(source, `the kernel refused ${what}: ${error.message}`);
      }
      return without;
    }
  }

  #receiver(buckets: LatencyBucket[]) {
    return (keys: Buffer, at: number, count: number, sum: number): void => {
      const { source, text } = this.#labels.of(keys, at);
      buckets.push({
        source,
        label: text,
        pid: keys.readUInt32LE(at + LATENCY_KEY.pid),
        bucket: keys.readUInt16LE(at + LATENCY_KEY.bucket),
        count,
        sum,
        oneIn: THINNED_SOURCES.includes(source)
          ? Math.max(this.#mostOneIn, this.#mostOneInBefore)
          : 1,
      });
    };
  }
}

/** Does one thing after the other. */
class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // whoever asked for it gets its error
    return result;
  }
}

function modesOf(sources: readonly LatencySource[]): number {
  return Object.entries(LATENCY_MODES).reduce(
    (modes, [source, mode]) => (sources.includes(source as LatencySource) ? modes | mode : modes),
    0,
  );
}
