/** What off-CPU profiling costs where threads switch most: `perf bench sched pipe` on one CPU, beside offcputime. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LATENCY_SOURCES, type LatencySource } from '@/profile/latency/sources';
import { Collector } from '@/server/agent/collector';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { DEFAULT_THRESHOLD_NS } from '@/server/agent/off-cpu/off-cpu';
import { type Bench, estimate, median, type Report } from './bench';

const execute = promisify(execFile);

const ROUNDS = 7;
/** As many as it does by itself. */
const LOOPS = 1_000_000;
/** The run time of new programs has been measured, which makes them slower; as later, a quarter of a second in ten. */
const SETTLE_MS = 3500;
/** Each library has to be read once. */
const START_MS = 15_000;
/** While it is another's turn. */
const OFF_HZ = 1;
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

interface Looking {
  readonly sources: readonly LatencySource[];
  /** Of how many latency events one is timed. */
  readonly oneIn: number;
}

/** Under off-CPU profiling, with these latencies measured, too. */
const WAYS: Readonly<Record<'offCpu' | 'withLatencies' | 'withThinned', Looking>> = {
  offCpu: { sources: [], oneIn: 1 },
  withLatencies: { sources: LATENCY_SOURCES, oneIn: 1 },
  withThinned: { sources: LATENCY_SOURCES, oneIn: MOST_ONE_IN },
};

/** One collector for all rounds: what its start costs is none of this. */
class Hearth {
  /** By reason, while it looks. */
  readonly losses = new Map(LOSSES.map((reason) => [reason, 0]));
  readonly #collector: Collector;

  private constructor(collector: Collector) {
    this.#collector = collector;
  }

  static async start(): Promise<Hearth> {
    const collector = await Collector.start({
      frequencyHz: OFF_HZ,
      filter: { kind: 'all' },
      onChunk: ({ losses }) => {
        for (const { reason, count } of losses)
          if (LOSSES.includes(reason))
            hearth.losses.set(reason, (hearth.losses.get(reason) ?? 0) + count);
      },
      onStatus: () => {},
    });
    const hearth = new Hearth(collector);
    await sleep(START_MS);
    return hearth;
  }

  /** Looks while `work` runs, once it has settled. */
  async look<T>({ sources, oneIn }: Looking, work: () => Promise<T>): Promise<T> {
    this.#collector.setFrequency(99);
    await this.#collector.setOffCpu({ thresholdNs: DEFAULT_THRESHOLD_NS });
    await this.#collector.setLatency(sources);
    await this.#collector.setLatencyThinning(oneIn);
    await sleep(SETTLE_MS);
    const result = await work();
    await this.#collector.setLatency([]);
    await this.#collector.setOffCpu(undefined);
    this.#collector.setFrequency(OFF_HZ);
    return result;
  }

  async stop(): Promise<void> {
    await this.#collector.stop();
  }
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
  const hearth = await Hearth.start();
  const turns: Readonly<Record<keyof typeof WAYS | 'nothing' | 'peer', () => Promise<number>>> = {
    nothing: pipeMicroseconds,
    offCpu: () => hearth.look(WAYS.offCpu, pipeMicroseconds),
    withLatencies: () => hearth.look(WAYS.withLatencies, pipeMicroseconds),
    withThinned: () => hearth.look(WAYS.withThinned, pipeMicroseconds),
    peer: () => underPeer(peer),
  };
  const names = Object.keys(turns) as (keyof typeof turns)[];
  const us = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    keyof typeof turns,
    number[]
  >;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse())
      us[name].push(await turns[name]());
  }
  await hearth.stop();
  /** Against the same round under nothing. */
  const slowdown = (name: keyof typeof turns): ReturnType<typeof estimate> =>
    estimate(us[name].map((taken, round) => taken / us.nothing[round]));
  const under = median(us.offCpu);
  report('perf bench sched pipe, off-CPU, T = 10 ms', 'us/op', under, 'alone', median(us.nothing));
  report('the same', 'us/op', under, 'offcputime', median(us.peer));
  for (const [what, name, limit] of [
    ['its slowdown', 'offCpu', 1.15],
    ['slowdown with every latency source too', 'withLatencies', 1.35],
    [`the same, one in ${MOST_ONE_IN} of all timed`, 'withThinned', 1.35],
  ] as const) {
    const { value, error } = slowdown(name);
    report(`${what} (+- ${error.toFixed(2)})`, 'times', value, 'limit', limit);
  }
  for (const [reason, count] of hearth.losses)
    report(`lost at full speed: ${reason}`, 'events', count, 'limit', 0);
}

export const offCpu: Bench = {
  name: 'off-cpu',
  what: 'context switches at full speed under off-CPU profiling, beside offcputime',
  run: compare,
};
