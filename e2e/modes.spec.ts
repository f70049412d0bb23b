import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type Page, test } from 'playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { type RealServer, startServer } from './real-server';

/** Each of the workload's threads waits all the time, in a function of its own. */
const SLEEPERS = ['sleep_1ms', 'sleep_10ms', 'sleep_50ms', 'sleep_200ms'];
/** In a recording the main thread, too, which waits for the end of the others all the while. */
const ALL_THREADS = [...SLEEPERS, 'futex_wait'];
/** Of 1 ms waits a tenth is drawn, about 1,300 in 15 s: three standard errors of a quarter, and what the edges cut. */
const BOUND = 0.035;

let server: RealServer;
let workload: RunningWorkload;

test.beforeEach(async () => {
  server = await startServer();
  workload = new RunningWorkload(compileWorkload('waits'), ['sleeps', 60]);
});

test.afterEach(async () => {
  workload.child.kill();
  await server.stop();
});

/** The text of a function's row in the table. */
async function rowOf(page: Page, name: string): Promise<string> {
  const row = page.getByRole('table', { name: 'Functions' }).getByRole('row');
  return row.filter({ hasText: name }).first().innerText();
}

async function totalShare(page: Page, name: string): Promise<number> {
  const percents = [...(await rowOf(page, name)).matchAll(/(\d+(?:\.\d+)?)\s*%/g)];
  return Math.max(0, ...percents.map(([, number]) => Number(number) / 100));
}

async function expectShares(page: Page, names: readonly string[]): Promise<void> {
  await expect(async () => {
    for (const name of names) {
      const share = await totalShare(page, name);
      expect(Math.abs(share - 1 / names.length), `${name}: ${share}`).toBeLessThan(BOUND);
    }
  }).toPass({ timeout: 40_000 });
}

test('waiting is seen by what waits, live and in a recording, and a link keeps the mode', async ({
  page,
}) => {
  // All functions of the workload are on the screen at once.
  await page.setViewportSize({ width: 1280, height: 1400 });
  await page.goto(server.url);
  await page.getByRole('radio', { name: 'Off-CPU' }).click();
  await expect(page.getByRole('heading', { name: 'Off-CPU profiling is off' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Time' })).toBeHidden();
  await page.getByRole('button', { name: 'Turn on off-CPU profiling' }).click();
  await page.getByRole('button', { name: `waits (${workload.pid})` }).click();
  await page.getByRole('radio', { name: '15 s', exact: true }).click();
  await sleep(15_000);
  await expectShares(page, SLEEPERS);
  // The rest waits for a CPU, on a busy machine.
  expect(await totalShare(page, '[waiting: sleep]')).toBeGreaterThan(0.5);

  // The waits of one function, by how long they were.
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await sleep(8000);
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page).toHaveURL(/\/sessions\/[\w-]+/);
  // It opens with what was looked at.
  await expect(page).toHaveURL(/mode=off-cpu/);
  await expect(page.getByRole('radio', { name: 'Off-CPU' })).toBeChecked();
  await expect(page.getByRole('button', { name: `waits (${workload.pid})` })).toHaveAttribute(
    'aria-pressed',
    'true',
  );
  await expectShares(page, ALL_THREADS);
  // Of its five threads; on the whole machine a hundred wait.
  await expect(page.getByRole('region', { name: 'Time' })).toContainText(
    new RegExp(`waits \\(${workload.pid}\\): Waiting, peak [12]?\\d(\\.\\d+)? threads`),
  );
  const waits = page.getByRole('region', { name: 'All waits' });
  await expect(waits).toContainText(/about [\d,]+/);
  await expect(waits.getByRole('application', { name: /Histogram of all waits/ })).toBeVisible();
  const kinds = waits.getByRole('table', { name: 'Waits by kind' });
  await expect(kinds.getByRole('row').filter({ hasText: 'sleep' })).toContainText(/ ms/);
  // The longest are those of 200 ms, which a timer ended.
  const longest = waits.getByRole('list', { name: 'Longest waits' });
  await expect(longest).toContainText('Ended by its timer');
  await expect(longest).toContainText('hrtimer');

  // Of what the keyboard has, too.
  const graph = page.getByRole('application', { name: /off the CPU/ });
  await graph.press('ArrowDown');
  await graph.press('ArrowDown');
  const ofProcess = page.getByRole('region', { name: `Waits of waits (${workload.pid})` });
  await expect(ofProcess).toBeVisible();
  await graph.press('Escape');
  await expect(waits).toBeVisible();

  // Waits of 150 ms and more are those of one function; so are waits of this kind in the graph alone.
  await waits.getByRole('button', { name: 'sleep' }).click();
  await expect(page).toHaveURL(/state=3/);
  await expect(page.getByText('Only waits: sleep')).toBeVisible();
  const all = page.url();
  await page.goto(all.replace(/waits=0-/, 'waits=150000000-'));
  await page.reload();
  await expect(page.getByText(/Only waits of 150 ms and more: sleep/)).toBeVisible();
  await expect(async () => {
    expect(await totalShare(page, 'sleep_200ms')).toBeGreaterThan(0.99);
  }).toPass();
  await page.getByRole('button', { name: 'Show all waits' }).click();
  await expectShares(page, ALL_THREADS);

  // The same in one graph with the time on a CPU.
  await page.getByRole('radio', { name: 'Wall clock' }).click();
  await expect(page).toHaveURL(/mode=wall/);
  await expect(page.getByRole('application', { name: /wall clock/ })).toBeVisible();
  await expectShares(page, ALL_THREADS);
  const link = page.url();
  await page.reload();
  expect(page.url()).toBe(link);
  await expect(page.getByRole('radio', { name: 'Wall clock' })).toBeChecked();

  // Who ended the waits: a timer, in an interrupt. One has not ended.
  await page.getByRole('radio', { name: 'Off-wake' }).click();
  await expect(async () => {
    expect(await totalShare(page, 'hrtimer_wakeup')).toBeGreaterThan(0.7);
    expect(await totalShare(page, '[not woken when the recording ended]')).toBeGreaterThan(0.15);
  }).toPass();
});

test('what the mode cannot show is said', async ({ page }) => {
  await page.goto(server.url);
  await page.getByRole('radio', { name: 'Wall clock' }).click();
  await expect(page.getByText('Off-CPU profiling is off.')).toBeVisible();
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await sleep(2000);
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page).toHaveURL(/\/sessions\/[\w-]+/);
  await page.getByRole('radio', { name: 'Off-CPU' }).click();
  await expect(page.getByText(/off while this was recorded/)).toBeVisible();
});
