import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  expectQuantiles,
  histogram,
  type Measured,
  measureWorkload,
} from '@/bench/workloads/measure-for-tests';
import { ROOT } from '@/server/root';
import { LatencyPrograms } from './latency-programs';

/** The exception itself, and what measuring it takes. */
const ENTRY_NS = 5_000;
/** The same of a thread that has slept meanwhile, and finds its CPU's caches full of others' things. */
const COLD_ENTRY_NS = 10_000;
/** Of events that wait for a device, others come between as the thread goes on. */
const INTERRUPTED = 0.03;

/** Runs bench/workloads/faults.c; all that the kernel counted must have been measured, each fault once. */
async function measure(...args: readonly (string | number)[]): Promise<Measured> {
  const measured = await measureWorkload('faults', ['faults'], args);
  const resolved = measured.buckets.filter(({ label }) => /^(minor|major): /.test(label));
  expect(resolved.reduce((sum, { count }) => sum + count, 0)).toBe(measured.pageFaults);
  return measured;
}

describe('page faults', () => {
  it('of fresh memory are minor, one for each page', async () => {
    const PAGES = 5000;
    const { buckets, truth } = await measure('minor', PAGES, 1);
    expectQuantiles(histogram(buckets, 'minor: write'), truth, ENTRY_NS);
  });

  it('of memory that a child shares are told apart', async () => {
    const PAGES = 2000;
    const { buckets, truth } = await measure('protected', PAGES);
    const faults = histogram(buckets, 'minor: write-protected');
    // The process's own stack and data have been shared, too.
    expect(faults.count).toBeGreaterThanOrEqual(PAGES);
    expect(faults.count).toBeLessThan(PAGES * 1.05);
    expect(faults.quantile(0.5)?.value ?? 0).toBeLessThan(Number(truth.p50) * 1.035);
    expect(faults.quantile(0.5)?.value ?? 0).toBeGreaterThan(Number(truth.p50) - ENTRY_NS);
  });

  it('that the kernel makes for a system call are told apart', async () => {
    const PAGES = 5000;
    const { buckets, truth } = await measure('kernel', PAGES);
    expectQuantiles(histogram(buckets, 'minor: write, in the kernel'), truth);
  });

  it('of a file that is not in memory are major, and last as long as reading it takes', async () => {
    const directory = mkdtempSync(join(ROOT, 'dist', '.faults-'));
    try {
      const { buckets, truth } = await measure('major', 300, join(directory, 'file'));
      expectQuantiles(histogram(buckets, 'major: read'), truth, COLD_ENTRY_NS, INTERRUPTED);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('last until the page is there, however long somebody else takes to bring it', async () => {
    const PAGES = 300;
    const { buckets, truth } = await measure('delayed', PAGES, 2_000_000);
    const faults = histogram(buckets, 'minor: write');
    // The thread that brings the pages touches its own stack.
    expect(faults.count).toBeGreaterThanOrEqual(PAGES);
    expect(faults.count).toBeLessThan(PAGES + 10);
    const median = faults.quantile(0.5)?.value ?? 0;
    expect(median).toBeGreaterThan(2_000_000);
    expect(median / Number(truth.p50)).toBeGreaterThan(1 - 0.035);
    expect(median / Number(truth.p50)).toBeLessThan(1 + 0.035);
  });

  it('that end in a signal, or make a call fail, are not taken for later ones', async () => {
    const FAULTS = 500;
    const { buckets, truth } = await measure('signal', FAULTS);
    expect(histogram(buckets, 'ended in a signal: write').count).toBe(FAULTS);
    expectQuantiles(histogram(buckets, 'minor: write'), truth, ENTRY_NS);
  });

  it('are measured by programs that nobody runs before', async () => {
    const programs = new LatencyPrograms({ onlyPids: [process.pid] });
    try {
      expect(programs.runTimes()).toEqual([]);
      await programs.set(['faults']);
      expect(
        programs
          .runTimes()
          .map(({ name }) => name)
          .sort(),
      ).toEqual([
        'latency_fault_kernel',
        'latency_fault_major',
        'latency_fault_minor',
        'latency_fault_signal',
        'latency_fault_user',
      ]);
      await programs.set([]);
      expect(programs.runTimes()).toEqual([]);
    } finally {
      programs.dispose();
    }
  });
});
