import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { expectCalls } from '@/bench/workloads/measure-for-tests';
import { analyseLatency } from '@/profile/latency/analysis';
import { collectWhile, systemCall } from './collect-for-tests';

const CALLS = 400_000;

it('latencies are in the chunks, second by second, of the processes that the filter lets through', async () => {
  const [watched, other] = [0, 1].map(() => {
    const child = spawn(compileWorkload('latency'), ['getpid', String(CALLS)]);
    return { child, pid: child.pid ?? 0 };
  });
  const { profile, statuses } = await collectWhile(
    { kind: 'processes', pids: [watched.pid] },
    async (collector) => {
      await collector.setLatency(['syscalls']);
      await sleep(200);
      for (const { child } of [watched, other]) {
        child.stdin.write('go\n');
        await once(child.stdout, 'data');
      }
      await sleep(2500);
    },
  ).finally(() => {
    for (const { child } of [watched, other]) child.kill();
  });
  const { labels, processes, heatmap } = analyseLatency(profile, systemCall('getpid'));
  const count = labels.find(({ label }) => label === 'getpid')?.histogram.count ?? 0;
  expectCalls(count, CALLS);
  expect(processes).toEqual([
    { pid: watched.pid, name: 'latency', count, sum: expect.any(Number) },
  ]);
  expect(heatmap.counts.reduce((sum, inColumn) => sum + inColumn, 0)).toBe(count);
  // The first chunk may have been cut before the programs were attached.
  const sources = profile.rates.map(({ latencySources }) => latencySources);
  expect(sources[0].length === 0 ? sources.slice(1) : sources).toEqual([['syscalls']]);
  expect(profile.losses.get('latency-table-full') ?? 0).toBe(0);
  // One may be from the end, when nothing is measured any more.
  expect(statuses.map(({ latency }) => latency)).toContainEqual({
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
  const ticking = spawn('sh', ['-c', 'while :; do sleep 0.05; done'], { stdio: 'ignore' });
  const { profile } = await collectWhile({ kind: 'all' }, async (collector) => {
    await collector.setLatency(['syscalls']);
    await sleep(1500);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000); // nothing is read meanwhile
    await sleep(1500);
  }).finally(() => ticking.kill());
  const { heatmap } = analyseLatency(profile, systemCall('clock_nanosleep'));
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
  const { profile, statuses } = await collectWhile(
    { kind: 'processes', pids: [child.pid ?? 0] },
    async (collector) => {
      await collector.setLatencyThinning(8);
      await collector.setLatency(['syscalls']);
      await sleep(500);
      child.stdin.write('go\n');
      await once(child.stdout, 'data');
      await sleep(1500);
    },
  ).finally(() => child.kill());
  const { labels, oneIn } = analyseLatency(profile, systemCall('getpid'));
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
