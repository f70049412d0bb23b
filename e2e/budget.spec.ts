import { expect, test } from '@playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { startServer } from './real-server';

test('above the budget, less is sampled; it is said, and marked in recordings', async ({
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

    // Without a limit, what was asked for is back.
    await page.getByRole('spinbutton', { name: 'Budget in percent of all CPUs' }).fill('0');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(rate).toContainText('99 Hz');
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByRole('link', { name: 'Open recording' }).click();
    await expect(page.getByRole('img', { name: 'sampling 99 Hz → 49 Hz' })).toBeVisible();
    await expect(page.getByRole('img', { name: /sampling \d+ Hz → 99 Hz/ })).toBeVisible();
  } finally {
    workload.child.kill();
    await server.stop();
  }
});
