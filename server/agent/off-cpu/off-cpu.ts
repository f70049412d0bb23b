/**
 * Off-CPU profiling while it is on: joins waits with the stacks that come later, writes down what each thread's time was
 * spent on, and knows which threads are stuck.
 */
import type { ProfileBuilder } from '@/profile/builder';
import { NONE, type StackIndex, type ThreadIndex } from '@/profile/schema';
import type { BlockedThread, OffCpuStatus } from '@/profile/status';
import type { LatencyCounter } from '../latency/latency-tables';
import type { BpfMap, ProgramRunTime } from '../libbpf';
import type { Processes } from '../processes';
import type { RawWait, StackId } from '../record-reader';
import { THREAD } from '../records';
import { OffCpuPrograms, type StackTime } from './off-cpu-programs';
import { drawOpen, notOpen, type OpenWait, OpenWaitReader, startOf } from './open-waits';
import { type Blocked, stuckFirst } from './stuck-first';
import { type ThreadReading, ThreadSums } from './thread-sums';

export interface OffCpuOptions {
  /** Waits of this length, in ns, are always taken, shorter ones in proportion: 1 us to 1 s. */
  readonly thresholdNs: number;
  /** Undefined: the best that the kernel has. */
  readonly stackTime?: StackTime;
}

export const DEFAULT_THRESHOLD_NS = 10e6;

/** Where rows go now: the collector's tables, which it begins anew from time to time. */
export interface OffCpuTarget {
  readonly builder: ProfileBuilder;
  thread(pid: number, tid: number): ThreadIndex;
  stackOf(kernel: StackId, user: StackId): StackIndex;
}

/** A wait some of whose user stacks have not come yet. */
interface PendingWait {
  readonly wait: RawWait;
  user: StackId;
  wakerUser: StackId;
  missing: number;
  readonly sinceMs: number;
}

const READ_MS = 1000;
/** A thread may go on waiting within one system call for long; then its wait is written down with the kernel's part. */
const LONGEST_PENDING_MS = 10_000;
const SHOWN_BLOCKED = 200;
/** The parent of the kernel's own threads. */
const KTHREADD = 2;
const NO_STACK: StackId = { low: 0, high: 0 };
const HIGH = 2 ** 32;

export class OffCpu {
  readonly #programs: OffCpuPrograms;
  readonly #openWaits: OpenWaitReader | undefined;
  readonly #target: () => OffCpuTarget;
  readonly #processes: Processes;
  readonly #sums = new ThreadSums();
  readonly #pending = new Map<string, PendingWait[]>();
  #waiting = new Set<PendingWait>();
  /** Stacks by key: a waker is often back in user mode before the one that it woke runs. The oldest come first. */
  readonly #arrived = new Map<string, { readonly user: StackId; readonly sinceMs: number }>();
  /** While the end of a recording is being read: the waits and threads that have ended, and are in no chunk yet. */
  #heard: { readonly waits: PendingWait[]; readonly threads: ThreadReading[] } | undefined;
  #blocked: Blocked[] = [];
  #thresholdNs: number;
  #readAtMs = 0;

  private constructor(
    programs: OffCpuPrograms,
    openWaits: OpenWaitReader | undefined,
    thresholdNs: number,
    processes: Processes,
    target: () => OffCpuTarget,
  ) {
    this.#programs = programs;
    this.#openWaits = openWaits;
    this.#thresholdNs = thresholdNs;
    this.#processes = processes;
    this.#target = target;
  }

  /** Loads all; waits are taken from `begin` on. `shared`: CpuSampler.sharedMaps(). Rejects with BpfError. */
  static async load(
    { thresholdNs, stackTime }: OffCpuOptions,
    shared: readonly BpfMap[],
    processes: Processes,
    target: () => OffCpuTarget,
  ): Promise<OffCpu> {
    const programs = await OffCpuPrograms.load(shared, thresholdNs, stackTime);
    const openWaits = await OpenWaitReader.load([...shared, ...programs.threadMaps]);
    return new OffCpu(programs, openWaits, thresholdNs, processes, target);
  }

  /** From now on the ring has waits, which are to be handed in. Throws BpfError. */
  begin(): void {
    this.#programs.attach();
    this.#readAtMs = Date.now();
  }

  /** Counts all waits, and those for a CPU, if it is told to. */
  get waitCounter(): LatencyCounter {
    return this.#programs.waitCounter;
  }

  get thresholdNs(): number {
    return this.#thresholdNs;
  }

