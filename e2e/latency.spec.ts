import { spawn } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, type Locator, test } from 'playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { cgroup2Mount } from '@/server/agent/cgroups';
import { type RealServer, startServer } from './real-server';

let server: RealServer;

test.beforeEach(async () => {
  server = await startServer();
});

test.afterEach(async () => {
  await server.stop();
});

test('measures a source when asked to, shows it live, selects and compares', async ({ page }) => {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Latency' }).click();
  await page.getByRole('radio', { name: 'System calls' }).check();
  await expect(page.getByRole('heading', { name: 'System calls: not measured' })).toBeVisible();
  const toolbar = page.getByRole('toolbar', { name: 'Latency' });
  const before = await toolbar.boundingBox();
  await page.getByRole('button', { name: 'Measure', exact: true }).click();

  const table = page.getByRole('table', { name: 'Latencies by label' });
  await expect(table.getByRole('button', { name: 'futex', exact: true })).toBeVisible();
  // The kernel measures a quarter of a second in ten.
  await expect(page.getByText(/costs [\d.]+% of one CPU/)).toBeVisible({ timeout: 25_000 });
  // What comes late moves nothing that somebody may aim at.
  expect(await toolbar.boundingBox()).toEqual(before);
  await table.getByRole('button', { name: 'futex', exact: true }).click();
  const histogram = page.getByRole('application', {
    name: /^Histogram of futex: [\d,]+ events, p50 /,
  });
  await expect(histogram).toBeVisible();

  await test.step('the labels are one stop of the Tab key', async () => {
    const labels = table.getByRole('button');
    await expect(labels.nth(1)).toBeVisible();
    await labels.first().focus();
    await page.keyboard.press('End');
    await expect(table.locator('button[tabindex="0"]')).toHaveCount(1);
    await expect(table.locator('button:focus')).toHaveAttribute('tabindex', '0');
    await page.keyboard.press('Tab');
    await expect(table.locator('button:focus')).toHaveCount(0);
  });

  await test.step('the keyboard selects, and the processes are those of what is selected', async () => {
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    const processes = page.getByRole('region', { name: 'Processes of the selected events' });
    const count = async (): Promise<number> => {
      const texts = await processes.getByTitle(/ events$/).allInnerTexts();
      return texts.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
    };
    /** How many of the histogram's events are not the processes': read each time, for what was on its way still comes. */
    const others = async (): Promise<number> => {
      const name = (await histogram.getAttribute('aria-label')) ?? '';
      const events = /: ([\d,]+) events/.exec(name)?.[1] ?? '';
      return Number(events.replaceAll(',', '')) - (await count());
    };
    await expect.poll(count).toBeGreaterThan(0);
    await expect.poll(others).toBe(0);
    await histogram.focus();
    for (let i = 0; i < 40; i++) await page.keyboard.press('Shift+ArrowRight');
    await expect(page).toHaveURL(/buckets=/);
    await expect.poll(others).toBeGreaterThan(0);
    await page.keyboard.press('Escape');
    await expect(page).not.toHaveURL(/buckets=/);
    await expect.poll(others).toBe(0);
  });

  await test.step('two ranges are compared', async () => {
    await page.getByRole('button', { name: 'Compare with this' }).click();
    await expect(table.getByText('×1.00').first()).toBeVisible();
    await page.getByRole('button', { name: 'End comparison' }).click();
    await expect(table.getByText('×1.00')).toHaveCount(0);
  });

  await test.step('a program that stops measuring is detached', async () => {
    await page.getByRole('button', { name: 'Stop measuring' }).click();
    await expect(page.getByRole('button', { name: 'Measure', exact: true })).toBeVisible();
  });
});

test('sources that are switched on one right after the other are all measured', async ({
  page,
}) => {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Latency' }).click();
  const sources = ['TCP', 'Page faults', 'DNS look-ups', 'CPU run queue'];
  for (const source of sources) {
    await page.getByRole('radio', { name: source }).check();
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
  }
  for (const source of sources) {
    await page.getByRole('radio', { name: source }).check();
    await expect(page.getByRole('button', { name: 'Stop measuring' })).toBeVisible();
  }
});

/** How often as many events a row has as the one that has most of the others; 0 while there is no such row. */
async function leadOf(list: Locator, key: string): Promise<number> {
  const rows = await list.locator('tr, li').evaluateAll((elements) =>
    elements.map((element) => ({
      key: element.querySelector<HTMLElement>('[data-row]')?.dataset.row,
      text: element.querySelector('td, [title$=" events"]')?.textContent ?? '',
    })),
  );
  const scales: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9 };
  const events = rows.map(({ text }) => {
    const [, number, scale] = /([\d.,]+)([kMG]?)/.exec(text) ?? [];
    return number === undefined ? 0 : Number(number.replaceAll(',', '')) * (scales[scale] ?? 1);
  });
  const own = events[rows.findIndex((row) => row.key === key)] ?? 0;
  return own / Math.max(1, ...events.filter((_, i) => rows[i].key !== key));
}

