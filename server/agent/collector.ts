/**
 * Profiles the machine: reads the ring on a timer, keeps the process table up to date, turns stacks into rows, has them
 * named, and cuts a chunk for each reading.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProfileBuilder } from '@/profile/builder';
import type { Chunk, ChunkHeader, Rates } from '@/profile/chunk';
import { DEFAULT_STACK_THRESHOLD_NS, type LatencySource } from '@/profile/latency/sources';
import { Merger } from '@/profile/merge';
import { NONE, type StackIndex } from '@/profile/schema';
import type { CollectorStatus, HostDescription, OffCpuStatus } from '@/profile/status';
import { describeHost } from '@/server/host';
import type { Filter } from '@/server/wire';
import { Bell } from './bell';
import { CpuSampler } from './cpu-sampler';
import { Epochs } from './epochs';
import { readKernelText } from './kernel-text';
import type { Label } from './latency/labels';
import { type LatencyBucket, LatencyPrograms } from './latency/latency-programs';
import { BpfError } from './libbpf';
import { SystemError, trimMemory } from './libc';
import { LossLedger } from './loss-ledger';
import { MmapEvents } from './mmap-events';
import { Modules } from './modules';
import { Namer } from './namer';
import { OffCpu, type OffCpuOptions, type OffCpuTarget } from './off-cpu/off-cpu';
import { privilegeProblem } from './privileges';
import { type Process, Processes } from './processes';
import {
  type RawLatency,
  type RawSample,
  type RecordReceiver,
  readRecords,
  type StackId,
} from './record-reader';
import { StatusMeter } from './status-meter';
import { Symbolizer } from './symbols/symbolizer';
import { Unwinder } from './unwinder';
import { within } from './within';

export interface CollectorOptions {
  /** Samples per second and CPU, 1 to 4,999. */
  readonly frequencyHz: number;
  readonly filter: Filter;
  /** Where unwind tables and symbols are kept from run to run; undefined for nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** Undefined: off, and its programs are not attached. */
  readonly offCpu?: OffCpuOptions | undefined;
  /** Measure the run time of BPF programs all the time, not a quarter of a second in ten: for benchmarks. */
  readonly measuresBpfAlways?: boolean;
  readonly onChunk: (chunk: Chunk) => void;
  readonly onStatus: (status: CollectorStatus) => void;
}

/** Profiling can't start; the message says what is missing and what to do. */
export class CollectorError extends Error {
  override readonly name = 'CollectorError';
}

/** Four chunks a second look live; each costs about a millisecond. */
const TICK_MS = 240;
/** A heatmap's columns are a second wide at most, five ticks. */
const LATENCY_NS = 0.9e9;
const SETTLE_POLL_MS = 20;
const REPORTS_PER_TRIM = 10;
const REPORTS_PER_FORGETTING = 60;
/**
 * A chunk waits this long for names; later ones go out as a patch. The same as the period, because Node.js would wake up for
 * another time, even of a timer that is no longer set.
 */
const NAMES_MS = TICK_MS;

/** The last chunk has no next one whose patch could bring names. */
const LAST_NAMES_MS = 10_000;
/** The same of the end of a recording; ticks wait for it. */
const END_NAMES_MS = 800;
/** Reading a process's mappings costs up to a millisecond. */
const PREPARED_PER_TICK = 64;

const monotonicNs = (): number => Number(process.hrtime.bigint());
const wallOffsetNs = (): number => Date.now() * 1e6 - monotonicNs();

const WAITS: LatencySource = 'waits';

interface LatencyWish {
  readonly sources: readonly LatencySource[];
  readonly stacks: readonly LatencySource[];
}

const NO_LATENCIES: LatencyWish = { sources: [], stacks: [] };

interface TakenLatencies {
  /** Since when, and how long. */
  readonly timeNs: number;
  readonly durationNs: number;
  readonly buckets: readonly LatencyBucket[];
}

