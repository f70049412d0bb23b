import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type Page, test } from 'playwright/test';
import { scheduledSeconds } from '@/bench/processes';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { type RealServer, startServer } from './real-server';

const HZ = 99;
const SHARES = { burn_sixty: 0.6, burn_thirty: 0.3, burn_ten: 0.1 };

let server: RealServer;
let workload: RunningWorkload | undefined;

let samplersBefore = 0;

test.beforeEach(async () => {
  samplersBefore = loadedSamplers();
  server = await startServer();
});

test.afterEach(async () => {
  workload?.child.kill();
  workload = undefined;
  await server.stop();
});

/** Opens the live page, logged in, with a workload of three functions under way, and only that shown. */
async function openFiltered(page: Page): Promise<void> {
  workload = new RunningWorkload(compileWorkload('shares'), [60]);
  await page.goto(server.url);
  await page.getByRole('button', { name: `shares (${workload.pid})` }).click();
}

/** Waits, and tells how many samples the workload's CPU time makes meanwhile: less than it would alone on the machine. */
async function samplesDuring(ms: number): Promise<number> {
  const pid = workload?.pid as number;
  const before = scheduledSeconds(pid);
  await sleep(ms);
  return Math.floor((scheduledSeconds(pid) - before) * HZ * 0.9);
}

/** A recording opens with what was looked at. */
async function expectPicked(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: `shares (${workload?.pid})` });
  await expect(button).toHaveAttribute('aria-pressed', 'true');
}

/** Total shares of functions, as the function table shows them, 0..1. */
async function tableShares(
  page: Page,
  names: readonly string[] = Object.keys(SHARES),
): Promise<Record<string, number>> {
  const table = page.getByRole('table', { name: 'Functions' });
  const shares: Record<string, number> = {};
  for (const name of names) {
    const row = table.getByRole('row').filter({ hasText: name });
    await expect(row.first()).toBeVisible();
    const text = await row.first().innerText();
    const percents = [...text.matchAll(/(\d+(?:\.\d+)?)\s*%/g)].map(
      ([, number]) => Number(number) / 100,
    );
    shares[name] = Math.max(...percents);
  }
  return shares;
}

/**
 * Waits for the right shares: live ones within three standard errors, as they come and go; those of a recording, which
 * stay as they are, within four, so that chance does not fail a run in fifty.
 */
async function expectShares(page: Page, samples: number, errors = 3): Promise<void> {
  await expect(async () => {
    const shares = await tableShares(page);
    for (const [name, share] of Object.entries(SHARES)) {
      const standardError = Math.sqrt((share * (1 - share)) / samples);
      expect(Math.abs(shares[name] - share), `${name}: ${shares[name]}`).toBeLessThan(
        errors * standardError,
      );
    }
  }).toPass({ timeout: 30_000 });
}

/** The names of processes in the collapsed stacks that the export menu gives. */
async function exportedProcesses(page: Page, what: string): Promise<Set<string>> {
  await page.getByRole('button', { name: 'Export', exact: true }).click();
  await page.getByRole('radio', { name: what }).check();
  const downloaded = page.waitForEvent('download');
  await page.getByRole('link', { name: /^Collapsed stacks/ }).click();
  const text = readFileSync(await (await downloaded).path(), 'utf8');
  return new Set(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(';')[0]),
  );
}

test('a workload is seen live with the right shares, recorded, and shared by a link', async ({
  page,
  browser,
}) => {
  await openFiltered(page);
  expect(page.url(), 'the token does not stay in the address').not.toContain('token');
  await page.getByRole('radio', { name: /15 s/ }).click();
  const seen = await samplesDuring(16_000);
  await expectShares(page, seen);

  await page.getByRole('button', { name: 'Record', exact: true }).click();
  const recorded = await samplesDuring(8000);
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page).toHaveURL(/\/sessions\/[\w-]+/);
  await expectPicked(page);
  await expectShares(page, recorded, 4);
  await page.getByRole('searchbox', { name: 'Search functions' }).fill('burn_thirty');
  await expect(page).toHaveURL(/burn_thirty/);
  const link = page.url();
  const before = await tableShares(page, ['burn_thirty']);

  await page.reload();
  expect(await tableShares(page, ['burn_thirty'])).toEqual(before);
  await expect(page.getByRole('searchbox', { name: 'Search functions' })).toHaveValue(
    'burn_thirty',
  );

  const colleague = await browser.newContext();
  const theirs = await colleague.newPage();
  const refused = await theirs.goto(link);
  expect(refused?.status(), 'without the cookie').toBe(401);
  await colleague.addCookies(await page.context().cookies());
  await theirs.goto(link);
  expect(await tableShares(theirs, ['burn_thirty'])).toEqual(before);
  await expect(theirs.getByRole('searchbox', { name: 'Search functions' })).toHaveValue(
    'burn_thirty',
  );
  await colleague.close();
});

