/** The longest waits of a profile, and how each came to its end: who woke the thread, and what that one had waited for before. */
import { frameName } from './names';
import type { Profile } from './profile';
import { FrameKind, NONE, type StackIndex, type ThreadIndex, ThreadState } from './schema';
import type { TimeRange } from './view';
import { wakeChain, wentOn } from './waits';

export interface WaitingThread {
  readonly pid: number;
  readonly tid: number;
  readonly process: string;
  readonly thread: string;
}

/** A wait of a thread, by its own row in the profile. */
export interface WaitHop extends WaitingThread {
  readonly waitClass: number;
  readonly startNs: number;
  readonly endNs: number;
  /** Functions of the kernel, from the root: where it slept. */
  readonly kernelStack: readonly string[];
  /** The function of the program from which it got there; undefined where that is not known. */
  readonly userFunction: string | undefined;
}

export interface LongestWait extends WaitHop {
  /** How many waits of the thread with the same stack there were in the range, this one among them: an estimate. */
  readonly alike: number;
  /** Who ended it: nobody yet at the end of the recording, or not known. */
  readonly waker: WaitingThread | 'interrupt' | 'nobody' | undefined;
  /** What the waker had waited for just before, then what the one had that woke that, and so on. */
  readonly chain: readonly WaitHop[];
}

const HOPS = 6;
/** As many as a profile can have. */
const STACKS = 2 ** 32;

/**
 * The longest waits that are at least partly in the range, of threads that pass, at most `most`. Of a thread's waits with
 * the same stack only the longest is among them. Threads of the kernel and waits for a CPU are not, nor is, live, a wait that
 * goes on: it has not been written down.
 */
export function longestWaits(
  profile: Profile,
  range: TimeRange,
  passes: (thread: ThreadIndex) => boolean,
  most: number,
): LongestWait[] {
  const { thread, timeNs, durationNs } = profile.waits.columns;
  function* rows(): Generator<number> {
    for (let row = 0; row < profile.waits.length; row++) {
      if (timeNs[row] <= range.startNs || timeNs[row] - durationNs[row] >= range.endNs) continue;
      if (passes(thread[row])) yield row;
    }
  }
  return longestOf(profile, rows(), most);
}

/** The same of these rows of the profile's waits. */
export function longestOf(profile: Profile, rows: Iterable<number>, most: number): LongestWait[] {
  const { thread, durationNs, weight, waitClass, stack } = profile.waits.columns;
  const isOfKernel = new Map<number, boolean>();
  const kinds = new Map<number, { row: number; waits: number }>();
  for (const row of rows) {
    if (durationNs[row] <= 0 || waitClass[row] <= ThreadState.Throttled) continue;
    let ofKernel = isOfKernel.get(stack[row]);
    if (ofKernel === undefined) {
      ofKernel = isKernelOnly(profile, stack[row]);
      isOfKernel.set(stack[row], ofKernel);
    }
    if (ofKernel) continue;
    const key = thread[row] * STACKS + stack[row];
    const waits = weight[row] / durationNs[row];
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { row, waits });
    else {
      kind.waits += waits;
      if (durationNs[row] > durationNs[kind.row]) kind.row = row;
    }
  }
  return [...kinds.values()]
    .sort((a, b) => durationNs[b.row] - durationNs[a.row] || a.row - b.row)
    .slice(0, most)
    .map(({ row, waits }) => ({
      ...hopOf(profile, row),
      alike: waits,
      waker: wakerOf(profile, row),
      chain: wakeChain(profile, row, HOPS).map((hop) => hopOf(profile, hop)),
    }));
}

/** Who a row of the profile's threads is. */
export function waitingThread(profile: Profile, row: ThreadIndex): WaitingThread {
  const { tid, process, name } = profile.threads.columns;
  const processes = profile.processes.columns;
  return {
    pid: processes.pid[process[row]],
    tid: tid[row],
    process: profile.string(processes.name[process[row]]),
    thread: profile.string(name[row]),
  };
}

function wakerOf(profile: Profile, row: number): LongestWait['waker'] {
  const { wakerThread, wakerStack } = profile.waits.columns;
  if (wakerThread[row] !== NONE) return waitingThread(profile, wakerThread[row]);
  if (wakerStack[row] !== NONE) return 'interrupt';
  return wentOn(profile.waits, row, profile.header) ? 'nobody' : undefined;
}

function hopOf(profile: Profile, row: number): WaitHop {
  const { thread, timeNs, durationNs, waitClass, stack } = profile.waits.columns;
  const { stacks, frames } = profile;
  const kernelStack: string[] = [];
  let at = ownStack(profile, stack[row]);
  for (; at !== NONE; at = stacks.columns.parent[at]) {
    const frame = stacks.columns.frame[at];
    if (frames.columns.kind[frame] !== FrameKind.Kernel) break;
    kernelStack.push(frameName(profile, frame));
  }
  return {
    ...waitingThread(profile, thread[row]),
    waitClass: waitClass[row],
    startNs: timeNs[row] - durationNs[row],
    endNs: timeNs[row],
    kernelStack: kernelStack.reverse(),
    userFunction: at === NONE ? undefined : frameName(profile, stacks.columns.frame[at]),
  };
}

/** Of a stack, also of a derived profile: where the thread itself was, without what stands for its wait or its waker. */
function ownStack({ stacks, frames }: Profile, stack: StackIndex): StackIndex {
  let own = stack;
  for (let at = stack; at !== NONE; at = stacks.columns.parent[at]) {
    const kind = frames.columns.kind[stacks.columns.frame[at]];
    if (kind === FrameKind.Wait || kind === FrameKind.Waker) own = stacks.columns.parent[at];
  }
  return own;
}

/** Whether a stack begins in the kernel: that of one of its own threads. */
function isKernelOnly({ stacks, frames }: Profile, stack: number): boolean {
  if (stack === NONE) return false;
  let root = stack;
  while (stacks.columns.parent[root] !== NONE) root = stacks.columns.parent[root];
  return frames.columns.kind[stacks.columns.frame[root]] === FrameKind.Kernel;
}
