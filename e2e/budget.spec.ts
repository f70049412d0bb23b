import { expect, test } from 'playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { API } from '@/profile/live-protocol';
import { startServer } from './real-server';

test('above the budget, less is sampled; it is said, and marked live and in recordings', async ({
  page,
}) => {
  // Less than any profiler uses.
  const server = await startServer({ args: ['--budget', '0.01'] });
  const workload = new RunningWorkload(compileWorkload('shares'), [150]);
  try {
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    const rate = page.getByRole('button', { name: /^Sampling rate/ });
    await expect(rate).toContainText('99 Hz');
    await expect(rate).toContainText('49 Hz', { timeout: 90_000 });
    await page.getByRole('button', { name: /^Budget.*sampling is lowered/ }).click();
    const changes = page.getByRole('list', { name: 'What the budget has changed' });
    await expect(changes).toContainText(
      /sampling lowered to 49 Hz: Hearth used [\d.]+ % of the machine, the budget is 0.01 %/,
    );
    await expect(page.getByRole('img', { name: 'sampling 99 Hz → 49 Hz' })).toBeVisible();

    // Without a limit, what was asked for is back.
    await page.getByRole('spinbutton', { name: 'Budget in percent of all CPUs' }).fill('0');
    await page.getByRole('spinbutton', { name: 'Memory budget in MB' }).fill('400');
    await page.getByRole('button', { name: 'Apply', exact: true }).click();
    await expect(rate).toContainText('99 Hz');
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByRole('link', { name: 'Open recording' }).click();
    await expect(page.getByRole('img', { name: 'sampling 99 Hz → 49 Hz' })).toBeVisible();
    await expect(page.getByRole('img', { name: /sampling \d+ Hz → 99 Hz/ })).toBeVisible();
    await expect(page.getByText(/^\d+ to 99 Hz$/)).toBeVisible();
  } finally {
    workload.child.kill();
    await server.stop();
  }
});

test('above the budget, latencies that cost most are thinned; it is said, live and in recordings', async ({
  page,
}) => {
  const server = await startServer({ args: ['--budget', '0.01'] });
  // Hundreds of thousands of system calls a second.
  const workload = new RunningWorkload(compileWorkload('ping-pong'), [1, 100_000]);
  try {
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    // What is measured from the first slice on is no change.
    await expect(page.getByTitle('It has been recording for this long')).toContainText(/[1-9]/);
    await page.getByRole('link', { name: 'Latency' }).first().click();
    for (const source of ['System calls', 'CPU run queue']) {
      await page.getByRole('radio', { name: source }).check();
      await page.getByRole('button', { name: 'Measure', exact: true }).click();
      await expect(page.getByRole('button', { name: 'Stop measuring' })).toBeVisible();
    }
    const table = page.getByRole('table', { name: 'Latencies by label' });
    await expect(table.getByRole('button', { name: 'waiting for a CPU' })).toBeVisible();
    const isEstimate = page.getByRole('alert').filter({ hasText: 'Counts are estimates' });
    await expect(isEstimate).toBeHidden();
    await expect(isEstimate).toContainText(/one event in \d+ is timed/, { timeout: 90_000 });
    await expect(table.getByTitle(/^Standard error of the count/)).toBeVisible();
    const heatmap = page.getByRole('application', { name: /^Heatmap of/ });
    const change = /latencies all timed → one in 2 timed/;
    await expect(heatmap.getByRole('img', { name: change })).toBeVisible();
    await page.getByRole('button', { name: 'Stop measuring' }).click();
    const ended = heatmap.getByRole('img', { name: 'CPU run queue measured → off' });
    await expect(ended).toBeVisible();
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    const again = heatmap.getByRole('img', { name: 'CPU run queue off → measured' });
    await expect(again).toBeVisible();
    await expect(ended).toBeVisible();

    await page.goto(server.origin);
    await page.getByRole('button', { name: /^Budget.*sampling is lowered/ }).click();
    const changes = page.getByRole('list', { name: 'What the budget has changed' });
    await expect(changes).toContainText(
      /CPU run queue and System calls: one in 2 timed, those of 200 ms and more all: Hearth used/,
    );
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByRole('link', { name: 'Open recording' }).click();
    // Once more where what was switched off and on made the budget begin anew.
    await expect(page.getByRole('img', { name: change }).first()).toBeVisible();
    await expect(page.getByRole('img', { name: 'System calls off → measured' })).toBeVisible();
    await page.getByRole('link', { name: 'Latency' }).last().click();
    await expect(isEstimate).toContainText(/one event in \d+ is timed/);
    await expect(heatmap.getByRole('img', { name: change }).first()).toBeVisible();
    await expect(ended).toBeVisible();
    // And where it was switched on at first.
    await expect(again).toHaveCount(2);
  } finally {
    workload.child.kill();
    await server.stop();
  }
});

test('what costs more than the budget by itself is switched off; it is said where it was, and may be switched on again', async ({
  page,
}) => {
  // At the lowest rate and the longest threshold there is no step to take before.
  const server = await startServer({ args: ['--budget', '0.01', '-F', '11'] });
  const workload = new RunningWorkload(compileWorkload('ping-pong'), [1, 100_000]);
  try {
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await page.evaluate(async (url) => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ enabled: true, thresholdNs: 160e6 });
      const answer = await fetch(url, { method: 'PUT', headers, body });
      if (!answer.ok) throw new Error(await answer.text());
    }, `${API}/off-cpu`);
    await page.getByRole('link', { name: 'Threads' }).first().click();
    await expect(page.getByRole('button', { name: 'Stop off-CPU' })).toBeVisible();
    const why = page.getByRole('alert').filter({ hasText: 'to keep to the budget' });
    await expect(why).toContainText(
      /^Off-CPU profiling: switched off at .* Measuring took [\d.]+ % of the machine in BPF programs alone, the budget is 0.01 %/,
      { timeout: 120_000 },
    );
    await why.getByRole('button', { name: 'Turn on off-CPU profiling' }).click();
    await expect(page.getByRole('button', { name: 'Stop off-CPU' })).toBeVisible();
    await expect(why).toBeHidden();

    await page.goto(server.origin);
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByRole('link', { name: 'Open recording' }).click();
    await expect(page.getByRole('img', { name: 'waits all from 160 ms on → off' })).toBeVisible();
    await expect(page.getByRole('img', { name: 'waits off → all from 10 ms on' })).toBeVisible();
  } finally {
    workload.child.kill();
    await server.stop();
  }
});
