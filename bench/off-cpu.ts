/** What off-CPU profiling costs where threads switch most: `perf bench sched pipe` on one CPU, beside offcputime. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { LATENCY_SOURCES, type LatencySource } from '@/profile/latency/sources';
import { Collector } from '@/server/agent/collector';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { DEFAULT_THRESHOLD_NS } from '@/server/agent/off-cpu/off-cpu';
import { type Bench, estimate, median, type Report } from './bench';
import { pipeMicroseconds, undisturbedMicroseconds } from './pipe';

const ROUNDS = 12;
/** The peer's turn comes in one round of so many. */
const PEER_ROUNDS = 3;
const BATCHES = 200;
/** The run time of new programs has been measured, which makes them slower; as later, a quarter of a second in ten. */
const SETTLE_MS = 3500;
/** Each library has to be read once. */
const START_MS = 15_000;
/** While it is another's turn. */
const OFF_HZ = 1;
/** Of how many latency events one is timed, after all steps of the budget. */
const MOST_ONE_IN = 16;
const OFF_CPU_LIMIT = 1.15;
const ALL_LIMIT = 1.35;
/** libbpf-tools has it under this name on Debian, and under its own elsewhere. */
const PEERS = ['/usr/sbin/offcputime', '/usr/sbin/offcputime-libbpf', '/usr/bin/offcputime'];

/** Wakeups are missed where a machine hides some threads from BPF, as the virtual machine of docs/benchmarks.md does. */
export const LOSSES = ['wait-ring-full', 'wait-stack-failed', 'stack-ring-full', 'wakeup-missed'];

interface Taken {
  readonly us: number;
  readonly undisturbedUs: number;
}

const measure = async (): Promise<Taken> => ({
  us: await pipeMicroseconds(),
  undisturbedUs: await undisturbedMicroseconds(BATCHES),
});

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

async function underPeer(path: string): Promise<Taken> {
  const peer = endsWithUs(spawn(path, ['600'], { stdio: 'ignore' }));
  await sleep(SETTLE_MS);
  const taken = await measure();
  peer.kill('SIGINT');
  await once(peer, 'exit');
  return taken;
}

/** Each turn is compared with one under nothing just before it: machines are slower for a while, and faster again. */
interface Turn {
  readonly nothing: Taken;
  readonly under: Taken;
}

async function compare(report: Report): Promise<void> {
  const peer = findPeer();
  const hearth = await Hearth.start();
  const ways: Readonly<Record<keyof typeof WAYS | 'peer', () => Promise<Taken>>> = {
    offCpu: () => hearth.look(WAYS.offCpu, measure),
    withLatencies: () => hearth.look(WAYS.withLatencies, measure),
    withThinned: () => hearth.look(WAYS.withThinned, measure),
    peer: () => underPeer(peer),
  };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const turns = Object.fromEntries(names.map((name) => [name, [] as Turn[]])) as Record<
    keyof typeof ways,
    Turn[]
  >;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      if (name === 'peer' && round % PEER_ROUNDS !== 0) continue;
      const nothing = await measure();
      turns[name].push({ nothing, under: await ways[name]() });
    }
  }
  await hearth.stop();
  const middle = (name: keyof typeof ways, of: (turn: Turn) => number): number =>
    median(turns[name].map(of));
  const under = middle('offCpu', (turn) => turn.under.us);
  const alone = middle('offCpu', (turn) => turn.nothing.us);
  report('perf bench sched pipe, off-CPU, T = 10 ms', 'us/op', under, 'alone', alone);
  const underPeerUs = middle('peer', (turn) => turn.under.us);
  report('the same', 'us/op', under, 'offcputime', underPeerUs);
  for (const [what, name, limit] of [
    ['its slowdown', 'offCpu', OFF_CPU_LIMIT],
    ['slowdown with every latency source too', 'withLatencies', ALL_LIMIT],
    [`the same, one in ${MOST_ONE_IN} of all timed`, 'withThinned', ALL_LIMIT],
  ] as const) {
    for (const [kind, key] of [
      ['', 'us'],
      [', undisturbed', 'undisturbedUs'],
    ] as const) {
      const ratios = turns[name].map((turn) => turn.under[key] / turn.nothing[key]);
      const { value, error } = estimate(ratios);
      report(`${what}${kind} (+- ${error.toFixed(2)})`, 'times', value, 'limit', limit);
    }
  }
  for (const [reason, count] of hearth.losses)
    report(`lost at full speed: ${reason}`, 'events', count, 'limit', 0);
}

export const offCpu: Bench = {
  name: 'off-cpu',
  what: 'context switches at full speed under off-CPU profiling, beside offcputime',
  run: compare,
};
