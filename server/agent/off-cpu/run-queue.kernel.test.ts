import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { histogram, type Measured, measureWorkload } from '@/bench/workloads/measure-for-tests';
import { CpuSampler } from '../cpu-sampler';
import { type LatencyBucket, LatencyPrograms } from '../latency/latency-programs';
import { OffCpuPrograms } from './off-cpu-programs';

const WAITS = 'waiting for a CPU';
const THRESHOLD_NS = 10e6;
/** It waits before it is told to begin, too; and one event of each CPU may be at the moment of a change. */
const EDGE = 10;
/** Of wakeups and switches, on a machine that hides some of its threads from BPF. */
const UNSEEN = 0.03;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const action of undo.splice(0).reverse()) action();
});

async function loadSampler(pids: readonly number[]): Promise<CpuSampler> {
  const sampler = await CpuSampler.load(99, { kind: 'processes', pids: [...pids] });
  undo.push(() => sampler.dispose());
  return sampler;
}

/** Off-CPU profiling, by which `programs` have the run queue counted. */
async function begin(sampler: CpuSampler, programs: LatencyPrograms): Promise<OffCpuPrograms> {
  const offCpu = await OffCpuPrograms.load(sampler.sharedMaps(), THRESHOLD_NS);
  offCpu.attach();
  await programs.countWaitsBy(offCpu.waitCounter);
  return offCpu;
}

async function end(offCpu: OffCpuPrograms, programs: LatencyPrograms): Promise<void> {
  await programs.countWaitsBy(undefined);
  offCpu.dispose();
}

/** Off-CPU profiling goes on and off until the signal comes; resolves to how often it did. */
async function toAndFro(
  sampler: CpuSampler,
  programs: LatencyPrograms,
  done: AbortSignal,
): Promise<number> {
  let turns = 0;
  for (; !done.aborted; turns++) {
    const offCpu = await begin(sampler, programs);
    await sleep(50);
    await end(offCpu, programs);
    await sleep(50);
  }
  return turns;
}

const measureSleeps = (
  sleeps: number,
  options: Parameters<typeof measureWorkload>[3],
): Promise<Measured> =>
  measureWorkload('latency', ['runqueue', 'waits'], ['sleep', sleeps, 100_000], options);

const alwaysOn = async (programs: LatencyPrograms, pid: number): Promise<void> => {
  const offCpu = await begin(await loadSampler([pid]), programs);
  undo.push(() => offCpu.dispose());
};

/** Its own count of its sleeps; those that the machine hides are missing, and it waits before it begins, too. */
function expectAllSleeps({ buckets }: Measured, sleeps: number): void {
  const { count } = histogram(buckets, 'sleep');
  expect(count).toBeLessThanOrEqual(sleeps);
  expect(count).toBeGreaterThan(sleeps * (1 - UNSEEN) - EDGE);
}

const own = ({ buckets, pid }: Measured): boolean => buckets.every((row) => row.pid === pid);

