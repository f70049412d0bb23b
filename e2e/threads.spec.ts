import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type Locator, type Page, test } from 'playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { queuedNs } from '@/bench/workloads/queued';
import { ProfileBuilder } from '@/profile/builder';
import { encodeChunk } from '@/profile/chunk';
import { NONE, ThreadState } from '@/profile/schema';
import { type RealServer, startServer } from './real-server';

let server: RealServer;
/** Each leads a process group of its own. */
const children: ChildProcess[] = [];

test.beforeEach(async () => {
  server = await startServer();
});

test.afterEach(async () => {
  for (const child of children.splice(0)) endGroup(child);
  await server.stop();
});

function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

interface Worker {
  readonly name: string;
  readonly tid: number;
  /** As the scheduler counted: /proc/PID/task/TID/schedstat at the end. */
  readonly runNs: number;
  readonly queueNs: number;
  readonly count: number;
  readonly waitedSeconds: number;
  readonly lifetimeSeconds: number;
  /** How often it gave its CPU away to wait. */
  readonly blocks: number;
}

/** Starts the workload; the promise is what its threads measured themselves. */
function startWaits(...args: readonly (string | number)[]): Promise<readonly Worker[]> {
  const child = spawn(compileWorkload('waits'), args.map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  children.push(child);
  let output = '';
  child.stdout?.on('data', (piece: Buffer) => {
    output += piece.toString();
  });
  return once(child, 'close').then(() => JSON.parse(output).threads);
}

/** A reader of a pipe into which somebody writes every two seconds: it is blocked in between. */
function startReader(): ChildProcess {
  const child = spawn('bash', ['-c', 'while sleep 2; do echo; done | exec cat'], {
    stdio: 'ignore',
    detached: true,
  });
  children.push(child);
  return child;
}

const COLUMNS = [
  'elapsed',
  'cpu',
  'queue',
  'waking',
  'sleep',
  'lock',
  'disk',
  'network',
  'pipe',
  'poll',
  'fault',
  'other',
  'residual',
  'scheduler',
  'clock',
] as const;
type Times = Readonly<Record<(typeof COLUMNS)[number], number>>;

/** A row of the ledger, as it is on the screen: seconds, and a residual in percent. */
async function timesOf(row: Locator): Promise<Times> {
  const texts = (await row.getByRole('cell').allInnerTexts()).slice(1);
  expect(texts).toHaveLength(COLUMNS.length);
  const number = (text: string): number =>
    text === '–' || text === '<0.001' ? 0 : Number(text.replace('%', ''));
  return Object.fromEntries(COLUMNS.map((name, i) => [name, number(texts[i])])) as never;
}

function ledgerRow(page: Page, { tid }: Pick<Worker, 'tid'>): Locator {
  return page.getByRole('row').filter({ has: page.getByRole('link', { name: `(${tid})` }) });
}

/** Rounding: each of eleven columns has three decimals. */
const ROUNDING = 0.006;
/** From a wakeup until the scheduler begins to count, in seconds, on a busy machine. */
const WAKEUP = 20e-6;
/**
 * From a wakeup until the thread has an idle CPU, in seconds: there the scheduler takes the clock once, at the wakeup, and
 * counts as run what is still waited. It is long where a virtual CPU has to be had first.
 */
const IDLE_WAKEUP = 60e-6;

function expectSum(times: Times, what: string): void {
  const { elapsed, residual, scheduler, clock, ...states } = times;
  const sum = Object.values(states).reduce((all, value) => all + value, 0);
  expect(Math.abs(sum - elapsed), `${what}: ${sum} of ${elapsed} s`).toBeLessThan(
    elapsed * 0.02 + ROUNDING,
  );
  expect(Math.abs(residual), `${what}: residual`).toBeLessThan(2);
}

async function open(page: Page): Promise<void> {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Threads' }).click();
  await expect(page.getByRole('heading', { name: 'Off-CPU profiling is off' })).toBeVisible();
  await page.getByRole('button', { name: 'Turn on off-CPU profiling' }).click();
  await expect(page.getByRole('table', { name: 'Ledger of threads, in seconds' })).toBeVisible();
}

async function startRecording(page: Page): Promise<string> {
  const answer = await page.request.post(`${server.origin}/api/v1/sessions`, {
    data: { name: 'threads' },
    headers: { origin: server.origin },
  });
  return (await answer.json()).id;
}

async function stopRecording(page: Page, id: string): Promise<void> {
  await page.request.post(`${server.origin}/api/v1/sessions/${id}/stop`, {
    data: {},
    headers: { origin: server.origin },
  });
}

test('a wait that goes on for all of a recording is in it', async ({ page }) => {
  const id = await recordStill(page);
  await stopRecording(page, id);
  await expectOpenWait(page, id);
});

test('a wait that goes on when the server is stopped is in what it recorded', async ({ page }) => {
  const id = await recordStill(page);
  const { dataDirectory } = server;
  expect(await server.stop(true)).toBe(0);
  server = await startServer({ dataDirectory });
  await page.goto(server.url);
  await expectOpenWait(page, id);
});

/** Starts a recording of the workload `still`, which waits from before it on. */
async function recordStill(page: Page): Promise<string> {
  await open(page);
  await page.getByRole('button', { name: 'Stop off-CPU' }).waitFor();
  startWaits('still', 60).catch(() => {});
  await sleep(3000);
  const id = await startRecording(page);
  await sleep(5000);
  return id;
}

/** Of the workload `still`, recorded for five seconds. */
async function expectOpenWait(page: Page, id: string): Promise<void> {
  await page.goto(`${server.origin}/sessions/${id}`);
  await page.getByRole('link', { name: 'Threads' }).last().click();
  await page.getByRole('searchbox', { name: 'Search threads' }).fill('sleeps');
  const row = page.getByRole('row').filter({ hasText: 'sleeps' });
  await expect(row).toBeVisible();
  const { elapsed, sleep: slept } = await timesOf(row);
  expect(elapsed).toBeGreaterThan(4.8);
  expect(slept).toBeCloseTo(elapsed, 2);
  const longest = page.getByRole('list', { name: 'Longest waits' }).getByRole('listitem').first();
  await expect(longest).toContainText('It went on when the recording ended.');
  await expect(longest).toContainText('from clock_nanosleep');
}

test('all of each thread’s time is in the ledger, live and in a recording', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Stop off-CPU' }).waitFor();
  const id = await startRecording(page);
  const workers = (
    await Promise.all([startWaits('sleeps', 8), startWaits('convoy', 8), startWaits('busy', 8, 2)])
  ).flat();
  await sleep(2500);
  await stopRecording(page, id);

  const expectLedger = async (where: string): Promise<void> => {
    for (const worker of workers) {
      await page.getByRole('searchbox', { name: 'Search threads' }).fill(`${worker.tid}`);
      const what = `${where}, ${worker.name} ${worker.tid}`;
      const row = ledgerRow(page, worker);
      await expect(row, what).toBeVisible();
      const times = await timesOf(row);
      expectSum(times, what);
      const { lifetimeSeconds, runNs, waitedSeconds, blocks } = worker;
      const queueNs = queuedNs(worker);
      const close = (
        actual: number,
        expected: number,
        part: string,
        { bound = 0.01, wakeup = WAKEUP } = {},
      ): void =>
        expect(
          Math.abs(actual - expected),
          `${what}, ${part}: ${actual} of ${expected} s, ${blocks} blocks`,
        ).toBeLessThan(lifetimeSeconds * bound + blocks * wakeup + ROUNDING);
      const differences = [times.cpu - runNs / 1e9, times.queue - queueNs / 1e9];
      expect(Math.abs(times.scheduler), `${what}: difference to the scheduler`).toBeLessThan(1);
      expect(
        Math.abs(times.scheduler + times.clock) / 100,
        `${what}: difference to the scheduler with its clock, of ${differences} s`,
      ).toBeCloseTo(Math.max(...differences.map(Math.abs)) / lifetimeSeconds, 2);
      close(times.elapsed, lifetimeSeconds, 'elapsed', { bound: 0.02 });
      close(times.cpu, runNs / 1e9, 'on CPU', { wakeup: IDLE_WAKEUP });
      close(times.queue, queueNs / 1e9, 'run queue');
      const onCpuOrAfter = times.cpu + times.queue + times.waking;
      close(onCpuOrAfter, (runNs + queueNs) / 1e9, 'on CPU or to have one');
      if (worker.name.startsWith('sleep')) {
        close(times.sleep, lifetimeSeconds - (runNs + queueNs) / 1e9, 'sleep', { bound: 0.02 });
        expect(times.sleep, what).toBeGreaterThan(times.elapsed * 0.5);
      }
      if (worker.name === 'convoy') {
        // Until it has the lock; it waits for a CPU meanwhile, too.
        expect(times.lock, what).toBeGreaterThan(times.elapsed * 0.3);
        expect(times.lock, what).toBeLessThan(waitedSeconds * 1.02 + ROUNDING);
      }
    }
  };
  await expectLedger('live');
  await page.goto(`${server.origin}/sessions/${id}`);
  await page.getByRole('link', { name: 'Threads' }).last().click();
  await expect(page.getByRole('heading', { name: /^\d+ threads/ })).toBeVisible();
  await expectLedger('recorded');

  await test.step('a thread leads to its flame graph', async () => {
    const busy = workers.find(({ name }) => name === 'busy') as Worker;
    await page.getByRole('searchbox', { name: 'Search threads' }).fill(`${busy.tid}`);
    await ledgerRow(page, busy).getByRole('link').click();
    await expect(page).toHaveURL(new RegExp(`/sessions/${id}.*tid=${busy.tid}.*mode=wall`));
    await expect(page.getByText(`Only threads ${busy.tid}`)).toBeVisible();
  });
});

