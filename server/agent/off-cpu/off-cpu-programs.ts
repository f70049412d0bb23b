/** The kernel side of off-CPU profiling: loads and attaches bpf/off-cpu.bpf.c, sets its threshold, reads its sums. */
import { distFile } from '@/server/root';
import {
  type LatencyCounter,
  type LatencyLosses,
  LatencyTables,
  NO_LOSSES,
  type ReceiveBucket,
} from '../latency/latency-tables';
import { BpfError, type BpfMap, BpfObject, type ProgramRunTime } from '../libbpf';
import { OFF_CPU_CONFIGURATION_BYTES, THREAD_BYTES } from '../records';
import { readPass } from './pass';

const ZERO_KEY = new Uint8Array(4);
export const MIN_THRESHOLD_NS = 1000;
/** The kernel side multiplies it by 32 random bits. */
export const MAX_THRESHOLD_NS = 1e9;

/** When user stacks of waits are taken: as their thread returns to user mode (Linux 6.18), or as it is switched out. */
export type StackTime = 'late' | 'early';

/** Counts waits by the programs of off-CPU profiling, from `countBetween` to `finish`, and again. */
class WaitCounter implements LatencyCounter {
  readonly takesStacks = false;
  readonly #tables: LatencyTables;
  #lossesBefore = NO_LOSSES;

  constructor(object: BpfObject) {
    this.#tables = new LatencyTables(object);
  }

  get losses(): LatencyLosses {
    const { uncounted, unseen, withoutProcess } = this.#tables.losses;
    return {
      uncounted: uncounted - this.#lossesBefore.uncounted,
      unseen: unseen - this.#lossesBefore.unseen,
      withoutProcess: withoutProcess - this.#lossesBefore.withoutProcess,
    };
  }

  control(oneIn: number, modes: number): void {
    this.#tables.control(oneIn, modes);
  }

  countBetween(fromNs: bigint, untilNs?: bigint): void {
    this.#tables.countBetween(fromNs, untilNs);
  }

  setStacks(): void {}

  take(receive: ReceiveBucket): Promise<void> {
    return this.#tables.take(receive);
  }

  finish(receive: ReceiveBucket): Promise<void> {
    this.#tables.countBetween(0n, 0n);
    return this.#tables.take(receive);
  }

  /** Programs and maps are those of off-CPU profiling. */
  runTimes(): ProgramRunTime[] {
    return [];
  }

  mapFds(): number[] {
    return [];
  }

  dispose(): void {
    this.#lossesBefore = this.#tables.losses;
  }
}

export class OffCpuPrograms {
  readonly stackTime: StackTime;
  readonly waitCounter: LatencyCounter;
  /** What the programs keep of each thread. */
  readonly threadMaps: readonly BpfMap[];
  readonly #object: BpfObject;
  readonly #pass: () => number;
  readonly #thresholds: BpfMap;
  #detach: readonly (() => void)[] = [];

  private constructor(object: BpfObject, stackTime: StackTime, thresholdNs: number) {
    this.#object = object;
    this.stackTime = stackTime;
    this.waitCounter = new WaitCounter(object);
    this.threadMaps = ['thread_places', 'threads'].map((name) => object.map(name));
    this.#thresholds = object.map('off_cpu_configurations');
    this.setThreshold(thresholdNs);
    this.#pass = object.iterator('read_threads');
  }

  /**
   * Loads; waits are taken from `attach` on. `shared`: the maps of CpuSampler.sharedMaps(). Stacks are taken late where the
   * kernel can, unless `stackTime` says otherwise. Rejects with BpfError.
   */
  static async load(
    shared: readonly BpfMap[],
    thresholdNs: number,
    stackTime: StackTime = 'late',
  ): Promise<OffCpuPrograms> {
    const open = (time: StackTime): Promise<BpfObject> =>
      BpfObject.load(distFile('bpf/off-cpu.bpf.o'), {
        shared,
        constants: { '.rodata.late': Uint8Array.of(time === 'late' ? 1 : 0, 0, 0, 0) },
      });
    let object: BpfObject;
    let time = stackTime;
    try {
      object = await open(time);
    } catch (error) {
      if (!(error instanceof BpfError) || time === 'early') throw error;
      time = 'early';
      object = await open(time);
    }
    try {
      return new OffCpuPrograms(object, time, thresholdNs);
    } catch (error) {
      object.dispose();
      throw error;
    }
  }

  /** Throws BpfError. */
  attach(): void {
    this.#detach = ['on_thread_free', 'on_new_thread', 'on_waking', 'on_switch'].map((name) =>
      this.#object.attachProgram(name),
    );
    // Begins to follow the threads that are there and have not been switched since.
    this.readThreads(() => {});
  }

  /** Waits of this length, in ns, are always taken, shorter ones in proportion; from 1 us to 1 s. */
  setThreshold(ns: number): void {
    const bounded = Math.min(MAX_THRESHOLD_NS, Math.max(MIN_THRESHOLD_NS, Math.round(ns)));
    const value = new DataView(new ArrayBuffer(OFF_CPU_CONFIGURATION_BYTES));
    value.setBigUint64(0, BigInt(bounded), true);
    this.#thresholds.update(ZERO_KEY, new Uint8Array(value.buffer));
  }

  /** Hands out a `struct record_thread` for every thread that passes the filter; valid during the call only. */
  readThreads(onThread: (view: DataView, at: number) => void): void {
    for (const { view, end } of readPass(this.#pass, THREAD_BYTES))
      for (let at = 0; at < end; at += THREAD_BYTES) onThread(view, at);
  }

  /** No wait is taken from now on; sums can still be read, and what is under way ends. */
  detach(): void {
    for (const detach of this.#detach) detach();
  }

  runTimes(): ProgramRunTime[] {
    return this.#object.runTimes();
  }

  mapFds(): number[] {
    return this.#object.mapFds();
  }

  dispose(): void {
    this.#object.dispose();
  }
}
