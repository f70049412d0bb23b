/** The cost of looking: how much a program slows down, and what the profiler itself uses, beside perf in the same run. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { type RealServer, startServer } from '@/e2e/real-server';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { type Bench, estimate, median, type Report } from './bench';
import { cpuSeconds } from './processes';
import { openRemoteBrowser } from './remote-browser';
import { Rest } from './rest';
import { compileWorkload } from './workloads/compile';

const ROUNDS = 12;
const WORK = ['20', '15000'];
const IDLE_SECONDS = 20;
/** perf has begun, a recording too, and the page has drawn for a while. */
const SETTLE_MS = 2500;
/** Each library has to be read once, and a browser that has just started is not idle. */
const START_MS = 30_000;
/** While it is another's turn. */
const OFF_HZ = 1;

/** The server as users start it, and a browser on the same machine, whose page may show it. */
class Hearth {
  readonly rest: Rest;
  readonly #server: RealServer;
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(server: RealServer, rest: Rest, browser: Browser, page: Page) {
    this.#server = server;
    this.rest = rest;
    this.#browser = browser;
    this.#page = page;
  }

  static async start(): Promise<Hearth> {
    const server = await startServer();
    const browser = await chromium.launch(CHROMIUM);
    const page = await browser.newPage();
    await page.goto(server.url);
    return new Hearth(server, await Rest.login(server), browser, page);
  }

  /** The live page, or an empty one. */
  async show(isShown: boolean): Promise<void> {
    await this.#page.goto(isShown ? this.#server.origin : 'about:blank');
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#server.stop();
  }

  /** Of agent and web until now. */
  cpuSeconds(): number {
    const { agent, web } = this.#server.pids();
    if (agent === undefined || web === undefined)
      throw new Error(`Hearth does not run:\n${this.#server.output()}`);
    return cpuSeconds(agent) + cpuSeconds(web);
  }
}

/** Wall time of the fixed work, in seconds. */
function work(): number {
  const output = execFileSync(compileWorkload('fixed-work'), WORK, { encoding: 'utf8' });
  return (JSON.parse(output) as { seconds: number }).seconds;
}

interface Looking {
  /** CPU that the profiler's processes have used until now, in seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

const WAYS = ['nothing', 'recording', 'one browser open', 'perf record -a -g'] as const;
type Way = (typeof WAYS)[number];

async function lookWithPerf(frequencyHz: number): Promise<Looking> {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-perf-'));
  const file = join(directory, 'perf.data');
  const args = ['record', '-F', String(frequencyHz), '-a', '-g', '-o', file];
  const perf = endsWithUs(spawn('perf', args, { stdio: 'ignore' }));
  return {
    cpuSeconds: () => cpuSeconds(perf.pid as number),
    stop: async () => {
      perf.kill('SIGINT');
      await once(perf, 'exit');
      rmSync(directory, { recursive: true });
    },
  };
}

async function lookWithHearth(
  hearth: Hearth,
  frequencyHz: number,
  way: 'recording' | 'one browser open',
): Promise<Looking> {
  const { rest } = hearth;
  await rest.put('/sampling', { frequencyHz });
  const isShown = way === 'one browser open';
  if (isShown) await hearth.show(true);
  const session = isShown ? undefined : ((await rest.post('/sessions', {})) as { id: string });
  return {
    cpuSeconds: () => hearth.cpuSeconds(),
    stop: async () => {
      if (session === undefined) await hearth.show(false);
      else await rest.post(`/sessions/${session.id}/stop`, {});
      await rest.put('/sampling', { frequencyHz: OFF_HZ });
    },
  };
}

async function look(hearth: Hearth, frequencyHz: number, way: Way): Promise<Looking> {
  if (way === 'nothing') return { cpuSeconds: () => 0, stop: async () => {} };
  if (way === 'perf record -a -g') return lookWithPerf(frequencyHz);
  return lookWithHearth(hearth, frequencyHz, way);
}

/**
 * The same work under each way in turn, in both orders: what else changes on the machine within minutes is more than what is
 * to be measured. While it is another's turn, Hearth samples once a second.
 */
async function compare(hearth: Hearth, frequencyHz: number, report: Report): Promise<void> {
  const perWay = (): Record<Way, number[]> => ({
    nothing: [],
    recording: [],
    'one browser open': [],
    'perf record -a -g': [],
  });
  const seconds = perWay();
  const cost = perWay();
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
      const looking = await look(hearth, frequencyHz, way);
      await sleep(SETTLE_MS);
      const before = looking.cpuSeconds();
      const taken = work();
      cost[way].push(((looking.cpuSeconds() - before) / taken) * 100);
      seconds[way].push(taken);
      await looking.stop();
    }
  }
  const slowdown = (way: Way) =>
    estimate(seconds[way].map((taken, round) => (taken / seconds.nothing[round] - 1) * 100));
  const named = (what: string, error: number): string => `${what} (+-${error.toFixed(2)})`;
  const perf = slowdown('perf record -a -g');
  for (const way of ['recording', 'one browser open'] as const) {
    const { value, error } = slowdown(way);
    report(
      named(`slowdown of a program at ${frequencyHz} Hz, ${way}`, error),
      '%',
      value,
      named('perf record -a -g', perf.error),
      perf.value,
    );
    report(
      `own CPU at ${frequencyHz} Hz, ${way}`,
      '% of a core',
      median(cost[way]),
      'perf record -a -g',
      median(cost['perf record -a -g']),
    );
  }
}

/** CPU that a program takes of agent and web when it runs for the first time, and when it is known. */
async function start(hearth: Hearth, report: Report): Promise<void> {
  const used = async (): Promise<number> => {
    const before = hearth.cpuSeconds();
    work();
    await sleep(SETTLE_MS);
    return (hearth.cpuSeconds() - before) * 1000;
  };
  const first = await used();
  report(
    'agent and web while a program runs for the first time',
    'ms',
    first,
    'again',
    await used(),
  );
}

/** CPU of agent and web on a machine that does nothing else. */
async function idle(report: Report): Promise<void> {
  const ownPercent = async (cpuSeconds: () => number): Promise<number> => {
    await sleep(START_MS);
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

  const hearth = await Hearth.start();
  const here = await ownPercent(() => hearth.cpuSeconds());
  await hearth.stop();
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
    const hearth = await Hearth.start();
    try {
      await hearth.show(false);
      await sleep(START_MS);
      await start(hearth, report);
      for (const frequencyHz of [99, 999]) await compare(hearth, frequencyHz, report);
    } finally {
      await hearth.stop();
    }
  },
};
