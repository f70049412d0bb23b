import { describe, expect, it } from 'vitest';
import { ThreadState } from '@/profile/schema';
import { type Blocked, stuckFirst } from './stuck-first';

const KERNEL_PID = 99;

let tid = 0;
const blocked = (pid: number, state: ThreadState, forNs: number, place = 1): Blocked => ({
  pid,
  tid: ++tid,
  state,
  forNs,
  kernel: { low: place, high: 0 },
  wakerPid: 0,
  wakerTid: 0,
});
const pidsOf = (all: readonly Blocked[]): number[] =>
  stuckFirst(all, (pid) => pid === KERNEL_PID).map((entry) => entry.blocked.pid);

describe('threads that are blocked', () => {
  it('are told of by how rarely their state lasts, then the longest first, idle ones of the kernel last', () => {
    const { Disk, Lock, Sleep, Other } = ThreadState;
    expect(
      pidsOf([
        blocked(KERNEL_PID, Other, 900),
        blocked(1, Sleep, 800),
        blocked(2, Lock, 100),
        blocked(3, Lock, 200),
        blocked(4, Disk, 50),
      ]),
    ).toEqual([4, 3, 2, 1, KERNEL_PID]);
    expect(pidsOf([blocked(1, Lock, 5), blocked(KERNEL_PID, Disk, 1)])).toEqual([KERNEL_PID, 1]);
  });

  it('are told of once for each kind before any is told of twice, and in large numbers last', () => {
    const pool = Array.from({ length: 30 }, (_, i) => blocked(7, ThreadState.Lock, 1000 - i));
    const few = [blocked(8, ThreadState.Sleep, 5), blocked(8, ThreadState.Sleep, 4)];
    const all = stuckFirst([...pool, ...few], () => false);
    expect(all.map((entry) => entry.blocked.pid)).toEqual([
      7,
      8,
      ...new Array(9).fill(7),
      8,
      ...new Array(20).fill(7),
    ]);
    expect(all.map(({ alike }) => alike).slice(0, 2)).toEqual([30, 2]);
    expect(all.map((entry) => entry.blocked.tid).slice(2, 4)).toEqual([pool[1].tid, pool[2].tid]);
  });

  it('are other kinds at other places', () => {
    const all = stuckFirst(
      [blocked(1, ThreadState.Lock, 9, 1), blocked(1, ThreadState.Lock, 8, 2)],
      () => false,
    );
    expect(all.map(({ alike }) => alike)).toEqual([1, 1]);
  });
});
