import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  ENTRY_NS,
  histogram,
  type MeasureOptions,
  measureWorkload,
} from '@/bench/workloads/measure-for-tests';
import type { Histogram } from '@/profile/latency/histogram';
import type { LatencySource } from '@/profile/latency/sources';

/** So far from the truth, by chance, one run of 16,000 is. */
const ERRORS = 4;
/** Half a bucket. */
const BUCKET_ERROR = 0.035;

const measure = (
  sources: readonly LatencySource[],
  args: readonly (string | number)[],
  options: MeasureOptions,
) => measureWorkload('latency', sources, args, options);

/** That a count that estimates `events` does so within its error: one in `oneIn` was timed, each by itself. */
function expectCount(count: number, events: number, oneIn: number, more = 0): void {
  expect(Math.abs(count - events)).toBeLessThan(ERRORS * Math.sqrt(events * (oneIn - 1)) + more);
}

/** A quantile of the events that were timed is one of all events' near it. */
function expectQuantile(measured: Histogram, q: number, sorted: readonly number[], k: number) {
  const error = ERRORS * Math.sqrt((q * (1 - q)) / k);
  const truth = (at: number): number =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.floor(at * sorted.length)))];
  const value = measured.quantile(q)?.value ?? 0;
  expect(value, `p${100 * q}`).toBeLessThan(truth(q + error) * (1 + BUCKET_ERROR));
  expect(value, `p${100 * q}`).toBeGreaterThan(truth(q - error) * (1 - BUCKET_ERROR) - ENTRY_NS);
}

describe('system calls of which one in 16 is timed', () => {
  it('are as many as were made, within the standard error', async () => {
    const CALLS = 1_000_000;
    const { buckets } = await measure(['syscalls'], ['getpid', CALLS], { oneIn: 16 });
    const { count } = histogram(buckets, 'getpid');
    expectCount(count, CALLS, 16);
    expect(buckets.every(({ oneIn }) => oneIn === 16)).toBe(true);
  });

  it('have the quantiles that the program saw', async () => {
    const SLEEPS = 4000;
    const { buckets, truth } = await measure(['syscalls'], ['varied', SLEEPS], { oneIn: 16 });
    const durations = z.array(z.number()).parse(truth.durations);
    const sleeps = histogram(buckets, 'clock_nanosleep');
    expectCount(sleeps.count, SLEEPS, 16);
    for (const q of [0.25, 0.5, 0.75, 0.9]) expectQuantile(sleeps, q, durations, sleeps.count / 16);
  });

  it('are all there from 250 ms on, each once', async () => {
    const { buckets, truth } = await measure(['syscalls', 'futex'], ['futex', 12, 250_000_000], {
      oneIn: 16,
    });
    const { max } = z.object({ max: z.number() }).parse(truth.wait);
    const waits = histogram(buckets, 'wait: timed out');
    expect(waits.count).toBe(12);
    // By the tick where it was not timed: 10 ms at most.
    expect(waits.sum / 12).toBeGreaterThan(240_000_000);
    expect(waits.quantile(1)?.value ?? 0).toBeLessThan((max + 10e6) * (1 + BUCKET_ERROR));
    expect(histogram(buckets, 'wait: value had changed').count % 16).toBe(0);
    expect(histogram(buckets, 'futex').count % 16).toBe(12);
  });
});

describe('a change of how many are timed', () => {
  /** To and fro, every few milliseconds. */
  const toAndFro: MeasureOptions['during'] = async (programs, done) => {
    for (let turn = 0; !done.aborted; turn++) {
      await programs.setThinning([1, 16, 4, 16][turn % 4]);
      await sleep(1);
    }
  };

  it('between calls leaves counts right', async () => {
    const CALLS = 2_000_000;
    const { buckets } = await measure(['syscalls'], ['getpid', CALLS], { during: toAndFro });
    expectCount(histogram(buckets, 'getpid').count, CALLS, 16);
  });

  it('during calls leaves counts right', async () => {
    const SLEEPS = 1500;
    const { buckets } = await measure(['syscalls'], ['sleep', SLEEPS, 2_000_000], {
      during: toAndFro,
    });
    expectCount(histogram(buckets, 'clock_nanosleep').count, SLEEPS, 16);
  });
});

describe('waits for a CPU of which one in 8 is timed', () => {
  it('are as many as the scheduler says', async () => {
    const SLEEPS = 6000;
    const { buckets, arrivals } = await measure(['runqueue'], ['sleep', SLEEPS, 100_000], {
      oneIn: 8,
    });
    // A sleep that is over before it begins is none.
    expect(arrivals).toBeGreaterThan(0.9 * SLEEPS);
    const waits = histogram(buckets, 'waiting for a CPU');
    // It waited before it was told to begin, too.
    expectCount(waits.count, arrivals, 8, 10);
  });
});

describe('sources that are not thinned', () => {
  it('are counted exactly', async () => {
    const CONNECTIONS = 100;
    const { buckets } = await measure(['tcp'], ['tcp', CONNECTIONS], { oneIn: 16 });
    expect(histogram(buckets, 'connect to 127.0.0.1').count).toBe(CONNECTIONS);
    expect(buckets.every(({ oneIn }) => oneIn === 1)).toBe(true);
  });
});
