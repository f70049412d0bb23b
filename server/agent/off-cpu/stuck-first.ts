/** In which order threads that are blocked are told of, where there are too many to tell of all. */
import { ThreadState } from '@/profile/schema';
import type { StackId } from '../record-reader';

export interface Blocked {
  readonly pid: number;
  readonly tid: number;
  /** A ThreadState. */
  readonly state: number;
  readonly forNs: number;
  /** Where in the kernel. */
  readonly kernel: StackId;
  readonly wakerPid: number;
  readonly wakerTid: number;
}

/** Those in which a thread is rarely for long unless something is wrong come first. */
const STATES: readonly number[] = [
  ThreadState.Disk,
  ThreadState.PageFault,
  ThreadState.Lock,
  ThreadState.Other,
  ThreadState.Network,
  ThreadState.Pipe,
  ThreadState.Poll,
  ThreadState.Sleep,
];

/** Of threads that are alike: a pool of idle ones must not crowd out all others. */
const FEW = 10;

/**
 * By state, then the longest; threads of the kernel that wait for work after all others. Of those of one process, in one
 * state, at one place one comes before all that are like another, and more than ten come last. `alike`: how many are.
 */
export function stuckFirst(
  all: readonly Blocked[],
  isOfKernel: (pid: number) => boolean,
): { readonly blocked: Blocked; readonly alike: number }[] {
  const rank = ({ pid, state }: Blocked): number =>
    state === ThreadState.Other && isOfKernel(pid) ? STATES.length : STATES.indexOf(state);
  const ranked = all.map((blocked) => ({ blocked, rank: rank(blocked) }));
  ranked.sort((a, b) => a.rank - b.rank || b.blocked.forNs - a.blocked.forNs);
  const alike = new Map<string, number>();
  const placed = ranked.map(({ blocked }) => {
    const { pid, state, kernel } = blocked;
    const kind = `${pid} ${state} ${kernel.high} ${kernel.low}`;
    const place = alike.get(kind) ?? 0;
    alike.set(kind, place + 1);
    return { blocked, kind, round: place === 0 ? 0 : place < FEW ? 1 : 2 };
  });
  // A stable sort: within a round the order stays.
  return placed
    .sort((a, b) => a.round - b.round)
    .map(({ blocked, kind }) => ({ blocked, alike: alike.get(kind) as number }));
}