test('rows stay as they are under the pointer', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Stop off-CPU' }).waitFor();
  const rows = page.locator('[data-row]');
  for (const way of ['Ledger', 'Timeline']) {
    await page.getByRole('radio', { name: way }).check();
    await expect(rows.nth(5)).toBeVisible();
    await rows.nth(5).hover();
    const first = `${await rows.first().getAttribute('data-row')}`;
    const shell = spawn('bash', ['-c', 'while :; do :; done'], { detached: true });
    children.push(shell);
    // Long enough to have used more CPU than all others.
    await page.waitForTimeout(8000);
    await expect(rows.first()).toHaveAttribute('data-row', first);
    await page.mouse.move(1, 1);
    await expect(rows.first()).toHaveAccessibleName(`bash (${shell.pid})`);
    endGroup(shell);
  }
});

test('the timeline shows states over time, and a part of it alone', async ({ page }) => {
  await open(page);
  const workers = await startWaits('sleeps', 8);
  const { tid } = workers.find(({ name }) => name === 'sleep-50') as Worker;
  await page.getByRole('radio', { name: 'Timeline' }).check();
  await page.getByRole('searchbox', { name: 'Search threads' }).fill(`${tid}`);
  await expect(page.getByRole('link', { name: `waits, thread sleep-50 (${tid})` })).toBeVisible();
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  const timeline = page.getByRole('application', { name: /^Timeline of the states of 1 thread\./ });
  const box = await timeline.boundingBox();
  if (box === null) throw new Error('the timeline has no place');
  // The thread is in one of its last seconds somewhere: the pointer looks for it.
  const tooltip = page.getByRole('tooltip');
  const y = box.y + 12;
  let x = box.x + box.width - 40;
  for (; x > box.x + 80 && !(await tooltip.isVisible()); x -= 8) await page.mouse.move(x, y);
  await expect(tooltip).toContainText('waits / sleep-50');
  await expect(tooltip.getByRole('row', { name: /sleep/ })).toContainText('%');
  await expect(tooltip.getByRole('row', { name: /sleep/ })).toContainText(/1?\d times|\d+ times/);

  await page.mouse.down();
  await page.mouse.move(x - 60, y, { steps: 4 });
  await page.mouse.up();
  await expect(page).toHaveURL(/range=\d+-\d+/);
  await expect(page.getByRole('button', { name: 'Show all of the time' })).toBeVisible();
  await page.getByRole('radio', { name: 'Ledger' }).check();
  const row = page
    .getByRole('row')
    .filter({ has: page.getByRole('link', { name: /thread sleep-50/ }) });
  const part = await timesOf(row);
  expectSum(part, 'a part');
  const { searchParams } = new URL(page.url());
  const [from, to] = (searchParams.get('range') as string).split('-').map(Number);
  expect(part.elapsed).toBeLessThanOrEqual((to - from) / 1e9 + ROUNDING);

  await test.step('by the keyboard, too', async () => {
    await page.getByRole('button', { name: 'Show all of the time' }).click();
    await page.getByRole('radio', { name: 'Timeline' }).check();
    await timeline.focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.down('Shift');
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.up('Shift');
    await expect(page).toHaveURL(/range=\d+-\d+/);
  });
});

