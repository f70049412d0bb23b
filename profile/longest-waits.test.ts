import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestWaits, waitingThread } from './longest-waits';
import { TestProfile } from './profiles-for-tests';
import { ThreadState } from './schema';
import { ALL_TIME } from './weights';

describe('the longest waits', () => {
  it('are the longest of each thread and stack, of the threads and the time asked for', () => {
    const wait = fc.record({
      pid: fc.integer({ min: 1, max: 3 }),
      timeNs: fc.integer({ min: 1, max: 1000 }),
      durationNs: fc.integer({ min: 1, max: 500 }),
    });
    fc.assert(
      fc.property(
        fc.array(wait, { maxLength: 60 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 3 })),
        fc.integer({ min: 1, max: 3 }),
        (waits, pids, most) => {
          const test = new TestProfile();
          for (const each of waits) test.addWait({ ...each, stack: ['main', 'k:sleep'] });
          const range = { startNs: 300, endNs: 600 };
          const byPid = new Map<number, number>();
          for (const { pid, timeNs, durationNs } of waits) {
            if (pids.length > 0 && !pids.includes(pid)) continue;
            if (timeNs <= 300 || timeNs - durationNs >= 600) continue;
            byPid.set(pid, Math.max(byPid.get(pid) ?? 0, durationNs));
          }
          const expected = [...byPid.values()].sort((a, b) => b - a).slice(0, most);
          const found = longestWaits(
            test.profile,
            range,
            (thread) => pids.length === 0 || pids.includes(waitingThread(test.profile, thread).pid),
            most,
          );
          expect(found.map(({ startNs, endNs }) => endNs - startNs)).toEqual(expected);
        },
      ),
    );
  });

  it('were ended by nobody where they went on when the recording ended', () => {
    const test = new TestProfile()
      .addWait({ tid: 1, stack: ['a', 'k:sleep'], timeNs: 999, durationNs: 900 })
      .addWait({ tid: 2, stack: ['a', 'k:sleep'], timeNs: 900, durationNs: 800 });
    const { profile } = test;
    const header = { sequence: 0, startNs: 0, endNs: 1000, wallOffsetNs: 0, frequencyHz: 99 };
    const wakers = (): unknown[] =>
      longestWaits(profile, ALL_TIME, () => true, 10).map(({ waker }) => waker);
    profile.header = { ...header, hasOpenWaits: true };
    expect(wakers()).toEqual(['nobody', undefined]);
    profile.header = header;
    expect(wakers()).toEqual([undefined, undefined]);
  });

  it('say where, from where in the program, and who ended it, hop by hop', () => {
    const waker = (tid: number) => ({ pid: 1, process: 'prog', tid, stack: ['wake'] });
    const { profile } = new TestProfile()
      .addWait({
        tid: 3,
        stack: ['c', 'k:read'],
        timeNs: 80,
        durationNs: 60,
        waitClass: ThreadState.Disk,
      })
      .addWait({ tid: 2, stack: ['b', 'k:futex'], timeNs: 90, durationNs: 75, waker: waker(3) })
      .addWait({ tid: 2, stack: ['b'], timeNs: 95, durationNs: 5, waitClass: ThreadState.Runnable })
      .addWait({ tid: 1, stack: ['a', 'k:x', 'k:y'], timeNs: 100, durationNs: 90, waker: waker(2) })
      .addWait({ tid: 9, stack: ['k:kthread', 'k:worker'], timeNs: 200, durationNs: 200 });
    const [longest, ...others] = longestWaits(profile, ALL_TIME, () => true, 10);
    expect(others).toHaveLength(2);
    expect(longest).toMatchObject({
      tid: 1,
      startNs: 10,
      endNs: 100,
      kernelStack: ['x', 'y'],
      userFunction: 'a',
      waker: { tid: 2, thread: 'prog/2' },
      alike: 1,
    });
    expect(longest.chain.map(({ tid, waitClass }) => [tid, waitClass])).toEqual([
      [2, ThreadState.Sleep],
      [3, ThreadState.Disk],
    ]);
    expect(others[0].waker).toEqual({ pid: 1, tid: 3, process: 'prog', thread: 'prog/3' });
    expect(others[1].waker).toBeUndefined();
  });
});