test('its lists stay as they are under the pointer', async ({ page }) => {
  await page.goto(server.url);
  await page.goto(`${server.origin}/latency?source=syscalls`);
  await page.getByRole('button', { name: 'Measure', exact: true }).click();
  const labels = page.getByRole('table', { name: 'Latencies by label' });
  const owners = page.getByRole('region', { name: 'Processes of the selected events' });
  /** Whether a row that comes to have most events by far goes to the top when the pointer is gone, and not before. */
  const expectHeld = async (list: Locator, key: string): Promise<void> => {
    const rows = list.locator('[data-row]');
    await expect.poll(() => leadOf(list, key), { timeout: 60_000 }).toBeGreaterThan(1.5);
    await expect(rows.first()).not.toHaveAttribute('data-row', key);
    await page.mouse.move(1, 1);
    await expect(rows.first()).toHaveAttribute('data-row', key);
  };
  await expect(labels.locator('[data-row]').nth(2)).toBeVisible();
  await labels.locator('[data-row]').first().hover();
  const caller = spawn('perl', ['-e', 'umask(022) while 1']);
  try {
    await expectHeld(labels, 'umask');
  } finally {
    caller.kill();
  }

  await labels.getByRole('button', { name: 'read', exact: true }).click();
  await expect(owners.locator('[data-row]').nth(2)).toBeVisible();
  await owners.locator('[data-row]').first().hover();
  const reader = spawn('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=1'], { stdio: 'ignore' });
  try {
    await expectHeld(owners, `${reader.pid}`);
  } finally {
    reader.kill();
  }
});

test('is in recordings', async ({ page }) => {
  await page.goto(server.url);
  const call = (method: string, path: string, body: unknown): Promise<string> =>
    page.evaluate(
      async ([how, where, content]) => {
        const answer = await fetch(`/api/v1${where}`, {
          method: how,
          headers: { 'content-type': 'application/json' },
          body: content,
        });
        return answer.text();
      },
      [method, path, JSON.stringify(body)],
    );
  await call('PUT', '/latency', { sources: ['runqueue', 'futex'], stacks: ['futex'] });
  await call('PUT', '/off-cpu', { enabled: true, thresholdNs: 1e6 });
  const { id } = JSON.parse(await call('POST', '/sessions', { name: 'with latencies' }));
  // On a machine with nothing to do, nobody else waits for a CPU.
  const workload = new RunningWorkload(compileWorkload('waits'), ['busy', 4, 2]);
  await workload.result();
  await sleep(1000);
  await call('POST', `/sessions/${id}/stop`, {});
  await page.goto(`${server.origin}/sessions/${id}`);
  await page.getByRole('link', { name: 'Latency' }).last().click();
  await expect(
    page.getByRole('application', { name: /^Histogram of waiting for a CPU/ }),
  ).toBeVisible();
  await expect(
    page.getByRole('application', { name: /^Heatmap of waiting for a CPU/ }),
  ).toBeVisible();
  const stacks = page.getByRole('region', { name: 'Stacks of the selected events' });
  await expect(
    stacks.getByRole('application', { name: 'Flame graph of waiting for a CPU' }),
  ).toBeVisible();
  await test.step('a selection leads to the stacks of its waits', async () => {
    const latencies = page.url();
    await page.goto(`${latencies}&buckets=256-480`);
    await page.getByRole('link', { name: 'Off-CPU graph of these waits' }).click();
    await expect(page).toHaveURL(/mode=off-cpu.*waits=/);
    await expect(page.getByText(/^Only waits of .*: waiting for a CPU, throttled/)).toBeVisible();
    const functions = page.getByRole('table', { name: 'Functions' }).getByRole('row');
    await expect(functions.filter({ hasText: '[waiting for a CPU]' })).toBeVisible();
    await expect(functions.filter({ hasText: '[waiting: lock]' })).toHaveCount(0);
    await page.goto(latencies);
  });
  await test.step('events with stacks of their own are in it, too', async () => {
    await page.getByRole('radio', { name: 'Futexes' }).check();
    await expect(stacks.getByRole('application', { name: /^Flame graph of wait/ })).toBeVisible();
    await stacks.getByRole('link', { name: 'Open as a page' }).click();
    await expect(page).toHaveURL(/\/sessions\/.*mode=latency/);
    await expect(page.getByText(/^Futexes: wait/)).toBeVisible();
    await page.goBack();
  });
  await page.getByRole('radio', { name: 'Block I/O' }).check();
  await expect(
    page.getByRole('heading', { name: 'Block I/O: not in this recording' }),
  ).toBeVisible();
});