export class Collector {
  readonly host: HostDescription = describeHost();
  readonly #options: CollectorOptions;
  readonly #sampler: CpuSampler;
  readonly #mmapEvents: MmapEvents;
  readonly #processes: Processes;
  readonly #modules = new Modules();
  readonly #symbolizer: Symbolizer;
  readonly #namer: Namer;
  readonly #unwinder: Unwinder;
  readonly #latency: LatencyPrograms;
  #latencyWish = NO_LATENCIES;
  readonly #bell: Bell;
  #latencyStartNs = monotonicNs();
  /** Processes that ran before, and are not known to the unwinder yet: those that use most CPU time first. */
  #unprepared: Process[] = [];
  readonly #status: StatusMeter;
  readonly #losses: LossLedger;
  readonly #epochs: Epochs;
  #offCpu: OffCpu | undefined;
  /** As they were when the end began, in which all is switched off. */
  #lastRates: Rates | undefined;
  #offCpuProblem: string | undefined;
  /** Switching it, one after the other. */
  #offCpuChange: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> = Promise.resolve();
  #sliceStartNs = monotonicNs();
  /** Until when all events are read. */
  #readNs = monotonicNs();
  #samples = 0;
  /** Priorities of unwind tables: of what is mapped now, and of what ran before. */
  #newest = 1;
  #oldest = 0;
  #reports = 0;