test('pausing holds the picture, and resuming goes on', async ({ page }) => {
  await openFiltered(page);
  await expect(
    page
      .getByRole('table', { name: 'Functions' })
      .getByRole('row')
      .filter({ hasText: 'burn_sixty' })
      .first(),
  ).toBeVisible();
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  // Names may still come, for a second and a half.
  await page.waitForTimeout(2000);
  const table = page.getByRole('table', { name: 'Functions' });
  const held = await table.innerText();
  await page.waitForTimeout(2000);
  expect(await table.innerText()).toBe(held);
  await page.keyboard.press('Space');
  await expect(page.getByRole('button', { name: 'Pause', exact: true })).toBeVisible();
});

test('a part of the live strip is looked at alone, while nothing moves', async ({ page }) => {
  await openFiltered(page);
  const strip = page.getByRole('region', { name: 'Time' });
  await expect(strip).toContainText(/CPU, peak [\d.]+ of \d+ cores?/);
  await expect(strip).toContainText('now');
  const slider = strip.getByRole('slider', { name: 'Range start' });
  const box = await strip.locator('.cursor-crosshair').boundingBox();
  if (box === null) throw new Error('the strip is there');
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.9, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.95, middle, { steps: 5 });
  await page.mouse.up();
  await expect(page.getByRole('button', { name: 'Resume', exact: true })).toBeVisible();
  await expect(strip).toContainText(/until −[\d.]+ s/);
  await expect(strip).not.toContainText('now');
  expect(page.url()).toContain('from=');
  const link = page.url();
  const [from, length] = await slider.evaluate((element) => [
    Number(element.getAttribute('aria-valuenow')),
    Number(element.getAttribute('aria-valuemax')),
  ]);
  expect(from / length).toBeCloseTo(0.9, 2);
  const table = page.getByRole('table', { name: 'Functions' });
  await page.waitForTimeout(1000); // for what was on its way
  const held = await table.innerText();
  await page.waitForTimeout(2500);
  expect(await table.innerText()).toBe(held);
  expect(Number(await slider.getAttribute('aria-valuenow'))).toBe(from);

  await test.step('the other pages show the same part', async () => {
    const pages = page.getByRole('navigation', { name: 'Pages' });
    await pages.getByRole('link', { name: 'Threads' }).click();
    await expect(page).toHaveURL(/range=\d+-\d+/);
    await pages.getByRole('link', { name: 'Latency' }).click();
    await expect(page).toHaveURL(/range=\d+-\d+/);
    await pages.getByRole('link', { name: 'Live', exact: true }).click();
    await expect(strip).toContainText(/until −[\d.]+ s/);
    await expect(slider).toHaveAttribute('aria-valuenow', String(from));
    expect(await table.innerText()).toBe(held);
  });

  await strip.getByRole('button', { name: 'Back to live' }).click();
  await expect(page.getByRole('button', { name: 'Pause', exact: true })).toBeVisible();
  await expect(strip).toContainText('now');
  await expect(page).not.toHaveURL(/from=/);

  await test.step('a link to what was looked at is of now', async () => {
    await page.goto(link);
    await expect(strip).toContainText('now');
    await page.keyboard.press('Space');
    await expect(strip).toContainText('paused');
    await expect(strip).not.toContainText('until');
  });
});