test('has exact histograms of waits while off-CPU profiling is on, as a part of it', async ({
  page,
}) => {
  await page.goto(server.url);
  await page.goto(`${server.origin}/latency?source=waits`);
  const histogramOf = (label: string): Locator =>
    page.getByRole('application', { name: new RegExp(`^Histogram of ${label}: [\\d,]+ events`) });
  const measure = page.getByRole('button', { name: 'Measure', exact: true });
  const stop = page.getByRole('button', { name: 'Stop measuring' });

  await test.step('they can be measured alone', async () => {
    await measure.click();
    await page.getByRole('button', { name: 'poll', exact: true }).click();
    await expect(histogramOf('poll')).toBeVisible();
    await stop.click();
  });
  await test.step('off-CPU profiling, which has their stacks, has them measured', async () => {
    await expect(measure).toBeEnabled();
    await page.getByRole('button', { name: 'Turn on off-CPU profiling' }).click();
    await expect(stop).toBeDisabled();
    await expect(stop).toHaveAttribute('title', 'Part of off-CPU profiling, which is on');
    await expect(page.getByRole('application', { name: 'Flame graph of poll' })).toBeVisible();
  });
  await test.step('what is selected leads to the graph of these waits', async () => {
    await page.getByRole('link', { name: 'Off-CPU graph of these waits' }).click();
    await expect(page.getByText(/^Only waits: poll/)).toBeVisible();
    await page.goBack();
  });
  await test.step('other sources leave them as they are', async () => {
    await page.getByRole('radio', { name: 'CPU run queue' }).check();
    await measure.click();
    await stop.click();
    await page.goto(`${server.origin}/threads`);
    await page.getByRole('button', { name: 'Stop off-CPU' }).click();
    await page.goto(`${server.origin}/latency?source=waits`);
    await expect(measure).toBeEnabled();
  });
});

