/** Resident memory of agent and web while they record the machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { type Bench, median } from './bench';
import { mostResidentBytes, residentBytes } from './processes';
import { compileWorkload } from './workloads/compile';
import { RunningWorkload } from './workloads/run';

const MINUTES = Number(process.env.HEARTH_BENCH_MINUTES ?? 10);
const READING_MS = 5000;
const MIB = 1024 * 1024;
const AGENT_LIMIT_MIB = 150;
const WEB_LIMIT_MIB = 250;
/** "Flat": the second half's slope, extrapolated over an hour. */
const GROWTH_LIMIT_MIB_PER_HOUR = 30;

/** Slope of the readings by least squares, per reading. */
function slope(readings: readonly number[]): number {
  const n = readings.length;
  const meanX = (n - 1) / 2;
  const meanY = readings.reduce((sum, value) => sum + value, 0) / n;
  let numerator = 0;
  let denominator = 0;
  readings.forEach((value, x) => {
    numerator += (x - meanX) * (value - meanY);
    denominator += (x - meanX) ** 2;
  });
  return numerator / denominator;
}

export const memory: Bench = {
  name: 'memory',
  what: `resident memory while recording the machine for ${MINUTES} minutes`,
  async run(report) {
    const server = await startServer();
    const browser = await chromium.launch(CHROMIUM);
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.getByRole('button', { name: /^record/i }).click();
    // Something to see: short processes all the while.
    const workload = new RunningWorkload(compileWorkload('short-lived'), [MINUTES * 60 * 40, 20]);
    const readings = { agent: [] as number[], web: [] as number[] };
    const most = { agent: 0, web: 0 };
    const end = Date.now() + MINUTES * 60_000;
    while (Date.now() < end) {
      await sleep(READING_MS);
      const { agent, web } = server.pids();
      if (agent === undefined || web === undefined)
        throw new Error(`Hearth ended:\n${server.output()}`);
      readings.agent.push(residentBytes(agent) / MIB);
      readings.web.push(residentBytes(web) / MIB);
      most.agent = mostResidentBytes(agent) / MIB;
      most.web = mostResidentBytes(web) / MIB;
    }
    workload.child.kill();
    await browser.close();
    await server.stop();
    const perHour = 3_600_000 / READING_MS;
    for (const [role, limit] of [
      ['agent', AGENT_LIMIT_MIB],
      ['web', WEB_LIMIT_MIB],
    ] as const) {
      const all = readings[role];
      const secondHalf = all.slice(all.length / 2);
      report(`${role}, most of the readings`, 'MiB', Math.max(...all), 'limit', limit);
      report(`${role}, most at any moment`, 'MiB', most[role], 'limit', limit);
      report(`${role}, median of the second half`, 'MiB', median(secondHalf), 'limit', limit);
      report(
        `${role}, growth in the second half`,
        'MiB/h',
        slope(secondHalf) * perHour,
        'limit',
        GROWTH_LIMIT_MIB_PER_HOUR,
      );
    }
  },
};