test('who is blocked is shown as long as it is, with where and who will probably wake it', async ({
  page,
}) => {
  const shell = startReader();
  await open(page);
  const id = await startRecording(page);
  const blocked = page.getByRole('list', { name: 'Blocked threads' });
  const cat = blocked.getByRole('listitem').filter({ hasText: /^cat/ });
  // It is blocked for two seconds at a time: it comes and goes.
  const text = /Probably woken by bash \(\d+\), [\d.]+% of (\d|about 1).* of its waits here/;
  await expect(cat.filter({ hasText: text })).toHaveText(/pipe for \d/, { timeout: 60_000 });
  const tid = /^cat\s+(\d+)/.exec(await cat.filter({ hasText: text }).innerText())?.[1];
  await page.getByRole('searchbox', { name: 'Search threads' }).fill('nobody is called this');
  await expect(blocked.getByRole('listitem')).toHaveCount(0);
  await page.getByRole('searchbox', { name: 'Search threads' }).fill(`${tid}`);
  await expect(cat).toBeVisible();
  const stack = cat.getByRole('list', { name: /^Kernel stack/ });
  await expect(async () => {
    // On a busy machine the row may come anew under the pointer, and be closed again.
    if (!(await stack.isVisible())) await cat.locator('summary').click();
    await expect(stack).toContainText('pipe_read', { timeout: 3000 });
  }).toPass({ timeout: 30_000 });

  // So that a wait of two seconds is whole in the recording: the last one is ended by what ends the reader.
  await page.waitForTimeout(4500);
  endGroup(shell);
  await expect(cat).toHaveCount(0);

  await page.getByRole('button', { name: 'Stop off-CPU' }).click();
  await expect(page.getByText('Off-CPU profiling is off.')).toBeVisible();
  await expect(page.getByRole('radio', { name: 'Blocked now' })).toHaveCount(0);

  await test.step('in the recording, its longest waits are there with who ended them', async () => {
    await stopRecording(page, id);
    await page.goto(`${server.origin}/threads?session=${id}&search=${tid}`);
    const row = page.getByRole('row', { name: /^cat/ });
    await expect(row).toBeVisible();
    const times = await timesOf(row);
    expectSum(times, 'cat');
    expect(times.pipe).toBeGreaterThan(times.elapsed * 0.9);
    const wait = page
      .getByRole('list', { name: 'Longest waits' })
      .getByRole('listitem')
      .filter({ hasText: /^cat/ })
      .filter({ hasText: /Ended by bash/ })
      .first();
    await expect(wait).toContainText(/pipe, \d/);
    await wait.getByRole('button', { name: / to / }).click();
    await expect(page).toHaveURL(/range=\d+-\d+/);
    expect((await timesOf(row)).elapsed).toBeLessThan(times.elapsed);
  });
});

