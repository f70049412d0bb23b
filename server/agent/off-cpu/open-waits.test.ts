import { describe, expect, it } from 'vitest';
import { ThreadState } from '@/profile/schema';
import { drawOpen, notOpen, type OpenWait } from './open-waits';

const NO_STACK = { low: 0, high: 0 };
const OPEN: OpenWait = {
  pid: 7,
  tid: 8,
  state: ThreadState.Lock,
  timeNs: 5e9,
  sinceNs: 1e9,
  wokenNs: 0,
  kernel: { low: 1, high: 2 },
  user: { low: 3, high: 4 },
};

/** Numbers that are spread evenly over [0, 1). */
function evenly(count: number): () => number {
  let next = 0;
  return () => (next++ % count) / count;
}

describe('a wait that goes on', () => {
  it('is taken with its length until now, and its stacks, where it is long', () => {
    expect(drawOpen(OPEN, 10e6)).toEqual([
      {
        timeNs: 5e9,
        state: ThreadState.Lock,
        pid: 7,
        tid: 8,
        durationNs: 4e9,
        weightNs: 4e9,
        kernel: { low: 1, high: 2 },
        user: { low: 3, high: 4 },
        userKey: 0,
        wakerPid: 0,
        wakerTid: 0,
        wakerKernel: NO_STACK,
        wakerUser: NO_STACK,
        wakerUserKey: 0,
      },
    ]);
  });

  it('has two parts where its thread has been woken and waits for a CPU', () => {
    const parts = drawOpen({ ...OPEN, wokenNs: 4e9 }, 10e6);
    expect(parts.map(({ state, timeNs, durationNs }) => [state, timeNs, durationNs])).toEqual([
      [ThreadState.Lock, 4e9, 3e9],
      [ThreadState.Runnable, 5e9, 1e9],
    ]);
  });

  it.each([1, 2.5, 9.9, 10, 40])('of %d ms weighs on average what it is long', (ms) => {
    const wait = { ...OPEN, sinceNs: OPEN.timeNs - ms * 1e6 };
    const random = evenly(1000);
    let sum = 0;
    for (let i = 0; i < 1000; i++)
      for (const { weightNs } of drawOpen(wait, 10e6, random)) sum += weightNs;
    expect(sum / 1000).toBeCloseTo(ms * 1e6, 0);
  });

  it('is not counted again where its end is heard of a moment later', () => {
    const [long] = drawOpen(OPEN, 10e6);
    const ended = (tid: number, fromNs: number, timeNs: number) => ({
      wait: { ...long, tid, timeNs, durationNs: timeNs - fromNs },
    });
    const before = ended(8, 0.2e9, 0.9e9);
    const other = ended(9, 1e9, 5.1e9);
    const same = ended(8, 1e9, 5.1e9);
    const itsSecondPart = ended(8, 5.1e9, 5.2e9);
    expect(notOpen([before, other, same, itsSecondPart], [OPEN])).toEqual([before, other]);
  });

  it('is told from the one before it, however long the machine has been up', () => {
    const days = 2 ** 53 + 2 ** 20;
    const open = { ...OPEN, sinceNs: days + 4, timeNs: days + 2e6 };
    const [long] = drawOpen(OPEN, 10e6);
    const before = { wait: { ...long, timeNs: days + 4, durationNs: 1e6 } };
    // As a difference, its start is 2 ns earlier than it was.
    const same = { wait: { ...long, timeNs: days + 1e6, durationNs: 1e6 - 3 } };
    expect(same.wait.timeNs - same.wait.durationNs).toBe(open.sinceNs);
    const rounded = { wait: { ...same.wait, durationNs: 1e6 - 2 } };
    expect(rounded.wait.timeNs - rounded.wait.durationNs).toBeLessThan(open.sinceNs);
    expect(notOpen([before, same, rounded], [open])).toEqual([before]);
  });
});