test('is told apart by cgroup, live and in recordings', async ({ page }) => {
  const cgroup = `hearth-e2e-${process.pid}`;
  const directory = join(cgroup2Mount() ?? '', cgroup);
  mkdirSync(directory);
  const inside = spawn('sh', [
    '-c',
    'echo $$ > "$0"; while :; do sleep 0.02; done',
    join(directory, 'cgroup.procs'),
  ]);
  try {
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await page.goto(`${server.origin}/latency?source=syscalls&label=wait4`);
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    await page.getByRole('radio', { name: 'Containers, cgroups' }).check();
    const groups = page.getByRole('region', {
      name: 'Containers and cgroups of the selected events',
    });
    const row = groups.getByRole('button', { name: `/${cgroup}` });
    await expect(row).toHaveText(/1 process/);
    const processes = page.getByRole('region', { name: 'Processes of the selected events' });
    const isOfShellAlone = async (): Promise<void> => {
      await expect(row).toHaveAttribute('aria-pressed', 'true');
      await page.getByRole('radio', { name: 'Processes' }).check();
      await expect(processes.getByRole('listitem')).toHaveText(
        new RegExp(`^sh ${inside.pid}.*100`),
      );
      await expect(processes.getByText(`Only in /${cgroup}`)).toBeVisible();
    };
    await row.click();
    await expect(page).toHaveURL(new RegExp(`container=%2F${cgroup}&by=cgroup`));
    await isOfShellAlone();

    await test.step('a link shows the same of a recording', async () => {
      const { search } = new URL(page.url());
      await page.goto(server.origin);
      await page.getByRole('button', { name: 'Stop recording' }).click();
      await page.getByRole('link', { name: 'Open recording' }).click();
      await expect(page).toHaveURL(/\/sessions\//);
      const session = new URL(page.url()).pathname.split('/').at(-1);
      await page.goto(`${server.origin}/latency${search}&by=cgroup&session=${session}`);
      await isOfShellAlone();
      await page.getByRole('button', { name: 'Show all' }).click();
      await expect(processes.getByText(`Only in /${cgroup}`)).toBeHidden();
      await expect(page).not.toHaveURL(/container=/);
    });

    await test.step('its stacks are those of the cgroup', async () => {
      await page.goto(
        `${server.origin}/latency?source=syscalls&label=wait4&container=%2F${cgroup}`,
      );
      const stacks = page.getByRole('region', { name: 'Stacks of the selected events' });
      await stacks.getByRole('button', { name: 'Take stacks' }).click();
      await stacks.getByRole('link', { name: 'Open as a page' }).click();
      const list = page.getByRole('list', { name: 'Processes' }).getByRole('button');
      await expect(list).toHaveText([/^sh/]);
      await expect(page.getByRole('combobox', { name: 'Container or cgroup' })).toHaveValue(
        `/${cgroup}`,
      );
    });

    await test.step('several are named as such', async () => {
      await page.goto(`${server.origin}/?container=%2F${cgroup}&container=%2Fanother`);
      const box = page.getByRole('combobox', { name: 'Container or cgroup' });
      await expect(box.locator(':checked')).toHaveText('In 2 containers or cgroups');
      await box.selectOption(`/${cgroup}`);
      await expect(page).toHaveURL(new RegExp(`v=1&container=%2F${cgroup}$`));
      await expect(box.getByRole('option', { name: /^In 2 / })).toHaveCount(0);
    });

    await test.step('its threads are those of the cgroup', async () => {
      await page.getByRole('link', { name: 'Threads' }).click();
      await page.getByRole('button', { name: 'Turn on off-CPU profiling' }).click();
      const only = page.getByRole('button', { name: `Only /${cgroup} ×` });
      await expect(only).toBeVisible();
      const ledger = page.getByRole('table', { name: 'Ledger' });
      await expect(ledger).toContainText(String(inside.pid));
      await expect(ledger).not.toContainText('hearth-agent');
      await only.click();
      await expect(ledger).toContainText('hearth-agent');
      await page.getByRole('button', { name: 'Stop off-CPU' }).click();
    });
  } finally {
    inside.kill();
    await expect.poll(() => removed(directory)).toBe(true);
  }
});

/** Whether a cgroup could be removed: as soon as all of its processes have ended. */
function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

test('takes stacks of events when asked to, and shows those of what is selected', async ({
  page,
}) => {
  await page.goto(server.url);
  await page.goto(`${server.origin}/latency?source=syscalls`);
  await page.getByRole('button', { name: 'Measure', exact: true }).click();
  const table = page.getByRole('table', { name: 'Latencies by label' });
  await table.getByRole('button', { name: 'epoll_wait', exact: true }).click();
  const stacks = page.getByRole('region', { name: 'Stacks of the selected events' });
  await expect(stacks.getByText(/^Off\. .* at most 100 stacks a second/)).toBeVisible();
  await stacks.getByRole('button', { name: 'Take stacks' }).click();
  const graph = stacks.getByRole('application', { name: 'Flame graph of epoll_wait' });
  await expect(graph).toBeVisible();
  const drawn = async (): Promise<number> => {
    const text = await stacks.getByText(/ events? drawn, for /).innerText();
    return Number(text.split(' ')[0].replaceAll(',', ''));
  };
  await expect.poll(drawn).toBeGreaterThan(20);

  await test.step('it is of the selected lengths only', async () => {
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.waitForTimeout(1000); // for what was on its way
    const all = await drawn();
    const histogram = page.getByRole('application', { name: /^Histogram of epoll_wait/ });
    await histogram.focus();
    for (let i = 0; i < 8; i++) await page.keyboard.press('Shift+ArrowRight');
    await expect(page).toHaveURL(/buckets=/);
    // Only what is very short: seldom drawn, if ever.
    await expect
      .poll(async () => ((await graph.isVisible()) ? await drawn() : 0))
      .toBeLessThan(all);
    await page.keyboard.press('Escape');
    await expect.poll(drawn).toBe(all);
  });

  await test.step('it can be zoomed and searched, and opens as a page', async () => {
    await graph.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/zoom=/);
    await stacks.getByRole('searchbox', { name: 'Search functions' }).fill('epoll');
    await expect(stacks.getByText(/% matched$/)).toBeVisible();
    await stacks.getByRole('link', { name: 'Open as a page' }).click();
    await expect(page).toHaveURL(/mode=latency/);
    await expect(page.getByText('System calls: epoll_wait', { exact: true })).toBeVisible();
    const functions = page.getByRole('table', { name: 'Functions' }).getByRole('row');
    await expect(functions.filter({ hasText: '[epoll_wait]' })).toBeVisible();
    await page.getByRole('link', { name: 'Histogram' }).click();
    await expect(page).toHaveURL(/\/latency\?source=syscalls&label=epoll_wait/);
  });

  await test.step('it ends when asked to', async () => {
    await stacks.getByRole('button', { name: 'Stop taking stacks' }).click();
    await expect(stacks.getByRole('button', { name: 'Take stacks' })).toBeVisible();
  });
});
