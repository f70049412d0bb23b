/** The cost of looking: how much a program slows down, and what the profiler itself uses, beside perf in the same run. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from '@playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { type Bench, median, type Report } from './bench';
import { cpuSeconds } from './processes';
import { openRemoteBrowser } from './remote-browser';
import { compileWorkload } from './workloads/compile';

const ROUNDS = 4;
const WORK = ['20', '15000'];
const IDLE_SECONDS = 20;
const PERF_SETTLE_MS = 2000;
/** Each library has to be read once, and a browser that has just started is not idle. */
const SETTLE_MS = 20_000;
const IDLE_SETTLE_MS = 30_000;

interface Looking {
  /** CPU that the profiler's processes have used until now, in seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** Wall time of the fixed work, in seconds. */
function work(): number {
  const output = execFileSync(compileWorkload('fixed-work'), WORK, { encoding: 'utf8' });
  return (JSON.parse(output) as { seconds: number }).seconds;
}

async function lookWithPerf(frequencyHz: number): Promise<Looking> {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-perf-'));
  const args = [
    'record',
    '-F',
    String(frequencyHz),
    '-a',
    '-g',
    '-o',
    join(directory, 'perf.data'),
  ];
  const perf = endsWithUs(spawn('perf', args, { stdio: 'ignore' }));
  await sleep(PERF_SETTLE_MS);
  return {
    cpuSeconds: () => cpuSeconds(perf.pid as number),
    stop: async () => {
      perf.kill('SIGINT');
      await once(perf, 'exit');
      rmSync(directory, { recursive: true });
    },
  };
}

/** A server that records the machine, as perf does, and nobody watches; or one with its live page open. */
async function lookWithHearth(frequencyHz: number, isWatched: boolean): Promise<Looking> {
  const server = await startServer({ args: ['--frequency', String(frequencyHz)] });
  const browser = await chromium.launch(CHROMIUM);
  const page = await browser.newPage();
  await page.goto(server.url);
  if (!isWatched) {
    await page.getByRole('button', { name: /^record/i }).click();
    await page.getByRole('button', { name: /^stop/i }).waitFor();
    await browser.close();
  }
  await sleep(SETTLE_MS);
  const { agent, web } = server.pids();
  if (agent === undefined || web === undefined)
    throw new Error(`Hearth does not run:\n${server.output()}`);
  return {
    cpuSeconds: () => cpuSeconds(agent) + cpuSeconds(web),
    stop: async () => {
      await browser.close();
      await server.stop();
    },
  };
}

const TOOLS = {
  perf: lookWithPerf,
  'recording, no browser': (hz: number) => lookWithHearth(hz, false),
  'one browser open': (hz: number) => lookWithHearth(hz, true),
} as const;
type Tool = keyof typeof TOOLS;

async function compare(frequencyHz: number, report: Report): Promise<void> {
  const tools = Object.keys(TOOLS) as Tool[];
  const perTool = (): Record<Tool, number[]> => ({
    perf: [],
    'recording, no browser': [],
    'one browser open': [],
  });
  const seconds = perTool();
  const alone: number[] = [];
  const cost = perTool();
  for (let round = 0; round < ROUNDS; round++) {
    for (const tool of tools) {
      alone.push(work());
      const looking = await TOOLS[tool](frequencyHz);
      const before = looking.cpuSeconds();
      const watched = work();
      cost[tool].push(((looking.cpuSeconds() - before) / watched) * 100);
      await looking.stop();
      seconds[tool].push(watched);
    }
  }
  // The least of the rounds: what else runs on the machine only ever makes them longer.
  const slowdown = (tool: Tool): number =>
    (Math.min(...seconds[tool]) / Math.min(...alone) - 1) * 100;
  for (const tool of tools.filter((name) => name !== 'perf')) {
    report(
      `slowdown of a program at ${frequencyHz} Hz, ${tool}`,
      '%',
      slowdown(tool),
      'perf record -a -g',
      slowdown('perf'),
    );
    report(
      `own CPU at ${frequencyHz} Hz, ${tool}`,
      '% of a core',
      median(cost[tool]),
      'perf record -a -g',
      median(cost.perf),
    );
  }
}

/** CPU of agent and web on a machine that does nothing else. */
async function idle(report: Report): Promise<void> {
  const ownPercent = async (cpuSeconds: () => number): Promise<number> => {
    await sleep(IDLE_SETTLE_MS);
    const before = cpuSeconds();
    await sleep(IDLE_SECONDS * 1000);
    return ((cpuSeconds() - before) / IDLE_SECONDS) * 100;
  };
  const server = await startServer();
  const remote = await openRemoteBrowser(server);
  const { agent, web } = server.pids();
  if (agent === undefined || web === undefined)
    throw new Error(`Hearth does not run:\n${server.output()}`);
  const afar = await ownPercent(() => cpuSeconds(agent) + cpuSeconds(web));
  if (remote.received < IDLE_SECONDS * 4 - 4)
    throw new Error(`only ${remote.received} chunks came`);
  remote.close();
  await server.stop();
  report(
    'agent and web at 99 Hz, idle machine, one browser on another machine',
    '% of a core',
    afar,
    'limit',
    1,
  );

  const watched = await lookWithHearth(99, true);
  const here = await ownPercent(watched.cpuSeconds);
  await watched.stop();
  report(
    'agent and web at 99 Hz, idle machine but for one browser on it',
    '% of a core',
    here,
    'limit',
    1,
  );
}

export const cost: Bench = {
  name: 'cost',
  what: 'a program under observation, and what observing costs, beside perf record',
  async run(report) {
    await idle(report);
    for (const frequencyHz of [99, 999]) await compare(frequencyHz, report);
  },
};
