import { expect, type JSHandle, type Locator, type Page, test } from 'playwright/test';
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

test('the keyboard moves through many functions, which are one stop of the Tab key', async ({
  page,
}) => {
  const count = 500;
  const number = (i: number): string => String(i).padStart(3, '0');
  const lines = Array.from({ length: count }, (_, i) => `main;f${number(i)} ${2 * count - i}`);
  await openStacks(page, lines);
  const table = page.getByRole('table', { name: 'Functions' });
  const row = (i: number) => table.getByRole('button', { name: `f${number(i)}`, exact: true });
  await expect(row(0)).toBeVisible();

  await table.getByRole('button', { name: 'Function', exact: true }).focus();
  await page.keyboard.press('Tab');
  await expect(row(0)).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(row(0)).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(row(2)).toBeFocused();
  await page.keyboard.press('PageDown');
  await page.keyboard.press('PageDown');
  await expect(row(2)).not.toBeInViewport();
  const focused = table.locator(':focus');
  await expect(focused).toBeInViewport({ ratio: 1 });
  await page.keyboard.press('PageUp');
  await page.keyboard.press('PageUp');
  await expect(row(2)).toBeFocused();
  await expect(row(2)).toBeInViewport({ ratio: 1 });
  for (let i = 3; i < 60; i++) {
    await page.keyboard.press('ArrowDown');
    await expect(row(i)).toBeFocused();
  }
  await expect(row(59)).toBeInViewport({ ratio: 1 });
  await page.keyboard.press('End');
  await expect(table.getByRole('button', { name: 'main', exact: true })).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(row(count - 1)).toBeFocused();

  await page.keyboard.press('Enter');
  await expect(page.getByRole('searchbox', { name: 'Search functions' })).toHaveValue(
    `f${number(count - 1)}`,
  );
  await expect(row(count - 1)).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('Enter');
  await expect(table).toContainText('f000');

  // The row that had the focus is far below; Tab leads out, and back to where it was.
  await expect(row(count - 1)).toBeHidden();
  await expect(row(0)).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Shift+Tab');
  await expect(table.getByRole('button', { name: 'Function', exact: true })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(row(1)).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(table.locator(':focus')).toHaveCount(0);
});

test('processes are one stop of the Tab key', async ({ page }) => {
  await page.goto(server.url);
  const list = page.getByRole('list', { name: 'Processes' });
  const rows = list.getByRole('button');
  await expect(rows.nth(2)).toBeVisible();
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByRole('button', { name: 'All processes' }).focus();
  await page.keyboard.press('Tab');
  await expect(rows.nth(0)).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(rows.nth(1)).toBeFocused();
  await page.keyboard.press('Space');
  await expect(rows.nth(1)).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('Home');
  await expect(rows.nth(0)).toBeFocused();
  await page.keyboard.press('End');
  await expect(rows.last()).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(list.locator(':focus')).toHaveCount(0);
});

/** Of the rows of a list or table, from the top; all at the same moment, as a locator of many elements is not. */
function textsIn(list: Locator): Promise<string[]> {
  return list.evaluate((element) =>
    [...element.querySelectorAll<HTMLElement>('li, tr')].map(({ innerText }) => innerText),
  );
}

/** Shares in percent, from the top. */
async function sharesIn(list: Locator): Promise<number[]> {
  const texts = await textsIn(list);
  return texts.flatMap((text) => {
    const share = /(<?)([\d.]+)%/.exec(text);
    return share === null ? [] : [share[1] === '<' ? 0 : Number(share[2])];
  });
}

/** The keys of rows that exist, from the top. */
function rowsIn(list: Locator): Promise<string[]> {
  return list.evaluate((element) =>
    [...element.querySelectorAll<HTMLElement>('[data-row]')].map(({ dataset }) => `${dataset.row}`),
  );
}

/** The rows that are there now, from the top, less those that leave the list from now on: one that comes back is new. */
function rowsThatStay(list: Locator): Promise<JSHandle<Set<string>>> {
  return list.evaluateHandle((element) => {
    const rows = (): string[] =>
      [...element.querySelectorAll<HTMLElement>('[data-row]')].map(
        ({ dataset }) => `${dataset.row}`,
      );
    const staying = new Set(rows());
    new MutationObserver(() => {
      const now = new Set(rows());
      for (const row of staying) if (!now.has(row)) staying.delete(row);
    }).observe(element, { childList: true, subtree: true, attributeFilter: ['data-row'] });
    return staying;
  });
}

/** For some seconds, rows of before that are there stay in their order, and the focus where it is. */
async function expectHeld(list: Locator, before?: JSHandle<Set<string>>): Promise<void> {
  const staying = before ?? (await rowsThatStay(list));
  const focused = list.locator(':focus');
  const key = (await focused.count()) === 0 ? undefined : await focused.getAttribute('data-row');
  for (let i = 0; i < 20; i++) {
    const { now, stayed } = await list.evaluate(
      (element, rows) => ({
        now: [...element.querySelectorAll<HTMLElement>('[data-row]')]
          .map(({ dataset }) => `${dataset.row}`)
          .filter((row) => rows.has(row)),
        stayed: [...rows],
      }),
      staying,
    );
    expect(now).toEqual(stayed);
    if (key !== undefined) await expect(focused).toHaveAttribute('data-row', `${key}`);
    await list.page().waitForTimeout(150);
  }
}

test('live lists are in the order of the numbers that they show', async ({ page }) => {
  await page.goto(server.url);
  const lists = [
    page.getByRole('list', { name: 'Processes' }),
    page.getByRole('table', { name: 'Functions' }),
  ];
  for (const list of lists) await expect.poll(() => sharesIn(list)).not.toHaveLength(0);
  for (let i = 0; i < 30; i++) {
    for (const list of lists) {
      const shares = await sharesIn(list);
      expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    }
    await page.waitForTimeout(150);
  }
});

test('live lists stay as they are where somebody aims at a row', async ({ page }) => {
  await page.goto(server.url);
  const processes = page.getByRole('list', { name: 'Processes' });
  const functions = page.getByRole('table', { name: 'Functions' });
  for (const list of [processes, functions]) {
    await list.locator('[data-row]').nth(3).hover();
    await expectHeld(list);
  }
  await page.mouse.move(1, 1);

  await test.step('with the keyboard, too', async () => {
    await functions.locator('[tabindex="0"][data-row]').focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowDown');
    await expectHeld(functions);
    await page.keyboard.press('End');
    const pause = page.getByRole('button', { name: 'Pause', exact: true });
    await pause.focus();
    await page.waitForTimeout(2000);
    await expect(pause).toBeFocused();
  });

  await test.step('until the keyboard is elsewhere', async () => {
    await page.getByRole('button', { name: 'All processes' }).focus();
    await page.keyboard.press('Tab');
    const before = await rowsThatStay(processes);
    const third = (await rowsIn(processes))[2];
    workload = new RunningWorkload(compileWorkload('shares'), [60]);
    const placeOfNew = async () => (await rowsIn(processes)).indexOf(`${workload?.pid}`);
    await expect.poll(placeOfNew).toBeGreaterThan(0);
    await expectHeld(processes, before);
    expect(await placeOfNew()).toBeGreaterThan((await rowsIn(processes)).indexOf(third));
    await page.keyboard.press('Tab');
    await expect(processes.locator(':focus')).toHaveCount(0);
    await expect.poll(placeOfNew).toBeLessThan(3);
  });

  await test.step('until the pointer has rested for a while', async () => {
    workload?.child.kill();
    await processes.locator('[data-row]').nth(3).hover();
    workload = new RunningWorkload(compileWorkload('shares'), [60]);
    const placeOfNew = async () => (await rowsIn(processes)).indexOf(`${workload?.pid}`);
    await expect.poll(placeOfNew).toBeGreaterThan(2);
    await expect.poll(placeOfNew, { timeout: 30_000 }).toBeLessThan(3);
  });
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