test('tens of thousands of threads are searched and sorted', async ({ page }) => {
  const [THREADS, PROCESSES] = [50_000, 500];
  const builder = new ProfileBuilder();
  const processes = Array.from({ length: PROCESSES }, (_, i) =>
    builder.process({
      pid: 1000 + i,
      parentPid: 1,
      name: builder.string(`service-${i}`),
      commandLine: builder.string(''),
      container: NONE,
      cgroup: NONE,
      startNs: 0,
    }),
  );
  for (let i = 0; i < THREADS; i++) {
    const thread = builder.thread({
      tid: 100_000 + i,
      process: processes[i % PROCESSES],
      name: builder.string(`worker-${i}`),
    });
    const row = { timeNs: 10e9, thread, count: 1, schedulerNs: 0, schedulerClockNs: 0 };
    builder.threadTime({ ...row, state: ThreadState.Running, ns: 1e5 + i });
    builder.threadTime({ ...row, state: ThreadState.Disk, ns: 10e9 - 1e5 - i });
  }
  const bytes = encodeChunk(
    builder.cutChunk({ startNs: 0, endNs: 10e9, wallOffsetNs: 1.7e18, frequencyHz: 99 }, []),
  );
  await page.route('**/api/v1/sessions/many/chunks', (route) =>
    route.fulfill({ body: Buffer.from(bytes), contentType: 'application/octet-stream' }),
  );
  await page.goto(server.url);
  await page.goto(`${server.origin}/threads?session=many`);
  await expect(page.getByRole('heading', { name: '50,000 threads', exact: true })).toBeVisible();
  expect(await page.getByRole('row').count()).toBeLessThan(100);
  // A group that is closed is one row.
  await page.getByRole('button', { name: 'service-499 (1499), 100 threads' }).click();
  await expect(
    page.getByRole('button', { name: 'service-499 (1499), 100 threads' }),
  ).toHaveAttribute('aria-expanded', 'false');
  await page.getByRole('columnheader', { name: 'Disk' }).getByRole('button').click();
  await expect(page.getByRole('link').filter({ hasText: 'worker-0' }).first()).toBeVisible();
  await page.getByRole('checkbox', { name: 'by process' }).uncheck();

  // All are one stop of the Tab key, in the ledger and the timeline alike.
  const link = (i: number) =>
    page.getByRole('link', { name: `thread worker-${i} (${100_000 + i})` });
  for (const way of ['Ledger', 'Timeline']) {
    await page.getByRole('radio', { name: way }).check();
    const stop = page.getByRole('main').locator('a[data-row][tabindex="0"]');
    await expect(stop).toHaveCount(1);
    await stop.focus();
    await page.keyboard.press('End');
    await expect(link(THREADS - 1)).toBeFocused();
    await page.keyboard.press('PageUp');
    await page.keyboard.press('PageUp');
    await expect(link(THREADS - 1)).toBeHidden();
    await expect(page.locator('a:focus')).toBeInViewport({ ratio: 1 });
    await page.keyboard.press('Home');
    await expect(link(0)).toBeFocused();
  }
  await page.getByRole('searchbox', { name: 'Search threads' }).fill('149999');
  await expect(page.getByRole('heading', { name: '1 thread of 50,000' })).toBeVisible();
  await expect(
    page.getByRole('link', { name: 'service-499, thread worker-49999 (149999)' }),
  ).toBeVisible();
});
