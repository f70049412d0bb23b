import { describe, expect, it } from 'vitest';
import { ThreadState } from '@/profile/schema';
import { THREAD, THREAD_BYTES } from '../records';
import { ThreadSums } from './thread-sums';

type Sums = Partial<
  Record<keyof typeof ThreadState, readonly [ns: number, count: number, schedulerNs?: number]>
>;

function reading(id: number, timeNs: number, sums: Sums): DataView {
  const view = new DataView(new ArrayBuffer(THREAD_BYTES));
  const u64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  u64(THREAD.id, id);
  u64(THREAD.time_ns, timeNs);
  view.setUint32(THREAD.pid, 7, true);
  view.setUint32(THREAD.tid, id, true);
  u64(THREAD.scheduler_run_ns, sums.Running?.[2] ?? 0);
  u64(THREAD.scheduler_queue_ns, sums.Runnable?.[2] ?? 0);
  for (const [state, [ns, count]] of Object.entries(sums)) {
    u64(THREAD.ns + ThreadState[state as keyof typeof ThreadState] * 8, ns);
    u64(THREAD.count + ThreadState[state as keyof typeof ThreadState] * 8, count);
  }
  return view;
}

const { Running, Poll } = ThreadState;

describe('sums of threads', () => {
  it('give the difference to the reading before', () => {
    const sums = new ThreadSums();
    expect(sums.read(reading(1, 100, { Running: [60, 2], Sleep: [40, 1] }), 0).rows).toHaveLength(
      2,
    );
    expect(sums.read(reading(1, 200, { Running: [90, 3], Sleep: [110, 1] }), 0)).toEqual({
      pid: 7,
      tid: 1,
      rows: [
        { timeNs: 200, state: Running, ns: 30, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
        {
          timeNs: 200,
          state: ThreadState.Sleep,
          ns: 70,
          count: 0,
          schedulerNs: 0,
          schedulerClockNs: 0,
        },
      ],
    });
  });

  it('keep a wait that goes on until it is over, and then give it as one slice', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [100, 1] }), 0);
    expect(sums.read(reading(1, 200, { Running: [100, 1], Poll: [100, 0] }), 0).rows).toEqual([]);
    expect(sums.read(reading(1, 300, { Running: [100, 1], Poll: [200, 0] }), 0).rows).toEqual([]);
    expect(sums.read(reading(1, 400, { Running: [150, 2], Poll: [250, 1] }), 0).rows).toEqual([
      { timeNs: 300, state: Poll, ns: 200, count: 0, schedulerNs: 0, schedulerClockNs: 0 },
      { timeNs: 400, state: Running, ns: 50, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
      { timeNs: 400, state: Poll, ns: 50, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
    ]);
  });

  it('tell at any moment what is still to come, and give it all the same', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [100, 1] }), 0);
    sums.read(reading(1, 200, { Running: [100, 1], Poll: [100, 0] }), 0);
    const next = reading(1, 300, { Running: [150, 2], Poll: [150, 1] });
    const rows = [
      { timeNs: 200, state: Poll, ns: 100, count: 0, schedulerNs: 0, schedulerClockNs: 0 },
      { timeNs: 300, state: Running, ns: 50, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
      { timeNs: 300, state: Poll, ns: 50, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
    ];
    expect(sums.peek(next, 0).rows).toEqual(rows);
    expect(sums.read(next, 0).rows).toEqual(rows);
  });

  it('give a wait that goes on at least every ten seconds, and at the end', () => {
    const sums = new ThreadSums();
    let given = 0;
    for (let second = 1; second <= 25; second++) {
      const { rows } = sums.read(reading(1, second * 1e9, { Poll: [second * 1e9, 0] }), 0);
      given += rows.reduce((sum, { ns }) => sum + ns, 0);
      expect(second * 1e9 - given).toBeLessThanOrEqual(11e9);
    }
    const { rows } = sums.read(reading(1, 26e9, { Poll: [26e9, 0] }), 0, true);
    expect(given + rows.reduce((sum, { ns }) => sum + ns, 0)).toBe(26e9);
  });

  it('add up to the time that went by where a wait turned out to be of another kind', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Disk: [100, 0] }), 0, true);
    const { rows } = sums.read(reading(1, 200, { Disk: [50, 1], Poll: [150, 1] }), 0, true);
    expect(rows).toEqual([
      {
        timeNs: 200,
        state: ThreadState.Disk,
        ns: 0,
        count: 1,
        schedulerNs: 0,
        schedulerClockNs: 0,
      },
      { timeNs: 200, state: Poll, ns: 100, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
    ]);
  });

  it('have all of the time on a CPU, also where it was taken for a wait before', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [10, 1], Poll: [90, 1] }), 0, true);
    // Its switches were not seen: 40 of what was taken for the wait were not.
    const late = sums.read(reading(1, 150, { Running: [100, 2], Poll: [50, 2] }), 0, true);
    expect(late.rows.map(({ ns }) => ns)).toEqual([90, 0]);
    const next = sums.read(reading(1, 250, { Running: [100, 2], Poll: [150, 3] }), 0, true);
    expect(next.rows).toEqual([
      { timeNs: 250, state: Poll, ns: 60, count: 1, schedulerNs: 0, schedulerClockNs: 0 },
    ]);
  });

  it('add up of a thread that never blocks, too, where it had a CPU already when it seemed to wait for one', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [60, 2], Runnable: [40, 1] }), 0);
    const times = (timeNs: number, run: number, queue: number): readonly number[] => {
      const view = reading(1, timeNs, { Running: [run, 2], Runnable: [queue, 1] });
      return sums.read(view, 0).rows.map(({ ns }) => ns);
    };
    // 20 of the 40 were on a CPU.
    expect(times(200, 180, 20)).toEqual([120]);
    expect(times(300, 265, 35)).toEqual([85]);
    expect(times(400, 350, 50)).toEqual([85, 10]);
  });

  it('have what the scheduler accounted, which may seem to go back a little', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [60, 2, 50], Runnable: [40, 1, 41] }), 0);
    const accounts = (timeNs: number, run: number, queue: number): readonly number[] =>
      sums
        .read(reading(1, timeNs, { Running: [timeNs, 2, run], Runnable: [40, 1, queue] }), 0)
        .rows.map(({ schedulerNs }) => schedulerNs);
    expect(accounts(200, 70, 41)).toEqual([20]);
    expect(accounts(300, 68, 45)).toEqual([0, 4]);
    expect(accounts(400, 90, 45)).toEqual([20]);
  });

  it('have what the scheduler’s clock makes of that, either way', () => {
    const sums = new ThreadSums();
    const clocks = (timeNs: number, run: bigint, queue: bigint): readonly number[] => {
      const view = reading(1, timeNs, { Running: [timeNs, 1], Runnable: [timeNs, 1] });
      view.setBigInt64(THREAD.scheduler_run_clock_ns, run, true);
      view.setBigInt64(THREAD.scheduler_queue_clock_ns, queue, true);
      return sums.read(view, 0).rows.map(({ schedulerClockNs }) => schedulerClockNs);
    };
    expect(clocks(100, -30n, 5n)).toEqual([-30, 5]);
    expect(clocks(200, -10n, -6_000_000_000n)).toEqual([20, -6_000_000_005]);
  });

  it('say where the kernel does not account how long threads wait for a CPU', () => {
    const sums = new ThreadSums();
    const view = reading(1, 100, { Running: [60, 2, 50], Runnable: [40, 1] });
    view.setBigUint64(THREAD.scheduler_queue_ns, 2n ** 64n - 1n, true);
    expect(sums.read(view, 0).rows.map((row) => row.schedulerNs)).toEqual([50, -1]);
  });

  it('show a thread at once when it is first seen', () => {
    const sums = new ThreadSums();
    expect(sums.read(reading(1, 100, { Poll: [100, 0] }), 0).rows).toHaveLength(1);
    expect(sums.read(reading(1, 200, { Poll: [200, 0] }), 0).rows).toHaveLength(0);
  });

  it('forget threads that have ended, and those that are no longer read', () => {
    const sums = new ThreadSums();
    sums.read(reading(1, 100, { Running: [1, 0] }), 0);
    sums.read(reading(2, 100, { Running: [1, 0] }), 0);
    expect(sums.readEnd(reading(1, 150, { Running: [3, 1] }), 0).rows[0].ns).toBe(2);
    expect(sums.size).toBe(1);
    for (let pass = 0; pass < 3; pass++) sums.endPass();
    expect(sums.size).toBe(0);
  });
});
