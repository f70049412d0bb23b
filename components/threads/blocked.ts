/** Threads that are blocked now, in words. */
import { formatCount, formatDuration, formatShare } from '@/components/ui/format';
import { threadText } from '@/profile/blocked-thread';
import type { ProbableWaker, Waker, WakerBasis } from '@/profile/probable-waker';
import { STATE_NAMES, ThreadState } from '@/profile/schema';
import type { BlockedThread } from '@/profile/status';

const BASIS: Readonly<Record<WakerBasis, string>> = {
  'same-place': 'of its waits here',
  'same-process': 'of its process’s waits here',
  'same-thread': 'of its waits elsewhere',
};

/** What interrupt ends a wait of a ThreadState. */
export function interruptText(waitClass: number): string {
  return waitClass === ThreadState.Sleep ? 'its timer' : 'an interrupt (timer, disk, network)';
}

export function wakerText(waker: Waker, waitClass: number): string {
  return waker.kind === 'thread' ? threadText(waker) : interruptText(waitClass);
}

/** On what a guess rests: '92.0% of 40 of its waits here'. */
export function wakerGrounds({ share, waits, basis }: ProbableWaker): string {
  return `${formatShare(share)} of ${waits < 1 ? 'about 1' : formatCount(waits)} ${BASIS[basis]}`;
}

export function blockedText({ waitClass, forMs }: BlockedThread): string {
  return `${STATE_NAMES[waitClass]} for ${formatDuration(forMs)}`;
}

/** Threads of one process that are blocked in the same way at the same place: a pool of idle ones is one thing to look at. */
export interface BlockedGroup {
  /** The same as long as there is one. */
  readonly key: string;
  /** The one that comes first, as all are ordered. */
  readonly first: BlockedThread;
  readonly threads: readonly BlockedThread[];
}

/** In the order of their first threads. */
export function groupBlocked(blocked: readonly BlockedThread[]): readonly BlockedGroup[] {
  const groups = new Map<string, { key: string; first: BlockedThread; threads: BlockedThread[] }>();
  for (const thread of blocked) {
    const key = JSON.stringify([thread.pid, thread.waitClass, thread.kernelStack]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { key, first: thread, threads: [thread] });
    else known.threads.push(thread);
  }
  return [...groups.values()];
}

/** How many there are by state, the most first. */
export function blockedStates(
  blocked: readonly BlockedThread[],
): readonly { readonly state: number; readonly name: string; readonly count: number }[] {
  const counts = new Map<number, number>();
  for (const { waitClass } of blocked) counts.set(waitClass, (counts.get(waitClass) ?? 0) + 1);
  return [...counts]
    .map(([state, count]) => ({ state, name: STATE_NAMES[state], count }))
    .sort((a, b) => b.count - a.count || a.state - b.state);
}

/** Whether it is a thread of the kernel itself, by where its stack begins: these wait for work most of the time. */
export function isKernelThread({ kernelStack }: BlockedThread): boolean {
  return kernelStack.slice(0, 3).includes('kthread');
}