  /** How long after a stack was sent a wait that is written down may name it, in ns. */
  get stacksNamedForNs(): number {
    return this.#programs.stackTime === 'late'
      ? LONGEST_PENDING_MS * 1e6
      : Number.POSITIVE_INFINITY;
  }

  setThreshold(ns: number): void {
    this.#thresholdNs = ns;
    this.#programs.setThreshold(ns);
  }

  wait(wait: RawWait): void {
    const pending = pendingOf(wait);
    this.#heard?.waits.push(pending);
    if (wait.userKey !== 0) this.#await(keyOf(wait.tid, wait.userKey), pending);
    if (wait.wakerUserKey !== 0) {
      const name = keyOf(wait.wakerTid, wait.wakerUserKey);
      const arrived = this.#arrived.get(name);
      if (arrived === undefined) this.#await(name, pending);
      else pending.wakerUser = arrived.user;
    }
    if (pending.missing === 0) this.#write(pending);
    else this.#waiting.add(pending);
  }

  waitStack({ tid, key, user }: { tid: number; key: number; user: StackId }): void {
    const name = keyOf(tid, key);
    const waits = this.#pending.get(name);
    this.#pending.delete(name);
    this.#arrived.set(name, { user, sinceMs: Date.now() });
    for (const pending of waits ?? []) {
      const { wait } = pending;
      if (keyOf(wait.tid, wait.userKey) === name) pending.user = user;
      else pending.wakerUser = user;
      if (--pending.missing > 0 || !this.#waiting.delete(pending)) continue;
      this.#write(pending);
    }
  }

  threadEnd(view: DataView, at: number): void {
    const reading = this.#sums.readEnd(view, at);
    this.#heard?.threads.push(reading);
    this.#writeTimes(reading);
  }

  /** To be called after each reading of the ring; true where that has to be read again. */
  tick(nowMs = Date.now()): boolean {
    const isDue = nowMs - this.#readAtMs >= READ_MS;
    if (isDue) this.#readThreads(nowMs);
    for (const pending of this.#waiting) {
      if (nowMs - pending.sinceMs < LONGEST_PENDING_MS) break;
      this.#waiting.delete(pending);
      this.#write(pending);
    }
    for (const [name, waits] of this.#pending) {
      if (waits.some((pending) => this.#waiting.has(pending))) break;
      this.#pending.delete(name);
    }
    for (const [name, { sinceMs }] of this.#arrived) {
      if (nowMs - sinceMs < LONGEST_PENDING_MS) break;
      this.#arrived.delete(name);
    }
    return isDue;
  }

  status(): OffCpuStatus {
    return {
      thresholdNs: this.#thresholdNs,
      stackTime: this.#programs.stackTime,
      readsOpenWaits: this.readsOpenWaits,
      blocked: stuckFirst(this.#blocked, (pid) => this.#processes.get(pid).parentPid === KTHREADD)
        .slice(0, SHOWN_BLOCKED)
        .map(({ blocked, alike }) => this.#describe(blocked, alike)),
      blockedThreads: this.#blocked.length,
    };
  }

  /** Whether waits that go on can be read: from Linux 6.1 on. */
  get readsOpenWaits(): boolean {
    return this.#openWaits !== undefined;
  }

  /** Ends it; of waits that go on the part until now counts. `readRing` hands in what is in the ring; then `flush` is to be called. */
  stop(readRing: () => void): void {
    this.#programs.detach();
    this.#readThreads(Date.now(), true);
    for (const open of this.#readOpen(readRing))
      for (const wait of drawOpen(open, this.#thresholdNs)) this.#waiting.add(pendingOf(wait));
  }

  /**
   * Reads what a recording that ends at `endNs`, now, has beyond what was written down. Returns the function that writes
   * that to other tables; in the stream, each of these waits comes when it has ended and its stacks are there.
   */
  readEnd(endNs: number, readRing: () => void): (target: OffCpuTarget) => void {
    const ended = { waits: [...this.#waiting], threads: [] as ThreadReading[] };
    this.#heard = ended;
    const running: ThreadReading[] = [];
    this.#programs.readThreads((view, at) => running.push(this.#sums.peek(view, at)));
    const open = this.#readOpen(readRing);
    this.#heard = undefined;
    const waits = notOpen(ended.waits, open).filter(({ wait }) => startOf(wait) < endNs);
    const drawn = open.flatMap((wait) => drawOpen(wait, this.#thresholdNs));
    // One that was read, and ended then, counts with its end.
    const endedTids = new Set(ended.threads.map(({ tid }) => tid));
    const times = [...running.filter(({ tid }) => !endedTids.has(tid)), ...ended.threads];
    return (target) => {
      for (const reading of times) this.#writeTimes(reading, target);
      for (const pending of waits) this.#write(pending, target);
      for (const wait of drawn) this.#write(pendingOf(wait), target);
    };
  }

  /** Writes down the waits whose stacks didn't come, and those that go on. */
  flush(): void {
    for (const pending of this.#waiting) this.#write(pending);
    this.#waiting = new Set();
    this.#pending.clear();
    this.#arrived.clear();
  }

  runTimes(): ProgramRunTime[] {
    return this.#programs.runTimes();
  }

  mapFds(): number[] {
    return [...this.#programs.mapFds(), ...(this.#openWaits?.mapFds() ?? [])];
  }

  dispose(): void {
    this.#openWaits?.dispose();
    this.#programs.dispose();
  }

  #await(name: string, pending: PendingWait): void {
    const others = this.#pending.get(name);
    if (others === undefined) this.#pending.set(name, [pending]);
    else others.push(pending);
    pending.missing++;
  }

  #write({ wait, user, wakerUser }: PendingWait, target = this.#target()): void {
    target.builder.wait({
      timeNs: wait.timeNs,
      weight: wait.weightNs,
      durationNs: wait.durationNs,
      thread: target.thread(wait.pid, wait.tid),
      stack: target.stackOf(wait.kernel, user),
      waitClass: wait.state,
      wakerThread: wait.wakerPid === 0 ? NONE : target.thread(wait.wakerPid, wait.wakerTid),
      wakerStack:
        (wait.wakerKernel.low | wait.wakerKernel.high | wakerUser.low | wakerUser.high) === 0
          ? NONE
          : target.stackOf(wait.wakerKernel, wakerUser),
    });
  }

  #readThreads(nowMs: number, isLast = false): void {
    this.#readAtMs = nowMs;
    this.#blocked = [];
    this.#programs.readThreads((view, at) => {
      this.#writeTimes(this.#sums.read(view, at, isLast));
      this.#findBlocked(view, at);
    });
    this.#sums.endPass();
  }

  /** The waits that go on, and what has come through the ring by then. */
  #readOpen(readRing: () => void): OpenWait[] {
    const open: OpenWait[] = [];
    for (const waits of this.#openWaits?.read() ?? []) {
      open.push(...waits);
      readRing();
    }
    readRing();
    return open;
  }

  #writeTimes({ pid, tid, rows }: ThreadReading, target = this.#target()): void {
    if (rows.length === 0) return;
    const thread = target.thread(pid, tid);
    for (const row of rows) target.builder.threadTime({ ...row, thread });
  }

  #findBlocked(view: DataView, at: number): void {
    const u32 = (offset: number): number => view.getUint32(at + offset, true);
    const u64 = (offset: number): number => u32(offset) + u32(offset + 4) * HIGH;
    const kernel = { low: u32(THREAD.kernel_stack), high: u32(THREAD.kernel_stack + 4) };
    if ((kernel.low | kernel.high) === 0) return;
    this.#blocked.push({
      pid: u32(THREAD.pid),
      tid: u32(THREAD.tid),
      state: u32(THREAD.state),
      forNs: u64(THREAD.time_ns) - u64(THREAD.since_ns),
      kernel,
      wakerPid: u32(THREAD.waker_pid),
      wakerTid: u32(THREAD.waker_tid),
    });
  }

  #describe(blocked: Blocked, alike: number): BlockedThread {
    const { pid, tid, state, forNs, kernel, wakerPid, wakerTid } = blocked;
    const process = this.#processes.get(pid);
    return {
      pid,
      tid,
      process: process.name,
      thread: process.thread(tid).name,
      waitClass: state,
      forMs: forNs / 1e6,
      kernelStack: this.#functionsOf(kernel),
      alike,
      lastWaker:
        wakerPid === 0 ? undefined : { process: this.#processes.get(wakerPid).name, tid: wakerTid },
    };
  }

  #functionsOf(kernel: StackId): string[] {
    const { builder, stackOf } = this.#target();
    const { profile } = builder;
    const names: string[] = [];
    for (let at = stackOf(kernel, NO_STACK); at !== NONE; at = profile.stacks.columns.parent[at]) {
      const frame = profile.stacks.columns.frame[at];
      names.push(profile.string(profile.frames.columns.functionName[frame]));
    }
    return names.reverse();
  }
}

const pendingOf = (wait: RawWait): PendingWait => ({
  wait,
  user: wait.user,
  wakerUser: wait.wakerUser,
  missing: 0,
  sinceMs: Date.now(),
});

const keyOf = (tid: number, key: number): string => `${tid} ${key}`;