describe('the run queue, and waits, while off-CPU profiling is on', () => {
  it('is counted by its programs, as often as the scheduler says', async () => {
    const names: string[] = [];
    const measured = await measureSleeps(6000, {
      prepare: alwaysOn,
      during: async (programs) => {
        names.push(...programs.runTimes().map(({ name }) => name));
      },
    });
    expect(names).toEqual([]);
    expect(own(measured)).toBe(true);
    const { count } = histogram(measured.buckets, WAITS);
    expect(count).toBeLessThan(measured.arrivals + EDGE);
    expect(count).toBeGreaterThan(measured.arrivals * (1 - UNSEEN) - EDGE);
    expectAllSleeps(measured, 6000);
  });

  it('may be thinned', async () => {
    const { buckets, arrivals } = await measureSleeps(6000, { prepare: alwaysOn, oneIn: 8 });
    const { count } = histogram(buckets, WAITS);
    const error = 4 * Math.sqrt(arrivals * 7);
    expect(Math.abs(count - arrivals)).toBeLessThan(error + arrivals * UNSEEN + EDGE);
    expect(count % 8).toBe(0);
    const sleeps = histogram(buckets, 'sleep');
    expect(Math.abs(sleeps.count - 6000)).toBeLessThan(4 * Math.sqrt(6000 * 7) + 6000 * UNSEEN);
    expect(sleeps.count % 8).toBe(0);
  });

  it('is counted neither twice nor not at all as off-CPU profiling goes on and off', async () => {
    const SLEEPS = 60_000;
    let sampler: CpuSampler | undefined;
    let turns = 0;
    const measured = await measureSleeps(SLEEPS, {
      prepare: async (_, pid) => {
        sampler = await loadSampler([pid]);
      },
      during: async (programs, done) => {
        if (sampler !== undefined) turns = await toAndFro(sampler, programs, done);
      },
    });
    expect(turns).toBeGreaterThan(3);
    expect(own(measured)).toBe(true);
    const { count } = histogram(measured.buckets, WAITS);
    expect(count).toBeLessThan(measured.arrivals + EDGE);
    expect(count).toBeGreaterThan(measured.arrivals * (1 - UNSEEN) - EDGE);
    expectAllSleeps(measured, SLEEPS);
  });

  it('adds up to what the scheduler says of two busy loops, as off-CPU profiling goes on and off', async () => {
    const loops = [0, 1].map(() => {
      const child = spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'], {
        stdio: 'ignore',
      });
      undo.push(() => child.kill('SIGKILL'));
      return child.pid ?? 0;
    });
    await sleep(300);
    const sampler = await loadSampler(loops);
    const programs = new LatencyPrograms({ maps: sampler.sharedMaps() });
    undo.push(() => programs.dispose());
    const schedstat = (pid: number): { waitedNs: number; arrivals: number } => {
      const [, waitedNs, arrivals] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
      return { waitedNs: Number(waitedNs), arrivals: Number(arrivals) };
    };
    await programs.set(['runqueue']);
    const before = loops.map(schedstat);
    const done = new AbortController();
    const switching = toAndFro(sampler, programs, done.signal);
    const buckets: LatencyBucket[] = [];
    for (let taken = 0; taken < 20; taken++) {
      await sleep(400);
      buckets.push(...(await programs.take()));
    }
    done.abort();
    expect(await switching).toBeGreaterThan(3);
    const after = loops.map(schedstat);
    await programs.set([]);
    buckets.push(...(await programs.take()));
    const afterTaking = loops.map(schedstat);
    loops.forEach((pid, i) => {
      const waits = histogram(
        buckets.filter((row) => row.pid === pid),
        WAITS,
      );
      const longest = waits.quantile(1)?.high ?? 0;
      const arrivals = after[i].arrivals - before[i].arrivals;
      expect(waits.count).toBeGreaterThanOrEqual(arrivals * (1 - UNSEEN) - EDGE);
      expect(waits.count).toBeLessThanOrEqual(afterTaking[i].arrivals - before[i].arrivals + EDGE);
      // A wait that was under way at either end is in one of the two only; those that were not seen are not longer than others.
      const missing = 3 + Math.max(0, arrivals - waits.count);
      expect(waits.sum).toBeGreaterThan(after[i].waitedNs - before[i].waitedNs - missing * longest);
      expect(waits.sum).toBeLessThan(afterTaking[i].waitedNs - before[i].waitedNs + 3 * longest);
    });
  });

  it('is counted only while somebody wants it', async () => {
    const measured = await measureSleeps(20_000, {
      prepare: alwaysOn,
      during: async (programs) => {
        await sleep(200);
        await programs.set([]);
        await sleep(1000);
        await programs.set(['runqueue']);
      },
    });
    // Of some seconds, one is not in it.
    const { count } = histogram(measured.buckets, WAITS);
    expect(count).toBeGreaterThan(0.3 * measured.arrivals);
    expect(count).toBeLessThan(0.9 * measured.arrivals);
  });
});
