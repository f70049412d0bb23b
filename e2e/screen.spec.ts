import { expect, type Page, test } from '@playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { type RealServer, startServer } from './real-server';

let server: RealServer;
let workload: RunningWorkload | undefined;

test.beforeEach(async () => {
  server = await startServer();
});

test.afterEach(async () => {
  workload?.child.kill();
  workload = undefined;
  await server.stop();
});

/** Opens a file of collapsed stacks. */
async function openStacks(page: Page, lines: readonly string[]): Promise<void> {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Open file' }).click();
  await page.locator('input[type=file]').setInputFiles({
    name: 'stacks.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from(`${lines.join('\n')}\n`),
  });
}

const STACKS = [
  'main;void std::sort<int*, Less>(int*, int*, Less);Less::operator()(int, int) const 30',
  'main;<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop::h0123456789abcdef 20',
];

test('names are short, and full where one asks for them', async ({ page }) => {
  await openStacks(page, STACKS);
  const table = page.getByRole('table', { name: 'Functions' });
  await expect(table).toContainText('std::sort<…>');
  await expect(table).toContainText('<Vec<…> as Drop>::drop');
  await expect(table).not.toContainText('h0123456789abcdef');
  await expect(table.getByTitle('void std::sort<int*, Less>(int*, int*, Less)')).toBeVisible();

  await page.getByRole('searchbox', { name: 'Search functions' }).fill('int, int');
  await expect(table).toContainText('Less::operator()');
  await expect(table).not.toContainText('std::sort');
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Full names' }).click();
  await expect(page).toHaveURL(/names=full/);
  await expect(table).toContainText('void std::sort<int*, Less>(int*, int*, Less)');
});

test('an expression that is not finished hides nothing', async ({ page }) => {
  await openStacks(page, STACKS);
  const table = page.getByRole('table', { name: 'Functions' });
  await expect(table).toContainText('main');
  const search = page.getByRole('searchbox', { name: 'Search functions' });
  await search.pressSequentially('/so(');
  await expect(search).toHaveAttribute('aria-invalid', 'true');
  await expect(table).toContainText('main');
  await search.pressSequentially('rt)/');
  await expect(search).toHaveAttribute('aria-invalid', 'false');
  await expect(table).not.toContainText('main');
});

test('the keyboard moves through the graph without a click', async ({ page }) => {
  await openStacks(page, STACKS);
  await expect(page.getByRole('table', { name: 'Functions' })).toContainText('main');
  const selected = page.getByTestId('selected-frame');
  await page.keyboard.press('ArrowDown');
  await expect(selected).toContainText('all');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(selected).toContainText('std::sort<…>');
  await page.keyboard.press('ArrowLeft');
  await expect(selected).toContainText('Drop>::drop');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/zoom=/);
  await page.keyboard.press('Escape');
  await expect(page).not.toHaveURL(/zoom=/);
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox', { name: 'Search functions' })).toBeFocused();
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
});

test('a second file does not wait for the first', async ({ page }) => {
  await page.goto(server.url);
  await page.getByRole('link', { name: 'Open file' }).click();
  const line = `${Array.from({ length: 60 }, (_, i) => `frame_${i}`).join(';')};leaf_`;
  const large = Array.from({ length: 60_000 }, (_, i) => `${line}${i} 1`).join('\n');
  const input = page.locator('input[type=file]');
  await input.setInputFiles({
    name: 'large.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from(large),
  });
  await input.setInputFiles({
    name: 'small.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('small;quick 1\n'),
  });
  const table = page.getByRole('table', { name: 'Functions' });
  await expect(table).toContainText('quick');
  await page.waitForTimeout(3000);
  await expect(table).toContainText('quick');
});

/** No unwind tables, no frame pointers, and something else in the register where these would be. */
const NOT_UNWINDABLE = [
  '-O1',
  '-fomit-frame-pointer',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  ...['rbx', 'r12', 'r13', 'r14', 'r15'].map((register) => `-ffixed-${register}`),
  '-pthread',
];

test('the health of stacks is told by reason, file and process', async ({ page }) => {
  workload = new RunningWorkload(compileWorkload('shares', NOT_UNWINDABLE), [60]);
  await page.goto(server.url);
  await page.getByRole('button', { name: `shares (${workload.pid})` }).click();
  await expect
    .poll(async () => {
      const name = await page
        .getByRole('button', { name: /^Whole stacks:/ })
        .getAttribute('aria-label');
      return Number(/[\d.]+/.exec(name ?? '')?.[0]);
    })
    .toBeLessThan(20);
  await page.getByRole('button', { name: /^Whole stacks:/ }).click();
  const panel = page.getByRole('dialog', { name: 'Stack health' });
  const reasons = panel.getByRole('list', { name: 'Why stacks are not whole' });
  await expect(reasons).toContainText('-fno-omit-frame-pointer');
  await expect(reasons).toContainText('shares');
  const process = panel.getByRole('list', { name: 'Stack health by process' });
  const shares = `shares (${workload.pid})`;
  await process.getByRole('button', { name: `Why not all stacks of ${shares} are whole` }).click();
  await expect(process.getByText(/: shares$/).first()).toBeVisible();

  // It is looked at alone; a click shows all processes again, and one more this one.
  const one = process.getByRole('button', { name: shares, exact: true });
  const inList = page.getByRole('region', { name: 'Process list' });
  await expect(one).toHaveAttribute('aria-pressed', 'true');
  await one.click();
  await expect(page).not.toHaveURL(/pid/);
  await expect(one).toHaveAttribute('aria-pressed', 'false');
  await one.click();
  await expect(page).toHaveURL(new RegExp(`pids?=${workload.pid}`));
  await expect(inList.getByRole('button', { name: shares })).toHaveAttribute(
    'aria-pressed',
    'true',
  );
  await page.keyboard.press('Escape');
  await expect(panel).toBeHidden();

  await page.getByRole('button', { name: /^Named frames:/ }).click();
  await expect(page.getByRole('dialog', { name: 'Frames without names' })).toContainText(
    'have no function’s name',
  );
});

test('a recording that starts while nothing is reported shows at once', async ({ page }) => {
  await page.goto(server.url);
  await expect(page.getByRole('button', { name: /^Whole stacks:/ })).toBeVisible();
  const { agent } = server.pids();
  process.kill(agent as number, 'SIGSTOP');
  try {
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await expect(page.getByRole('button', { name: 'Stop recording' })).toBeVisible();
  } finally {
    process.kill(agent as number, 'SIGCONT');
  }
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await expect(page.getByRole('link', { name: 'Open recording' })).toBeVisible();
});