  private constructor(options: CollectorOptions, sampler: CpuSampler, symbolizer: Symbolizer) {
    this.#options = options;
    this.#sampler = sampler;
    this.#symbolizer = symbolizer;
    this.#namer = new Namer(symbolizer);
    this.#losses = new LossLedger(() => {
      const { uncounted, unseen, withoutProcess } = this.#latency.losses;
      return [
        this.#sampler.counters(),
        {
          'latency-table-full': uncounted,
          'latency-end-unseen': unseen,
          'latency-process-unknown': withoutProcess,
        },
      ];
    });
    this.#mmapEvents = new MmapEvents({
      lost: (count) => this.#losses.count('mapping-event-ring-full', count),
      kernelChanged: () => symbolizer.kernelChanged(),
    });
    this.#processes = new Processes(this.#modules);
    this.#latency = new LatencyPrograms({ maps: sampler.sharedMaps() });
    this.#status = new StatusMeter(
      sampler,
      this.#latency,
      () => this.#offCpu,
      options.measuresBpfAlways,
    );
    this.#unwinder = new Unwinder(sampler.unwindMaps(), this.#processes, options.cacheDirectory);
    this.#epochs = new Epochs(this.#processes, readKernelText(), monotonicNs());
    this.#bell = new Bell(sampler.bellMaps(), () => this.#readEarly());
  }

  /** Starts sampling. Throws CollectorError where the machine can't be profiled. */
  static async start(options: CollectorOptions): Promise<Collector> {
    const problem = privilegeProblem('hearth serve');
    if (problem !== undefined) throw new CollectorError(problem);
    const { cacheDirectory } = options;
    const symbolizer = await Symbolizer.start({
      cacheDirectory: cacheDirectory && join(cacheDirectory, 'symbols'),
    });
    let sampler: CpuSampler | undefined;
    try {
      sampler = await CpuSampler.load(options.frequencyHz, options.filter);
      const collector = new Collector(options, sampler, symbolizer);
      try {
        await collector.#begin();
      } catch (error) {
        await collector.#bell.dispose();
        await collector.#dispose();
        throw error;
      }
      return collector;
    } catch (error) {
      sampler?.dispose();
      await symbolizer.dispose();
      if (error instanceof BpfError || error instanceof SystemError) {
        throw new CollectorError(
          `the kernel refused the profiler: ${error.message}\nRun \`bin/hearth doctor\` to see what is missing.`,
        );
      }
      throw error;
    }
  }

  async #begin(): Promise<void> {
    this.#unprepared = this.#processes.scan();
    this.#prepareUnwinding();
    this.#followCpus();
    await this.setOffCpu(this.#options.offCpu);
    this.#timer = setInterval(() => this.#scheduleTick(), TICK_MS);
  }

  /** From 1 to 4,999 Hz. */
  setFrequency(hz: number): void {
    this.#sampler.setFrequency(hz);
  }

  setFilter(filter: Filter): void {
    this.#sampler.setFilter(filter);
  }

  /**
   * Measures these latencies from now on, and no others, with stacks of the events of those in `stacks`; the status tells
   * what the kernel refused. Waits are measured in any case while off-CPU profiling is on: until it is off, they can't be
   * asked for, and whoever repeats all that is measured doesn't.
   */
  async setLatency(
    sources: readonly LatencySource[],
    stacks: readonly LatencySource[] = [],
  ): Promise<void> {
    const asked = this.#offCpu === undefined ? sources : this.#latencyWish.sources;
    const others = sources.filter((source) => source !== WAITS);
    this.#latencyWish = { sources: asked.includes(WAITS) ? [WAITS, ...others] : others, stacks };
    await this.#measureLatencies(this.#offCpu !== undefined);
  }

  async #measureLatencies(withWaits: boolean): Promise<void> {
    const { sources, stacks } = this.#latencyWish;
    await this.#latency.set(withWaits ? [WAITS, ...sources] : sources, stacks);
  }

  /** Of how many events of latency sources that are thinned one is timed, and counts for all; see LatencyPrograms. */
  async setLatencyThinning(oneIn: number): Promise<void> {
    await this.#latency.setThinning(oneIn);
  }

  /** Off with undefined. Rejects with BpfError where the kernel refuses. */
  setOffCpu(options: OffCpuOptions | undefined): Promise<void> {
    const change = this.#offCpuChange.then(() => this.#setOffCpu(options));
    this.#offCpuChange = change.catch(() => {}); // whoever asked for it gets its error
    return change;
  }

  /** The same, but the status tells where the kernel refuses. */
  async trySetOffCpu(options: OffCpuOptions | undefined): Promise<void> {
    this.#offCpuProblem = undefined;
    try {
      await this.setOffCpu(options);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      this.#offCpuProblem = `the kernel refused off-CPU profiling: ${error.message}`;
    }
  }

  async #setOffCpu(options: OffCpuOptions | undefined): Promise<void> {
    if (options !== undefined && this.#offCpu !== undefined) {
      this.#offCpu.setThreshold(options.thresholdNs);
    } else if (options !== undefined) {
      const maps = this.#sampler.sharedMaps();
      const target = (): OffCpuTarget => this.#offCpuTarget();
      const offCpu = await OffCpu.load(options, maps, this.#processes, target);
      this.#beginOffCpu(offCpu);
      await this.#latency.countWaitsBy(offCpu.waitCounter);
      await this.#measureLatencies(true);
    } else if (this.#offCpu !== undefined) {
      await this.#measureLatencies(false);
      await this.#latency.countWaitsBy(undefined);
      this.#offCpu.stop(() => this.#readEvents());
      this.#offCpu.flush();
      this.#offCpu.dispose();
      this.#offCpu = undefined;
    }
    await this.#latency.setStackThreshold(options?.thresholdNs ?? DEFAULT_STACK_THRESHOLD_NS);
  }

  #beginOffCpu(offCpu: OffCpu): void {
    this.#offCpu = offCpu;
    try {
      offCpu.begin();
    } catch (error) {
      this.#offCpu = undefined;
      offCpu.dispose();
      throw error;
    }
  }

  #offCpuTarget(): OffCpuTarget {
    const { builder, rows } = this.#epochs.current;
    return {
      builder,
      thread: (pid, tid) => rows.thread(this.#processes.get(pid), tid),
      stackOf: (kernel, user) => this.#stackOf(kernel, user),
    };
  }

  /** Prepares for the programs and libraries that a process will map soon, by their paths in its mount namespace. */
  expect(pid: number, paths: readonly string[]): void {
    for (const path of paths) {
      const module = this.#modules.toCome(pid, path);
      if (module !== undefined) this.#unwinder.expect(module);
    }
  }

  /** Resolves when the unwind tables for what runs now, or is expected, are made, or after `maxMs`: from then on its stacks are whole. */
  async settled(maxMs: number): Promise<void> {
    const endMs = Date.now() + maxMs;
    while (this.#unprepared.length > 0 && Date.now() < endMs) await sleep(SETTLE_POLL_MS);
    await within(this.#unwinder.settled(), Math.max(0, endMs - Date.now()));
  }

  /**
   * Ends sampling, hands out what was sampled until now as a last chunk, and frees everything. Resolves with what there is
   * to say of waits at the end, where off-CPU profiling was on.
   */
  async stop(): Promise<OffCpuStatus | undefined> {
    this.#lastRates = this.#rates();
    clearInterval(this.#timer);
    await this.#bell.dispose();
    this.#sampler.stop();
    await this.#tick;
    this.#latencyWish = NO_LATENCIES;
    await this.#measureLatencies(false);
    const offCpu = this.#offCpu;
    await this.setOffCpu(undefined);
    offCpu?.status(); // stacks that nobody has asked for before are named with the last ones
    this.#scheduleTick();
    await this.#tick;
    this.#addLatencies(await this.#takeLatencies());
    await this.#namer.settled(LAST_NAMES_MS);
    const waits = offCpu?.status();
    this.#cutChunk(monotonicNs(), { ended: offCpu });
    await this.#dispose();
    return waits;
  }

  /** Frees all but the bell, which is to ring no more before. */
  async #dispose(): Promise<void> {
    this.#status.dispose();
    this.#mmapEvents.dispose();
    this.#latency.dispose();
    this.#offCpu?.dispose();
    this.#sampler.dispose();
    await this.#unwinder.dispose();
    await this.#symbolizer.dispose();
    this.#modules.dispose();
  }

  /**
   * Hands out a chunk up to now, and resolves with what a recording that ends now has beyond it: the waits that go on, as if
   * they ended now, and what threads' time was spent on until now. One chunk, with tables of its own.
   */
  recordingEnd(): Promise<Chunk> {
    const end = this.#tick.then(async () => {
      await this.#runTick();
      return this.#takeEnd();
    });
    this.#tick = end.then(() => {});
    return end;
  }

  async #takeEnd(): Promise<Chunk> {
    const endNs = monotonicNs();
    const { builder, stacks } = this.#epochs.current;
    const writeEnd = this.#offCpu?.readEnd(endNs, () => this.#readEvents());
    await this.#namer.name(builder, stacks.takePending(), 0);
    await this.#namer.settled(END_NAMES_MS);
    const own = new ProfileBuilder();
    const merger = new Merger(own, builder.profile);
    const target = this.#offCpuTarget();
    writeEnd?.({
      builder: own,
      thread: (pid, tid) => merger.thread(target.thread(pid, tid)),
      stackOf: (kernel, user) => merger.stack(target.stackOf(kernel, user)),
    });
    return own.cutChunk(this.#header(endNs, this.#offCpu), []);
  }

  /** Ticks never overlap; one that takes longer than the period delays the next. */
  #scheduleTick(): void {
    this.#tick = this.#tick.then(() => this.#runTick());
  }

  /** Code runs that the agent has never seen: it is looked for now, not at the next tick. One that waits for names goes on. */
  #readEarly(): void {
    this.#readEvents();
    this.#prepareUnwinding();
    this.#bell.rearm();
  }

  async #runTick(): Promise<void> {
    const isDue = monotonicNs() - this.#latencyStartNs >= LATENCY_NS;
    // Before the ring is read, which then tells of all processes that are in it, however short they lived.
    const latencies = isDue ? await this.#takeLatencies() : undefined;
    const { builder, stacks } = this.#epochs.current;
    this.#readEvents();
    // What the reading of threads has sent has to be known before they are described.
    if (this.#offCpu?.tick() === true) this.#readEvents();
    await this.#namer.name(builder, stacks.takePending(), NAMES_MS);
    if (latencies !== undefined) this.#addLatencies(latencies);
    this.#cutChunk(this.#readNs);
    this.#prepareUnwinding();
    for (const { pid } of this.#processes.forgetExited(this.#readNs)) this.#unwinder.exit(pid);
    const namedForNs = this.#offCpu?.stacksNamedForNs;
    if (this.#epochs.bound(monotonicNs(), namedForNs)) this.#sampler.resendStacks();
    this.#bell.refill();
    if (this.#status.isDue) this.#reportStatus();
  }

  /** `last`: there is none after it, and the waits of `ended` that go on are in it. */
  #cutChunk(endNs: number, last?: { readonly ended: OffCpu | undefined }): void {
    const { builder } = this.#epochs.current;
    const losses = this.#losses.take(endNs, last !== undefined);
    this.#options.onChunk(builder.cutChunk(this.#header(endNs, last?.ended), losses));
    this.#sliceStartNs = endNs;
  }

  /** Of a chunk with what happened since the last one. */
  #header(endNs: number, ended?: OffCpu): Omit<ChunkHeader, 'sequence'> {
    return {
      startNs: this.#sliceStartNs,
      endNs,
      wallOffsetNs: wallOffsetNs(),
      ...(this.#lastRates ?? this.#rates()),
      hasOpenWaits: ended?.readsOpenWaits ? true : undefined,
    };
  }

  #rates(): Rates {
    const { oneIn, sources } = this.#latency;
    return {
      frequencyHz: this.#sampler.frequencyHz,
      thresholdNs: this.#offCpu?.thresholdNs,
      latencyOneIn: oneIn > 1 ? oneIn : undefined,
      latencySources: sources.length > 0 ? sources : undefined,
    };
  }

  /** What was counted since the last time. */
  async #takeLatencies(): Promise<TakenLatencies> {
    const timeNs = this.#latencyStartNs;
    this.#latencyStartNs = monotonicNs();
    const durationNs = this.#latencyStartNs - timeNs;
    return { timeNs, durationNs, buckets: await this.#latency.take() };
  }

  #addLatencies({ timeNs, durationNs, buckets }: TakenLatencies): void {
    const { builder, rows } = this.#epochs.current;
    for (const { source, label, pid, bucket, count, sum, oneIn } of buckets) {
      builder.latency({
        timeNs,
        source: builder.string(source),
        label: builder.string(label),
        process: pid === 0 ? NONE : rows.process(this.#processes.get(pid)),
        bucket,
        count,
        sum,
        oneIn,
        durationNs,
      });
    }
  }

  #readEvents(): void {
    this.#readNs = monotonicNs();
    // Whatever a record in the ring up to here depends on has been written to the mmap rings before it.
    const end = this.#sampler.ring.position();
    const mmaps = this.#mmapEvents.drain(monotonicNs());
    let next = 0;
    const applyUntil = (timeNs: number): void => {
      while (next < mmaps.length && mmaps[next].timeNs <= timeNs)
        this.#processes.mmap(mmaps[next++]);
    };
    const processes = this.#processes;
    const receiver: RecordReceiver = {
      time: applyUntil,
      sample: (sample) => this.#addSample(sample),
      stack: (stack) => this.#epochs.current.stacks.add(stack),
      fork: (event) => {
        processes.fork(event);
        if (event.pid === event.tid) this.#unwinder.fork(event.parentPid, event.pid);
      },
      exec: (event) => processes.exec(event),
      exit: (event) => processes.exit(event),
      rename: (event) => processes.rename(event),
      cgroup: (event) => processes.cgroup(event),
      wait: (wait) => this.#offCpu?.wait(wait),
      waitStack: (stack) => this.#offCpu?.waitStack(stack),
      threadEnd: (view, at) => this.#offCpu?.threadEnd(view, at),
      latency: (event, bytes, key) => this.#addLatency(event, this.#latency.labelOf(bytes, key)),
    };
    readRecords(this.#sampler.ring, end, receiver);
    applyUntil(Number.POSITIVE_INFINITY);
  }

  /** Tells the unwinder of what has been mapped, and of some of the processes that ran before. */
  #prepareUnwinding(): void {
    // Later ones first: what runs now is sampled now.
    for (const process of this.#processes.takeRemapped())
      this.#unwinder.update(process, this.#newest++);
    for (const process of this.#unprepared.splice(0, PREPARED_PER_TICK)) {
      if (process.exitedNs === undefined) this.#processes.mappings(process);
    }
    for (const process of this.#processes.takeRemapped())
      this.#unwinder.update(process, this.#oldest--);
  }

  #addSample(sample: Readonly<RawSample>): void {
    const { builder, rows, cpuType } = this.#epochs.current;
    this.#samples++;
    builder.sample({
      timeNs: sample.timeNs,
      weight: sample.periodNs,
      thread: rows.thread(this.#processes.get(sample.pid), sample.tid),
      stack: this.#stackOf(
        { low: sample.kernelLow, high: sample.kernelHigh },
        { low: sample.userLow, high: sample.userHigh },
      ),
      sampleType: cpuType,
      cpu: sample.cpu,
    });
  }

  #addLatency(event: RawLatency, { source, text }: Label): void {
    const { builder, rows } = this.#epochs.current;
    builder.latencySample({
      timeNs: event.timeNs,
      weight: event.weightNs,
      durationNs: event.durationNs,
      thread: rows.thread(this.#processes.get(event.pid), event.tid),
      stack: this.#stackOf(event.kernel, event.user),
      source: builder.string(source),
      label: builder.string(text),
    });
  }

  #stackOf(kernel: StackId, user: StackId): StackIndex {
    const stack = this.#epochs.stackOf(kernel, user);
    if (stack === undefined) this.#losses.count('stack-unknown');
    return stack ?? NONE;
  }

  #reportStatus(): void {
    this.#followCpus();
    this.#unwinder.restore();
    this.#options.onStatus(
      this.#status.read({
        samples: this.#samples,
        losses: this.#losses.total,
        offCpuProblem: this.#offCpuProblem,
        unnamed: this.#namer.unnamed(),
      }),
    );
    if (++this.#reports % REPORTS_PER_TRIM === 0) trimMemory();
    if (this.#reports % REPORTS_PER_FORGETTING === 0) this.#processes.forgetModules();
  }

  #followCpus(): void {
    const { came, went } = this.#sampler.followCpus();
    for (const cpu of came) this.#mmapEvents.open(cpu);
    for (const cpu of went) this.#mmapEvents.close(cpu);
  }
}