test('the next page has what the last one had loaded and picked, live and of a recording', async ({
  page,
}) => {
  let connections = 0;
  let loads = 0;
  page.on('websocket', () => connections++);
  page.on('request', (request) => {
    if (request.url().endsWith('/chunks')) loads++;
  });
  const pages = page.getByRole('navigation', { name: 'Pages' });
  const resume = page.getByRole('button', { name: 'Resume', exact: true });
  const functions = page.getByRole('table', { name: 'Functions' }).getByRole('row');
  await openFiltered(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await expect(functions.filter({ hasText: 'burn_sixty' }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await pages.getByRole('link', { name: 'Threads' }).click();
  await expect(resume).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Off-CPU profiling is off' })).toBeVisible();
  await pages.getByRole('link', { name: 'Latency' }).click();
  await expect(resume).toBeVisible();
  await expect(page.getByRole('heading', { name: /: not measured$/ })).toBeVisible();
  await pages.getByRole('link', { name: 'Live', exact: true }).click();
  await expect(resume).toBeVisible();
  await expectPicked(page);
  await expect(functions.filter({ hasText: 'burn_sixty' }).first()).toBeVisible();
  await page.keyboard.press('Space');
  await expectShares(page, await samplesDuring(5000));
  expect(connections).toBe(1);

  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page.getByRole('button', { name: 'Export', exact: true })).toBeVisible();
  await expect(functions.filter({ hasText: 'burn_sixty' }).first()).toBeVisible();
  await test.step('what is picked is what is exported, or all', async () => {
    expect(await exportedProcesses(page, 'What is picked')).toEqual(new Set(['shares']));
    expect((await exportedProcesses(page, 'All of it')).size).toBeGreaterThan(1);
  });
  await page.getByRole('link', { name: 'Threads' }).last().click();
  await expect(page.getByRole('heading', { name: 'Not in this recording' })).toBeVisible();
  expect(page.url()).toContain(`pid=${workload?.pid}`);
  await page.getByRole('link', { name: 'Flame graph' }).click();
  await expect(functions.filter({ hasText: 'burn_sixty' }).first()).toBeVisible();
  await expectPicked(page);
  expect(loads).toBe(1);
});

test("the agent's death is shown, it comes back, and the recording is whole", async ({ page }) => {
  await openFiltered(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.waitForTimeout(3000);
  const { agent } = server.pids();
  process.kill(agent as number, 'SIGKILL');
  const banner = page.getByText('Nothing is measured now');
  await expect(banner).toBeVisible();
  await expect(page.getByRole('region', { name: 'Time' })).toContainText('last sample');
  await expect
    .poll(() => ![undefined, agent].includes(server.pids().agent), { timeout: 20_000 })
    .toBe(true);
  await expect(banner).toBeHidden({ timeout: 30_000 });
  const recorded = await samplesDuring(8000);
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page).toHaveURL(/\/sessions\/[\w-]+/);
  await expectPicked(page);
  await expectShares(page, recorded, 4);
});

test('goes on where nobody reads what it says on the terminal', async ({ page }) => {
  server.launcher.stdout?.destroy();
  server.launcher.stderr?.destroy();
  for (let i = 0; i < 2; i++) {
    const { agent } = server.pids();
    process.kill(agent as number, 'SIGKILL');
    await expect
      .poll(() => ![undefined, agent].includes(server.pids().agent), { timeout: 20_000 })
      .toBe(true);
  }
  await openFiltered(page);
  await expectShares(page, await samplesDuring(8000), 4);
});

test('a session that was being recorded when everything was killed opens', async ({ page }) => {
  await openFiltered(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  const before = Date.now();
  const recorded = await samplesDuring(8000);
  const killedAt = Date.now();
  const pids = Object.values(server.pids()).filter((pid) => pid !== undefined);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => loadedSamplers(), { message: 'BPF programs in the kernel' })
    .toBe(samplersBefore);
  await expect(page.getByText('Disconnected since')).toBeVisible();
  // Nobody knows whether it is recorded still: its clock stands.
  await expect(page.getByRole('button', { name: 'Stop recording' })).toBeDisabled();
  const clock = page.getByTitle('when the connection was lost');
  const stopped = await clock.innerText();
  await page.waitForTimeout(1500);
  expect(await clock.innerText()).toBe(stopped);
  // No click leads to where the browser only says that nobody answers.
  for (const name of ['Threads', 'Sessions'])
    await page.getByRole('link', { name, exact: true }).click();
  await page.waitForTimeout(500);
  await expect(page.getByText('Disconnected since')).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/');

  const dataDirectory = server.dataDirectory;
  server = await startServer({ dataDirectory });
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Sessions' }).click();
  await expect(page.getByText('interrupted')).toBeVisible();
  await page.goto(`${server.origin}/sessions`);
  const sessions: { id: string; durationMs: number }[] = await (
    await page.request.get(`${server.origin}/api/v1/sessions`)
  ).json();
  expect(sessions).toHaveLength(1);
  expect(sessions[0].durationMs).toBeGreaterThan(killedAt - before - 2000);
  await page.goto(`${server.origin}/sessions/${sessions[0].id}`);
  await page.getByRole('button', { name: `shares (${workload?.pid})` }).click();
  await expectShares(page, recorded, 4);
});

test('a collapsed file is opened in the browser', async ({ page }) => {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Open file' }).click();
  await page.locator('input[type=file]').setInputFiles({
    name: 'stacks.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('main;parse;read 30\nmain;parse;scan 10\nmain;draw 60\n'),
  });
  const row = page
    .getByRole('table', { name: 'Functions' })
    .getByRole('row')
    .filter({ hasText: 'parse' });
  await expect(row).toContainText('40');
});

/** CPU samplers in the kernel, which lists the code of BPF programs among its symbols. */
function loadedSamplers(): number {
  return [
    ...readFileSync('/proc/kallsyms', 'latin1').matchAll(/ bpf_prog_[0-9a-f]{16}_sample_cpu/g),
  ].length;
}
