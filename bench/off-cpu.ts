/** What off-CPU profiling costs where threads switch most: `perf bench sched pipe` on one CPU, beside offcputime. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LATENCY_SOURCES, type LatencySource } from '@/profile/latency/sources';
import { Collector } from '@/server/agent/collector';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { DEFAULT_THRESHOLD_NS } from '@/server/agent/off-cpu/off-cpu';
import { type Bench, median, type Report } from './bench';

const execute = promisify(execFile);

const ROUNDS = 5;
const LOOPS = 300_000;
const SETTLE_MS = 3000;
/** Of how many latency events one is timed, after all steps of the budget. */
const MOST_ONE_IN = 16;
/** libbpf-tools has it under this name on Debian, and under its own elsewhere. */
const PEERS = ['/usr/sbin/offcputime', '/usr/sbin/offcputime-libbpf', '/usr/bin/offcputime'];

/** Wakeups are missed where a machine hides some threads from BPF, as the virtual machine of docs/benchmarks.md does. */
export const LOSSES = ['wait-ring-full', 'wait-stack-failed', 'stack-ring-full', 'wakeup-missed'];

/** Microseconds for each operation, which is two switches. */
export async function pipeMicroseconds(): Promise<number> {
  const args = ['-c', '0', 'perf', 'bench', 'sched', 'pipe', '-l', String(LOOPS)];
  const { stdout } = await execute('taskset', args);
  const match = /([\d.]+)\s+usecs\/op/.exec(stdout);
  if (match === null) throw new Error(`perf bench did not say how long it took:\n${stdout}`);
  return Number(match[1]);
}

function findPeer(): string {
  for (const path of PEERS) {
    try {
      execFileSync(path, ['--help'], { stdio: 'ignore' });
      return path;
    } catch {
      // Not this one.
    }
  }
  throw new Error('offcputime of libbpf-tools is not installed: apt-get install libbpf-tools');
}

interface Run {
  readonly us: number;
  /** By reason. */
  readonly losses: ReadonlyMap<string, number>;
}

async function underHearth(sources: readonly LatencySource[], oneIn = 1): Promise<Run> {
  const lost = new Map<string, number>();
  let isMeasuring = false;
  const collector = await Collector.start({
    frequencyHz: 99,
    filter: { kind: 'all' },
    offCpu: { thresholdNs: DEFAULT_THRESHOLD_NS },
    onChunk: ({ losses }) => {
      for (const { reason, count } of losses)
        if (isMeasuring && LOSSES.includes(reason))
          lost.set(reason, (lost.get(reason) ?? 0) + count);
    },
    onStatus: () => {},
  });
  await collector.setLatency(sources);
  await collector.setLatencyThinning(oneIn);
  await sleep(SETTLE_MS);
  isMeasuring = true;
  const us = await pipeMicroseconds();
  await collector.stop();
  return { us, losses: lost };
}

async function underPeer(path: string): Promise<number> {
  const peer = endsWithUs(spawn(path, ['600'], { stdio: 'ignore' }));
  await sleep(SETTLE_MS);
  const us = await pipeMicroseconds();
  peer.kill('SIGINT');
  await once(peer, 'exit');
  return us;
}

async function compare(report: Report): Promise<void> {
  const peer = findPeer();
  const bare: number[] = [];
  const hearth: number[] = [];
  const withLatencies: number[] = [];
  const withThinned: number[] = [];
  const other: number[] = [];
  const losses = new Map(LOSSES.map((reason) => [reason, 0]));
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await pipeMicroseconds());
    for (const [us, sources, oneIn] of [
      [hearth, [], 1],
      [withLatencies, LATENCY_SOURCES, 1],
      [withThinned, LATENCY_SOURCES, MOST_ONE_IN],
    ] as const) {
      const run = await underHearth(sources, oneIn);
      us.push(run.us);
      for (const [reason, count] of run.losses)
        losses.set(reason, (losses.get(reason) ?? 0) + count);
    }
    other.push(await underPeer(peer));
  }
  const [alone, under] = [median(bare), median(hearth)];
  const underOther = median(other);
  report('perf bench sched pipe, off-CPU, T = 10 ms', 'us/op', under, 'alone', alone);
  report('the same', 'us/op', under, 'offcputime', underOther);
  report('its slowdown', 'times', under / alone, 'limit', 1.15);
  for (const [name, us] of [
    ['slowdown with every latency source too, all timed', withLatencies],
    [`the same, one in ${MOST_ONE_IN} timed`, withThinned],
  ] as const)
    report(name, 'times', median(us) / alone, 'limit', 1.35);
  for (const [reason, count] of losses)
    report(`lost at full speed: ${reason}`, 'events', count, 'limit', 0);
}

export const offCpu: Bench = {
  name: 'off-cpu',
  what: 'context switches at full speed under off-CPU profiling, beside offcputime',
  run: compare,
};
