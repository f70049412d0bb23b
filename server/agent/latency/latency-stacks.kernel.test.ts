import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { stackNames } from '@/bench/workloads/run';
import { DEFAULT_STACK_THRESHOLD_NS, type LatencySource } from '@/profile/latency/sources';
import type { Profile } from '@/profile/profile';
import { ROOT } from '@/server/root';
import { collectWhile } from './collect-for-tests';

interface Sample {
  readonly source: string;
  readonly label: string;
  readonly tid: number;
  readonly durationNs: number;
  readonly weight: number;
  /** Functions, from the root. */
  readonly stack: readonly string[];
}

interface Measured {
  readonly pid: number;
  readonly truth: Readonly<Record<string, number>>;
  readonly profile: Profile;
  readonly samples: readonly Sample[];
}

/**
 * Runs a workload while `sources` are measured of it alone, with stacks of their events: of all from `thresholdNs` on, where
 * off-CPU profiling is to be on with it, too.
 */
async function measure(
  sources: readonly LatencySource[],
  args: readonly (string | number)[],
  thresholdNs?: number,
  workload = 'latency',
  oneIn = 1,
): Promise<Measured> {
  const child = spawn(compileWorkload(workload), args.map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pid = child.pid ?? 0;
  let truth: Record<string, number> = {};
  const { profile } = await collectWhile(
    { kind: 'processes', pids: [pid] },
    async (collector, statuses) => {
      await collector.settled(10_000);
      if (thresholdNs !== undefined) await collector.setOffCpu({ thresholdNs });
      await collector.setLatency(sources, sources);
      await collector.setLatencyThinning(oneIn);
      const line = once(createInterface({ input: child.stdout }), 'line');
      child.stdin.write('go\n');
      truth = JSON.parse((await line)[0]);
      await sleep(1500);
      // One may be from the end, when nothing is measured any more.
      expect(statuses.map(({ latency }) => latency)).toContainEqual({
        sources: thresholdNs === undefined ? sources : ['waits', ...sources],
        stacks: sources,
        oneIn,
        problems: {},
      });
    },
  ).finally(() => child.kill());
  expect(profile.losses.get('latency-sample-ring-full') ?? 0).toBe(0);
  return { pid, truth, profile, samples: samplesOf(profile) };
}

function samplesOf(profile: Profile): Sample[] {
  const { columns, length } = profile.latencySamples;
  return Array.from({ length }, (_, row) => ({
    source: profile.string(columns.source[row]),
    label: profile.string(columns.label[row]),
    tid: profile.threads.columns.tid[columns.thread[row]],
    durationNs: columns.durationNs[row],
    weight: columns.weight[row],
    stack: stackNames(profile, columns.stack[row]),
  }));
}

const through = (samples: readonly Sample[], name: string, label: string): Sample[] =>
  samples.filter((sample) => sample.label === label && sample.stack.includes(name));

interface Counted {
  readonly ns: number;
  /** Of the weight of samples of these events, at most. */
  readonly variance: number;
}

/** Stacks that are taken at the start are taken of one event in so many at least. */
const EARLY_MOST = 64;

/**
 * All events of a label, as they were counted. By the rule by which samples are drawn, one of length d adds d (w - d) to the
 * variance, where w is T; or up to 64 d where its stacks had to be taken at its start.
 */
function countedOf(
  { latencies, strings }: Profile,
  label: string,
  thresholdNs: number,
  isEarly = false,
): Counted {
  const { columns, length } = latencies;
  let [ns, variance] = [0, 0];
  for (let row = 0; row < length; row++) {
    if (strings[columns.label[row]] !== label) continue;
    const meanNs = columns.sum[row] / columns.count[row];
    ns += columns.sum[row];
    variance += columns.sum[row] * Math.max(thresholdNs, isEarly ? EARLY_MOST * meanNs : 0);
  }
  return { ns, variance };
}

/** Expects the weight of samples to be the time of all the events that they were drawn from, within three standard errors. */
function expectWeight(samples: readonly Sample[], { ns, variance }: Counted): void {
  const weight = samples.reduce((sum, sample) => sum + sample.weight, 0);
  expect(ns).toBeGreaterThan(0);
  expect(Math.abs(weight - ns)).toBeLessThan(3 * Math.sqrt(variance));
}

describe('stacks of system calls', () => {
  it('weigh as much as the functions that made the calls have waited in them', async () => {
    const { truth, samples, pid } = await measure(['syscalls'], ['sleeps', 1000]);
    for (const name of ['short_sleeps', 'long_sleeps']) {
      const own = through(samples, name, 'clock_nanosleep');
      const ns = truth[name];
      // Long ones are all there: but for the way to the kernel and back, nothing is left to chance.
      const variance = name === 'long_sleeps' ? (0.01 * ns) ** 2 : ns * DEFAULT_STACK_THRESHOLD_NS;
      expectWeight(own, { ns, variance });
      expect(own.every(({ tid, stack }) => tid === pid && stack.includes('main'))).toBe(true);
    }
    const long = through(samples, 'long_sleeps', 'clock_nanosleep');
    expect(long).toHaveLength(50);
    expect(long.every(({ weight, durationNs }) => weight === durationNs)).toBe(true);
    const short = through(samples, 'short_sleeps', 'clock_nanosleep');
    expect(short.length).toBeLessThan(300);
    for (const { weight, durationNs } of short)
      expect(weight).toBe(Math.max(durationNs, DEFAULT_STACK_THRESHOLD_NS));
  });

  it('weigh the same where one call in 4 is timed', async () => {
    const ONE_IN = 4;
    const { truth, samples, profile } = await measure(
      ['syscalls'],
      ['sleeps', 1000],
      undefined,
      'latency',
      ONE_IN,
    );
    // A call of length d has a stack with probability min(1, d/T) / N: that adds d (N max(d, T) - d) to the variance.
    for (const [name, longest] of [
      ['short_sleeps', DEFAULT_STACK_THRESHOLD_NS],
      ['long_sleeps', 25e6],
    ] as const) {
      const ns = truth[name];
      expectWeight(through(samples, name, 'clock_nanosleep'), {
        ns,
        variance: ns * ONE_IN * longest,
      });
    }
    for (const { weight, durationNs } of through(samples, 'long_sleeps', 'clock_nanosleep'))
      expect(weight).toBe(ONE_IN * durationNs);
    expect(profile.rates.map(({ latencyOneIn }) => latencyOneIn)).toContain(ONE_IN);
  });
});

describe('stacks of futex waits', () => {
  it('lead to who waited', async () => {
    const { samples, profile } = await measure(['futex'], ['futex', 300, 2_000_000]);
    expect(new Set(samples.map(({ source }) => source))).toEqual(new Set(['futex']));
    const label = 'wait: timed out';
    const own = through(samples, 'futexes', label);
    expectWeight(own, countedOf(profile, label, DEFAULT_STACK_THRESHOLD_NS));
  });
});

describe('stacks of page faults', () => {
  it('lead to who touched the memory', async () => {
    const { samples, profile } = await measure(
      ['faults'],
      ['delayed', 300, 2_000_000],
      undefined,
      'faults',
    );
    expect(new Set(samples.map(({ source }) => source))).toEqual(new Set(['faults']));
    const own = through(samples, 'touch', 'minor: write');
    const counted = countedOf(profile, 'minor: write', DEFAULT_STACK_THRESHOLD_NS);
    expect(counted.ns).toBeGreaterThan(300 * 2_000_000);
    expectWeight(own, counted);
    expect(own.every(({ stack }) => stack.includes('delayed') && stack.includes('main'))).toBe(
      true,
    );
  });
});

/** A device answers within less than a millisecond, and a loopback connection sooner. */
const SHORT_THRESHOLD_NS = 1e6;

describe('stacks of files and the devices below them', () => {
  it('tell who synced from who read, and ask for the device in the same functions', async () => {
    const directory = mkdtempSync(join(ROOT, 'dist', '.latency-'));
    try {
      // Made before, so that the program asks for no block of the file system's own to make it.
      const file = join(directory, 'file');
      writeFileSync(file, '');
      const { samples, profile } = await measure(
        ['block', 'fs'],
        ['file', 300, file],
        SHORT_THRESHOLD_NS,
      );
      const files = samples.filter(({ source }) => source === 'fs');
      const syncLabel = files.find(({ label }) => label.endsWith(' fsync'))?.label ?? '';
      const readLabel = syncLabel.replace('fsync', 'read');
      for (const [name, label] of [
        ['write_synced', syncLabel],
        ['read_back', readLabel],
      ]) {
        expectWeight(through(files, name, label), countedOf(profile, label, SHORT_THRESHOLD_NS));
      }
      const requests = samples.filter(({ source }) => source === 'block');
      expect(requests.length).toBeGreaterThan(0);
      const inDevice = [...new Set(requests.map(({ label }) => label))].filter((label) =>
        /(read|write), in the device$/.test(label),
      );
      expect(inDevice.length).toBeGreaterThan(0);
      for (const label of inDevice) {
        const own = requests.filter((sample) => sample.label === label);
        expectWeight(own, countedOf(profile, label, SHORT_THRESHOLD_NS, true));
        // The kernel's part says how the request came about.
        for (const { stack } of own)
          expect(
            stack.some((name) => /submit_bio|blk_/.test(name)),
            `${label}: ${stack}`,
          ).toBe(true);
      }
      // Reading the file system's own blocks, too, is asked for by one of the two.
      const reads = requests.filter(({ label }) => label.endsWith(' read, in the device'));
      for (const { stack } of reads)
        expect(stack.includes('read_back') || stack.includes('write_synced'), stack.join(';')).toBe(
          true,
        );
      expect(reads.some(({ stack }) => stack.includes('read_back'))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('stacks of TCP connections', () => {
  it('lead to who connected', async () => {
    const { samples, profile } = await measure(['tcp'], ['tcp', 3000], SHORT_THRESHOLD_NS);
    const connects = samples.filter(({ label }) => label === 'connect to 127.0.0.1');
    expect(connects).toHaveLength(samples.length);
    expectWeight(connects, countedOf(profile, 'connect to 127.0.0.1', SHORT_THRESHOLD_NS, true));
    for (const { stack } of connects) {
      expect(stack).toContain('connections');
      expect(stack).toContain('tcp_v4_connect');
    }
  });
});
