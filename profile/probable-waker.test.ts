import { describe, expect, it } from 'vitest';
import { probableWakers } from './probable-waker';
import { TestProfile, type TestWait } from './profiles-for-tests';
import { ThreadState } from './schema';

const PLACE = ['k:do_futex', 'k:schedule'];
const kernelStack = ['do_futex', 'schedule'];
const waker = (tid: number) => ({ pid: 5, process: 'owner', tid, stack: ['unlock'] });

function waits(...all: readonly Partial<TestWait>[]) {
  const test = new TestProfile();
  for (const wait of all)
    test.addWait({
      pid: 1,
      process: 'program',
      tid: 10,
      stack: ['main', ...PLACE],
      durationNs: 100,
      waitClass: ThreadState.Lock,
      ...wait,
    });
  return test.profile;
}

describe('the probable waker', () => {
  it('is who ended most waits of the thread at the place, as they stand for', () => {
    const profile = waits(
      { waker: waker(50) },
      { waker: waker(50) },
      // Stands for six.
      { waker: waker(51), durationNs: 10, weight: 60 },
      {},
      // Another place, and another thread's.
      { waker: waker(52), durationNs: 1, weight: 1000, stack: ['main', 'k:other'] },
      { waker: waker(52), durationNs: 1, weight: 1000, tid: 11 },
    );
    expect(probableWakers(profile, [{ pid: 1, tid: 10, kernelStack }])).toEqual([
      {
        waker: { kind: 'thread', pid: 5, tid: 51, process: 'owner', thread: 'owner/51' },
        share: 6 / 9,
        waits: 9,
        basis: 'same-place',
      },
    ]);
  });

  it('is learned from other threads of the process, else from other waits of the thread', () => {
    const profile = waits(
      { tid: 11, waker: waker(51) },
      { tid: 12, waker: waker(52), stack: ['main', 'k:other'] },
    );
    const [first, second, third] = probableWakers(profile, [
      { pid: 1, tid: 10, kernelStack },
      { pid: 1, tid: 12, kernelStack: ['elsewhere'] },
      { pid: 2, tid: 13, kernelStack },
    ]);
    expect(first).toMatchObject({ basis: 'same-process', waker: { tid: 51 } });
    expect(second).toMatchObject({ basis: 'same-thread', waker: { tid: 52 } });
    expect(third).toBeUndefined();
  });

  it('is nobody where no end was seen, and leaves out waits for a CPU', () => {
    const profile = waits({}, { waker: waker(50), waitClass: ThreadState.Runnable });
    expect(probableWakers(profile, [{ pid: 1, tid: 10, kernelStack }])).toEqual([undefined]);
  });
});
