import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { type Chunk, decodeChunk, encodeChunk, profileOf } from '@/profile/chunk';
import { analyseLatency } from '@/profile/latency/analysis';
import type { CollectorStatus } from '@/profile/status';
import { Collector } from '../collector';

const CALLS = 400_000;

it('latencies are in the chunks, second by second, of the processes that the filter lets through', async () => {
  const [watched, other] = [0, 1].map(() => {
    const child = spawn(compileWorkload('latency'), ['getpid', String(CALLS)]);
    return { child, pid: child.pid ?? 0 };
  });
  const chunks: Chunk[] = [];
  const statuses: CollectorStatus[] = [];
  const collector = await Collector.start({
    frequencyHz: 49,
    filter: { kind: 'processes', pids: [watched.pid] },
    onChunk: (chunk) => chunks.push(decodeChunk(encodeChunk(chunk))),
    onStatus: (status) => statuses.push(status),
  });
  try {
    await collector.setLatency(['syscalls']);
    await sleep(200);
    for (const { child } of [watched, other]) {
      child.stdin.write('go\n');
      await once(child.stdout, 'data');
    }
    await sleep(2500);
  } finally {
    await collector.stop();
    for (const { child } of [watched, other]) child.kill();
  }
  const profile = profileOf(chunks);
  const { labels, processes, heatmap } = analyseLatency(profile, {
    source: 'syscalls',
    label: 'getpid',
    windowSeconds: undefined,
    range: undefined,
    baseline: undefined,
    buckets: undefined,
    pids: [],
    containers: [],
  });
  expect(labels.find(({ label }) => label === 'getpid')?.histogram.count).toBe(CALLS);
  expect(processes).toEqual([
    { pid: watched.pid, name: 'latency', count: CALLS, sum: expect.any(Number) },
  ]);
  expect(heatmap.counts.reduce((sum, count) => sum + count, 0)).toBe(CALLS);
  expect(profile.losses.get('latency-table-full') ?? 0).toBe(0);
  expect(statuses.at(-1)?.latency).toEqual({
    sources: ['syscalls'],
    stacks: [],
    oneIn: 1,
    problems: {},
  });
  expect(
    statuses.some(({ bpfPrograms }) => (bpfPrograms.latency_syscall_exit?.runs ?? 0) > 0),
  ).toBe(true);
});

it('what is read late is in an interval that is as long as it took', async () => {
  const chunks: Chunk[] = [];
  const collector = await Collector.start({
    frequencyHz: 49,
    filter: { kind: 'all' },
    onChunk: (chunk) => chunks.push(decodeChunk(encodeChunk(chunk))),
    onStatus: () => {},
  });
  const ticking = spawn('sh', ['-c', 'while :; do sleep 0.05; done'], { stdio: 'ignore' });
  try {
    await collector.setLatency(['syscalls']);
    await sleep(1500);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000); // nothing is read meanwhile
    await sleep(1500);
  } finally {
    await collector.stop();
    ticking.kill();
  }
  const { heatmap } = analyseLatency(profileOf(chunks), {
    source: 'syscalls',
    label: 'clock_nanosleep',
    windowSeconds: undefined,
    range: undefined,
    baseline: undefined,
    buckets: undefined,
    pids: [],
    containers: [],
  });
  const { startNs, endNs, counts, buckets } = heatmap;
  expect([...startNs.subarray(1)]).toEqual([...endNs.subarray(0, -1)]);
  const lengths = [...startNs].map((start, column) => (endNs[column] - start) / 1e9);
  const late = lengths.indexOf(Math.max(...lengths));
  expect(lengths[late]).toBeGreaterThan(3);
  const events = counts
    .subarray(late * buckets, (late + 1) * buckets)
    .reduce((sum, count) => sum + count, 0);
  // The loop's own sleeps at least, of 50 ms and what it takes to start one.
  expect(events / lengths[late]).toBeGreaterThan(8);
});

it('thinned latencies are marked, estimate what there was, and say how well', async () => {
  const child = spawn(compileWorkload('latency'), ['getpid', String(CALLS)]);
  const chunks: Chunk[] = [];
  const statuses: CollectorStatus[] = [];
  const collector = await Collector.start({
    frequencyHz: 49,
    filter: { kind: 'processes', pids: [child.pid ?? 0] },
    onChunk: (chunk) => chunks.push(decodeChunk(encodeChunk(chunk))),
    onStatus: (status) => statuses.push(status),
  });
  try {
    await collector.setLatencyThinning(8);
    await collector.setLatency(['syscalls']);
    await sleep(500);
    child.stdin.write('go\n');
    await once(child.stdout, 'data');
    await sleep(1500);
  } finally {
    await collector.stop();
    child.kill();
  }
  const profile = profileOf(chunks);
  const { labels, oneIn } = analyseLatency(profile, {
    source: 'syscalls',
    label: 'getpid',
    windowSeconds: undefined,
    range: undefined,
    baseline: undefined,
    buckets: undefined,
    pids: [],
    containers: [],
  });
  expect(oneIn).toBe(8);
  expect(profile.rates.map(({ latencyOneIn }) => latencyOneIn)).toContain(8);
  // The last one may be of the end, when nothing is measured any more.
  expect(statuses.map(({ latency }) => latency.oneIn)).toContain(8);
  const row = labels.find(({ label }) => label === 'getpid');
  const { countError = 0, histogram } = row ?? {};
  expect(countError).toBeCloseTo(Math.sqrt(7 / CALLS), 4);
  // Four standard errors.
  expect(Math.abs((histogram?.count ?? 0) / CALLS - 1)).toBeLessThan(4 * countError);
});
