/**
 * Waits that go on: read from the kernel when a recording ends, with the stacks that their threads sleep in
 * (bpf/open-waits.bpf.c), and drawn as waits that have ended are, so that sums stay right on average.
 */
import { ThreadState } from '@/profile/schema';
import { distFile } from '@/server/root';
import { BpfError, type BpfMap, BpfObject } from '../libbpf';
import type { RawWait, StackId } from '../record-reader';
import { OPEN_WAIT, OPEN_WAIT_BYTES } from '../records';
import { readPass } from './pass';

/** A wait that goes on; it may have gone over into waiting for a CPU. Times are CLOCK_MONOTONIC in ns. */
export interface OpenWait {
  readonly pid: number;
  readonly tid: number;
  /** A ThreadState: what it waits for, or waited for until `wokenNs`. */
  readonly state: number;
  /** When it was looked at. */
  readonly timeNs: number;
  readonly sinceNs: number;
  /** Since when it has waited for a CPU; 0 where it is still blocked, or never was. */
  readonly wokenNs: number;
  readonly kernel: StackId;
  readonly user: StackId;
}

const NO_STACK: StackId = { low: 0, high: 0 };
const HIGH = 2 ** 32;

/** The kernel side; it costs nothing while nobody reads. */
export class OpenWaitReader {
  readonly #object: BpfObject;
  readonly #pass: () => number;

  private constructor(object: BpfObject) {
    this.#object = object;
    this.#pass = object.iterator('read_open_waits');
  }

  /** `shared`: the maps of CpuSampler.sharedMaps(), and OffCpuPrograms.threadMaps. Resolves to undefined before Linux 6.1. */
  static async load(shared: readonly BpfMap[]): Promise<OpenWaitReader | undefined> {
    let object: BpfObject | undefined;
    try {
      object = await BpfObject.load(distFile('bpf/open-waits.bpf.o'), { shared });
      return new OpenWaitReader(object);
    } catch (error) {
      object?.dispose();
      if (error instanceof BpfError) return undefined;
      throw error;
    }
  }

  /** Of the threads that pass the filter, some at a time. Their stacks are in the ring, which holds those of a few thousand. */
  *read(): Generator<readonly OpenWait[]> {
    for (const { view, end } of readPass(this.#pass, OPEN_WAIT_BYTES)) {
      const waits: OpenWait[] = [];
      for (let at = 0; at < end; at += OPEN_WAIT_BYTES) waits.push(readOpenWait(view, at));
      yield waits;
    }
  }

  mapFds(): number[] {
    return this.#object.mapFds();
  }

  dispose(): void {
    this.#object.dispose();
  }
}

function readOpenWait(view: DataView, at: number): OpenWait {
  const u32 = (offset: number): number => view.getUint32(at + offset, true);
  const u64 = (offset: number): number => u32(offset) + u32(offset + 4) * HIGH;
  const stackId = (offset: number): StackId => ({ low: u32(offset), high: u32(offset + 4) });
  return {
    pid: u32(OPEN_WAIT.pid),
    tid: u32(OPEN_WAIT.tid),
    state: u32(OPEN_WAIT.state),
    timeNs: u64(OPEN_WAIT.time_ns),
    sinceNs: u64(OPEN_WAIT.since_ns),
    wokenNs: u64(OPEN_WAIT.woken_ns),
    kernel: stackId(OPEN_WAIT.kernel_stack),
    user: stackId(OPEN_WAIT.user_stack),
  };
}

export const startOf = ({ timeNs, durationNs }: RawWait): number => timeNs - durationNs;

/**
 * Of waits that have ended those that no open one speaks for: a wait that was looked at while it went on may be over, and heard
 * of, a moment later. Which of the two counts must not depend on what was drawn. Told by their ends, which no difference of
 * two numbers of more than 53 bits (104 days of uptime) has put a little earlier.
 */
export function notOpen<T extends { readonly wait: RawWait }>(
  ended: readonly T[],
  open: readonly OpenWait[],
): T[] {
  const since = new Map(open.map(({ tid, sinceNs }) => [tid, sinceNs]));
  return ended.filter(
    ({ wait }) => wait.timeNs <= (since.get(wait.tid) ?? Number.POSITIVE_INFINITY),
  );
}

/**
 * The parts of a wait until it was looked at, blocked and for a CPU, as if it had ended then, those that are drawn: one of
 * length d with probability min(1, d / `thresholdNs`), and it stands for the larger of both. `random`: of [0, 1).
 */
export function drawOpen(
  wait: OpenWait,
  thresholdNs: number,
  random: () => number = Math.random,
): RawWait[] {
  const { state, sinceNs, wokenNs, timeNs } = wait;
  const parts =
    wokenNs === 0
      ? [{ state, fromNs: sinceNs, toNs: timeNs }]
      : [
          { state, fromNs: sinceNs, toNs: wokenNs },
          { state: ThreadState.Runnable, fromNs: wokenNs, toNs: timeNs },
        ];
  const drawn: RawWait[] = [];
  for (const part of parts) {
    const durationNs = part.toNs - part.fromNs;
    if (durationNs <= 0 || random() * thresholdNs >= durationNs) continue;
    drawn.push({
      timeNs: part.toNs,
      state: part.state,
      pid: wait.pid,
      tid: wait.tid,
      durationNs,
      weightNs: Math.max(durationNs, thresholdNs),
      kernel: wait.kernel,
      user: wait.user,
      userKey: 0,
      wakerPid: 0,
      wakerTid: 0,
      wakerKernel: NO_STACK,
      wakerUser: NO_STACK,
      wakerUserKey: 0,
    });
  }
  return drawn;
}
