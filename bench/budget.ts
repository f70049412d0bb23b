/**
 * What the default budget makes of off-CPU profiling with every latency source, where threads switch most: the server, as
 * users start it, under `perf bench sched pipe` on one CPU that goes on all the while.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '@/e2e/real-server';
import { LATENCY_SOURCES } from '@/profile/latency/sources';
import type { LiveStatus } from '@/profile/status';
import { DEFAULT_THRESHOLD_NS } from '@/server/agent/off-cpu/off-cpu';
import { DEFAULT_BUDGET } from '@/server/web/budget';
import { type Bench, median, type Report } from './bench';
import { LOSSES } from './off-cpu';
import { pipeMicroseconds } from './pipe';
import { Rest } from './rest';

/** Of the pipe when the budget has settled, then without a budget, then alone: one after the other, for the machine's speed drifts. */
const RUNS = 5;
const LONGEST_MS = 240_000;
/** Without another change: longer than the budget waits after one, and takes the mean of. */
const SETTLED_MS = 28_000;

const repeat = async (times: number, run: () => Promise<number>): Promise<number[]> => {
  const values: number[] = [];
  while (values.length < times) values.push(await run());
  return values;
};

/** Off-CPU profiling and every latency source. */
async function measureAll(rest: Rest): Promise<void> {
  await rest.put('/off-cpu', { enabled: true, thresholdNs: DEFAULT_THRESHOLD_NS });
  await rest.put('/latency', { sources: LATENCY_SOURCES, stacks: [] });
}

/** Runs the pipe until the budget has changed nothing for a while. */
async function settle(rest: Rest): Promise<void> {
  const startMs = Date.now();
  let changedMs = startMs;
  for (let changes = 0; Date.now() - startMs < LONGEST_MS; ) {
    await pipeMicroseconds();
    const { budget } = await rest.status();
    if (budget.changes.length > changes) changedMs = Date.now();
    changes = budget.changes.length;
    if (changes > 0 && Date.now() - changedMs > SETTLED_MS) return;
  }
}

const lossesIn = ({ collector }: LiveStatus): Map<string, number> =>
  new Map(LOSSES.map((reason) => [reason, collector?.losses[reason] ?? 0]));

async function measure(report: Report): Promise<void> {
  const server = await startServer({ args: ['--budget', String(DEFAULT_BUDGET.cpuPercent)] });
  try {
    const rest = await Rest.login(server);
    await measureAll(rest);
    await settle(rest);
    const before = await rest.status();
    const settled = await repeat(RUNS, pipeMicroseconds);
    await sleep(1500);
    const after = await rest.status();
    await rest.put('/budget', { ...DEFAULT_BUDGET, cpuPercent: 0 });
    await measureAll(rest);
    await sleep(1500);
    const unbound = await repeat(RUNS, pipeMicroseconds);
    await server.stop();
    const bare = median(await repeat(RUNS, pipeMicroseconds));

    for (const { text } of after.budget.changes) process.stderr.write(`  ${text}\n`);
    report('off-CPU and all sources, no budget', 'us/op', median(unbound), 'alone', bare);
    report('the same, when the budget has settled', 'us/op', median(settled), 'alone', bare);
    report('its slowdown', 'times', median(settled) / bare, 'limit', 1.35);
    report(
      'switched off',
      'sources',
      after.budget.stopped.length,
      'of',
      LATENCY_SOURCES.length + 1,
    );
    const { usedPercent } = after.budget;
    report('used then', '% of CPUs', usedPercent ?? 0, 'budget', DEFAULT_BUDGET.cpuPercent);
    const lost = lossesIn(before);
    for (const [reason, count] of lossesIn(after))
      report(`lost meanwhile: ${reason}`, 'events', count - (lost.get(reason) ?? 0), 'limit', 0);
  } finally {
    await server.stop();
  }
}

export const budget: Bench = {
  name: 'budget',
  what: 'what the default budget makes of context switches at full speed under everything',
  run: measure,
};
