import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import type { Profile } from './profile';
import { TestProfile } from './profiles-for-tests';
import { NONE, type ThreadIndex, ThreadState } from './schema';
import {
  checkedDifference,
  largestDifference,
  ledgerOf,
  residualPercent,
  stateSums,
  THREAD_STATES,
  threadLedger,
  threadSlices,
} from './thread-ledger';
import type { TimeRange } from './view';

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** A thread that is called differently from time to time: a row for each name. */
class Renamed {
  readonly builder = new ProfileBuilder();
  readonly #process = this.builder.process({
    pid: 7,
    parentPid: 1,
    name: this.builder.string('program'),
    commandLine: this.builder.string(''),
    container: NONE,
    cgroup: NONE,
    startNs: 0,
  });

  thread(tid: number, name: string): ThreadIndex {
    const { builder } = this;
    return builder.thread({ tid, process: this.#process, name: builder.string(name) });
  }

  run(thread: ThreadIndex, timeNs: number, ns: number): void {
    this.builder.threadTime({
      timeNs,
      thread,
      state: ThreadState.Running,
      ns,
      count: 1,
      schedulerNs: ns - 1,
      schedulerClockNs: 1,
    });
  }

  get profile(): Profile {
    return this.builder.profile;
  }
}

describe('a ledger', () => {
  it('has all of the time of each thread, in whatever order slices of threads come', () => {
    const state = fc.constantFrom(...(Object.keys(ThreadState) as (keyof typeof ThreadState)[]));
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            tid: fc.integer({ min: 1, max: 5 }),
            ns: fc.dictionary(state, fc.integer({ min: 1, max: 1e9 }), { minKeys: 1 }),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (slices, cut) => {
          const test = new TestProfile();
          const ends = new Map<number, number>();
          for (const { tid, ns } of slices) {
            const end = (ends.get(tid) ?? 0) + sum(Object.values(ns));
            ends.set(tid, end);
            test.addTimes(end, tid, ns);
          }
          const whole = ledgerOf(test.profile);
          expect(whole.length).toBe(ends.size);
          for (let entry = 0; entry < whole.length; entry++) {
            const elapsed = whole.endNs[entry] - whole.startNs[entry];
            expect(sum(stateSums(whole, entry))).toBeCloseTo(elapsed, 3);
          }
          // Two parts of the time have together what the whole has.
          const middle = Math.floor(Math.max(...ends.values()) * cut);
          const parts = [
            ledgerOf(test.profile, { startNs: 0, endNs: middle }),
            ledgerOf(test.profile, { startNs: middle, endNs: 2 ** 53 }),
          ];
          expect(sum(parts.flatMap(({ ns }) => [...ns]))).toBeCloseTo(sum(whole.ns), 0);
          for (const part of parts)
            for (let entry = 0; entry < part.length; entry++)
              expect(
                residualPercent(stateSums(part, entry), part.endNs[entry] - part.startNs[entry]),
              ).toBeCloseTo(0, 6);
        },
      ),
    );
  });

  it('takes a thread that got another name for one thread, under its last name', () => {
    const test = new Renamed();
    const [first, second] = [test.thread(8, 'program'), test.thread(8, 'worker')];
    test.run(first, 100e6, 100e6);
    test.run(second, 250e6, 150e6);
    const ledger = ledgerOf(test.profile);
    expect(ledger.length).toBe(1);
    expect(ledger.thread[0]).toBe(second);
    expect([...ledger.entryOf]).toEqual([1, 1]);
    expect(sum(ledger.ns)).toBe(250e6);
    expect([...ledger.schedulerNs]).toEqual([250e6 - 2, 0]);
    expect([...ledger.schedulerClockNs]).toEqual([2, 0]);
    expect(ledger.endNs[0] - ledger.startNs[0]).toBe(250e6);
  });

  it('says by how much it differs from what the scheduler accounts', () => {
    const test = new TestProfile()
      .addTimes(
        1000,
        1,
        { Running: 500, Runnable: 20, Throttled: 30, Waking: 5, Sleep: 445 },
        { Running: 510, Runnable: 10 },
        { Running: -4, Runnable: 20 },
      )
      .addTimes(1000, 2, { Running: 400, Runnable: 600 }, { Running: 400, Runnable: -1 })
      .addTimes(1000, 3, { Running: 400, Sleep: 600 }, { Running: -1 })
      .addTimes(2000, 1, { Sleep: 1000 });
    const differences = (range?: TimeRange) =>
      threadLedger(test.profile, range).map(({ schedulerDifference: difference }) => [
        difference.other.onCpu,
        difference.other.runQueue,
        largestDifference(difference.other),
        largestDifference(difference.ofItsClock),
      ]);
    expect(differences()).toEqual([
      [0, Number.NaN, 0, 0],
      [-0.3, 1, 1, 1],
      [Number.NaN, 0, Number.NaN, 0],
    ]);
    // Of half of a slice, half.
    expect(differences({ startNs: 500, endNs: 1000 })[1]).toEqual([-0.6, 2, 2, 2]);
  });

  it('is checked where a thread was there for a tenth of a second', () => {
    const difference = {
      ofItsClock: { onCpu: 5, runQueue: 5 },
      other: { onCpu: -3, runQueue: 2 },
    };
    expect(checkedDifference(difference, 0.1e9)).toBe(-3);
    expect(checkedDifference(difference, 0.09e9)).toBe(Number.NaN);
  });

  it('takes threads that had the same number one after the other for two', () => {
    const test = new Renamed();
    test.run(test.thread(8, 'first'), 100e6, 100e6);
    test.run(test.thread(8, 'second'), 900e6, 150e6);
    expect(ledgerOf(test.profile).length).toBe(2);
  });
});

describe('slices', () => {
  const busy = (): Profile => {
    const test = new TestProfile();
    for (let i = 1; i <= 100; i++) test.addTimes(i * 10, 1, { Running: 4, Sleep: 6 });
    return test.addTimes(1000, 2, { Poll: 1000 }).profile;
  };

  it('are those of the threads asked for, in their order', () => {
    const profile = busy();
    const slices = threadSlices(profile, ledgerOf(profile), [1, 0]);
    expect([...slices.offset]).toEqual([0, 1, 101]);
    expect(slices.startNs[0]).toBe(0);
    expect(slices.startNs[5]).toBe(40);
    expect(slices.ns[THREAD_STATES + ThreadState.Sleep]).toBe(6);
  });

  it('are joined until they can be seen, and nothing is lost by it', () => {
    const profile = busy();
    const slices = threadSlices(profile, ledgerOf(profile), [0], undefined, 95);
    expect(slices.offset[1]).toBe(10);
    expect(slices.endNs[9]).toBe(1000);
    expect(sum(slices.ns)).toBe(1000);
    expect(sum(slices.count)).toBe(200);
    for (let row = 1; row < 10; row++) expect(slices.startNs[row]).toBe(slices.endNs[row - 1]);
  });
});
