import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { compileWorkload } from '@/bench/workloads/compile';
import {
  expectCalls,
  histogram,
  measureWorkload,
  truthSchema,
} from '@/bench/workloads/measure-for-tests';
import { FREQUENT_CALLS } from '@/profile/latency/sources';
import { LatencyPrograms } from './latency-programs';

/** So far from the truth, by chance, one run of 16,000 is. */
const ERRORS = 4;
const ONE_IN = FREQUENT_CALLS.oneIn;
/** What the program's own clock and the way to the kernel take, beside a call. */
const ENTRY_NS = 1000;
const BUCKET_ERROR = 0.035;
const REST_OF_LINE = 'o\n'.length;

it('calls of a thread that hardly does anything else are all counted, and as long as the program says', async () => {
  const ROUNDS = 20_000;
  const { buckets, truth } = await measureWorkload('latency', ['syscalls'], ['frequent', ROUNDS]);
  const { sum, read } = z.object({ sum: z.number(), read: truthSchema }).parse(truth);
  expectCalls(histogram(buckets, 'getpid').count, 4 * ROUNDS);
  const reads = histogram(buckets, 'read');
  // The line with which it begins is read byte by byte: the first read was under way already.
  expectCalls(reads.count - REST_OF_LINE, ROUNDS);
  const error = ERRORS * Math.sqrt((ONE_IN - 1) / ROUNDS);
  // One may have been interrupted for long, and stand for others.
  expect(reads.sum).toBeLessThan(sum * (1 + error) + ONE_IN * read.max);
  expect(reads.sum).toBeGreaterThan(sum * (1 - error) - ROUNDS * ENTRY_NS - ONE_IN * read.max);
  for (const [q, value] of [
    [0.5, read.p50],
    [0.9, read.p90],
  ] as const) {
    const least = reads.quantile(q - 0.05)?.value ?? 0;
    const most = reads.quantile(q + 0.05)?.value ?? 0;
    expect(least, `p${100 * q}`).toBeLessThan(value * (1 + BUCKET_ERROR));
    expect(most, `p${100 * q}`).toBeGreaterThan(value * (1 - BUCKET_ERROR) - ENTRY_NS);
  }
  // No short one counts as one of those that are long.
  const sleeps = histogram(buckets, 'clock_nanosleep');
  expectCalls(sleeps.count, ROUNDS + ROUNDS / 1000);
  const long = buckets.filter(
    ({ label, sum, count }) => label === 'clock_nanosleep' && sum / count > 200e6,
  );
  expect(long.reduce((count, row) => count + row.count, 0)).toBe(ROUNDS / 1000);
});

it('of many calls of a thread that goes on, the last few are still to be counted', async () => {
  const CALLS = 20_000;
  const RUNS = 8;
  let missing = 0;
  for (let run = 0; run < RUNS; run++) {
    const { buckets } = await measureWorkload('latency', ['syscalls'], ['getpid', CALLS]);
    const { count } = histogram(buckets, 'getpid');
    expectCalls(count, CALLS);
    missing += CALLS - count;
  }
  // None would be if each were timed. By chance none is once in four billion times.
  expect(missing).toBeGreaterThan(0);
});

it('none of a thread that has ended is missing', async () => {
  const CALLS = 200_001;
  const child = spawn(compileWorkload('latency'), ['getpid', String(CALLS)]);
  const programs = new LatencyPrograms({ onlyPids: [child.pid ?? 0] });
  try {
    await programs.set(['syscalls']);
    child.stdin.end('go\n\n');
    await once(child, 'exit');
    await programs.set([]);
    expect(histogram(await programs.take(), 'getpid').count).toBe(CALLS);
  } finally {
    programs.dispose();
    child.kill('SIGKILL');
  }
});
