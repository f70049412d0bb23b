/** The longest waits of a profile, and how each came to its end: who woke the thread, and what that one had waited for before. */
import { frameName } from './names';
import type { Profile } from './profile';
import { FrameKind, NONE, type ThreadIndex, ThreadState } from './schema';
import type { TimeRange } from './view';
import { wakeChain } from './waits';

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
  /** Who ended it; undefined where nobody is known. */
  readonly waker: WaitingThread | 'interrupt' | undefined;
  /** What the waker had waited for just before, then what the one had that woke that, and so on. */
  readonly chain: readonly WaitHop[];
}

const HOPS = 6;

/**
 * The longest waits of threads that pass that are at least partly in the range, at most `most`; threads of the kernel and waits for a CPU are not
 * among them. A wait that still went on at the end of the profile has not been written down.
 */
export function longestWaits(
  profile: Profile,
  range: TimeRange,
  passes: (thread: ThreadIndex) => boolean,
  most: number,
): LongestWait[] {
  const { thread, timeNs, durationNs, waitClass, stack } = profile.waits.columns;
  const isOfKernel = new Map<number, boolean>();
  /** The longest, in no order; those that are shorter than all of them can't be among the longest. */
  let longest: number[] = [];
  let leastNs = 0;
  for (let row = 0; row < profile.waits.length; row++) {
    if (durationNs[row] <= leastNs || waitClass[row] <= ThreadState.Throttled) continue;
    if (timeNs[row] <= range.startNs || timeNs[row] - durationNs[row] >= range.endNs) continue;
    if (!passes(thread[row])) continue;
    let ofKernel = isOfKernel.get(stack[row]);
    if (ofKernel === undefined) {
      ofKernel = isKernelOnly(profile, stack[row]);
      isOfKernel.set(stack[row], ofKernel);
    }
    if (ofKernel) continue;
    longest.push(row);
    if (longest.length < 2 * most) continue;
    longest = inOrder(longest, durationNs).slice(0, most);
    leastNs = durationNs[longest[most - 1]];
  }
  return inOrder(longest, durationNs)
    .slice(0, most)
    .map((row) => ({
      ...hopOf(profile, row),
      waker: wakerOf(profile, row),
      chain: wakeChain(profile, row, HOPS).map((hop) => hopOf(profile, hop)),
    }));
}

function inOrder(rows: number[], durationNs: Float64Array): number[] {
  return rows.sort((a, b) => durationNs[b] - durationNs[a] || a - b);
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
  return wakerStack[row] === NONE ? undefined : 'interrupt';
}

function hopOf(profile: Profile, row: number): WaitHop {
  const { thread, timeNs, durationNs, waitClass, stack } = profile.waits.columns;
  const { stacks, frames } = profile;
  const kernelStack: string[] = [];
  let at = stack[row];
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

/** Whether a stack begins in the kernel: that of one of its own threads. */
function isKernelOnly({ stacks, frames }: Profile, stack: number): boolean {
  if (stack === NONE) return false;
  let root = stack;
  while (stacks.columns.parent[root] !== NONE) root = stacks.columns.parent[root];
  return frames.columns.kind[stacks.columns.frame[root]] === FrameKind.Kernel;
}
