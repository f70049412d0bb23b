/** What measuring latencies costs a program that does nothing but switch and call the kernel. */
import { execFileSync } from 'node:child_process';
import { compileWorkload } from '@/bench/workloads/compile';
import { LATENCY_SOURCES, type LatencySource, STACK_SOURCES } from '@/profile/latency/sources';
import { CpuSampler } from '@/server/agent/cpu-sampler';
import { LatencyPrograms } from '@/server/agent/latency/latency-programs';
import { enableRunTimeStatistics } from '@/server/agent/libbpf';
import { RecordType } from '@/server/agent/records';
import type { Bench } from './bench';
import { undisturbedMicroseconds } from './pipe';

const ROUNDS = 10;
const BATCHES = 100;
const RATIO_LIMIT = 1.35;
/** Of how many events one is timed, after two steps of the budget, and after all of them. */
const THINNED = [4, 16] as const;
const EVERY = 'every source';
const thinnedName = (oneIn: number): string => `every source, one in ${oneIn} of all timed`;

interface Way {
  readonly name: string;
  readonly sources: readonly LatencySource[];
  readonly oneIn?: number;
  readonly statistics?: boolean;
  readonly stacks?: readonly LatencySource[];
}

/** Median nanoseconds for the first write to a page of fresh memory. */
function faultNs(): number {
  const output = execFileSync(
    'taskset',
    ['-c', '1', compileWorkload('faults'), 'minor', '20000', '5'],
    { encoding: 'utf8', input: 'go\n\n' },
  );
  return (JSON.parse(output) as { p50: number }).p50;
}

export const latencySources: Bench = {
  name: 'latency-sources',
  what: 'what perf bench sched pipe does on one CPU while latencies are measured, beside nothing at all',
  async run(report) {
    // For its maps: no CPU is sampled.
    const sampler = await CpuSampler.load(99, { kind: 'all' });
    const programs = new LatencyPrograms({ maps: sampler.sharedMaps() });
    const ways: readonly Way[] = [
      { name: 'nothing', sources: [] },
      ...LATENCY_SOURCES.map((source) => ({ name: source, sources: [source] })),
      { name: EVERY, sources: LATENCY_SOURCES },
      {
        name: 'every source, with run-time statistics',
        sources: LATENCY_SOURCES,
        statistics: true,
      },
      { name: 'every source, with stacks', sources: LATENCY_SOURCES, stacks: STACK_SOURCES },
      ...THINNED.map((oneIn) => ({ name: thinnedName(oneIn), sources: LATENCY_SOURCES, oneIn })),
    ];
    // The least of several rounds: what else runs on the machine only ever makes it longer.
    const least = new Map<string, number>();
    let [events, stacks] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      for (const { name, sources, oneIn = 1, statistics, stacks: withStacks } of ways) {
        await programs.set(sources, withStacks);
        await programs.setThinning(oneIn);
        const stop = statistics === true ? enableRunTimeStatistics() : undefined;
        least.set(
          name,
          Math.min(
            least.get(name) ?? Number.POSITIVE_INFINITY,
            await undisturbedMicroseconds(BATCHES),
          ),
        );
        stop?.();
        for (const { count } of await programs.take()) events += count;
        sampler.ring.drain(sampler.ring.position(), (at) => {
          if (sampler.ring.view.getUint32(at, true) === RecordType.Latency) stacks++;
        });
      }
    }
    const leastFault = { bare: Number.POSITIVE_INFINITY, measured: Number.POSITIVE_INFINITY };
    for (let round = 0; round < ROUNDS; round++) {
      await programs.set([]);
      leastFault.bare = Math.min(leastFault.bare, faultNs());
      await programs.set(['faults']);
      leastFault.measured = Math.min(leastFault.measured, faultNs());
      for (const { count } of await programs.take()) events += count;
    }
    await programs.set([]);
    const bareUs = least.get('nothing') ?? 0;
    for (const [name, us] of least) {
      if (name !== 'nothing') report(`pipe, ${name}`, 'us/operation', us, 'nothing', bareUs);
    }
    for (const name of [EVERY, ...THINNED.map(thinnedName)])
      report(name, 'times as long', (least.get(name) ?? 0) / bareUs, 'limit', RATIO_LIMIT);
    report('page fault, faults', 'ns/fault', leastFault.measured, 'nothing', leastFault.bare);
    report(
      `events lost of ${events}`,
      'events',
      programs.losses.uncounted + programs.losses.unseen,
      'all',
      events,
    );
    report(
      `events with stacks lost of ${stacks}`,
      'events',
      sampler.counters()['latency-sample-ring-full'],
      'all',
      stacks,
    );
    programs.dispose();
    sampler.dispose();
  },
};
