import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { ROOT } from '@/server/root';
import { type RealServer, startServer } from './real-server';

let server: RealServer;
let workload: RunningWorkload;
let folder: string;

test.beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-stripped-'));
  // For the web process, which is another user.
  chmodSync(folder, 0o755);
  server = await startServer();
});

test.afterEach(async () => {
  workload?.child.kill();
  await server.stop();
  rmSync(folder, { recursive: true });
});

test('a recording of a stripped program gets its names when its symbols are installed', async ({
  page,
}) => {
  const [program, debug, hidden] = ['shares', 'shares.debug', 'hidden.debug'].map((name) =>
    join(folder, name),
  );
  execFileSync('objcopy', ['--only-keep-debug', compileWorkload('shares'), debug]);
  execFileSync('objcopy', [
    '--strip-all',
    `--add-gnu-debuglink=${debug}`,
    compileWorkload('shares'),
    program,
  ]);
  copyFileSync(debug, hidden);
  rmSync(debug);
  workload = new RunningWorkload(program, [60]);

  await page.goto(server.url);
  const api = `${server.origin}/api/v1/sessions`;
  const created = await page.request.post(api, { data: { name: 'stripped' } });
  const { id } = (await created.json()) as { id: string };
  await sleep(4000);
  await page.request.post(`${api}/${id}/stop`, { data: {} });

  await page.goto(`${server.origin}/sessions/${id}`);
  const table = page.getByRole('table', { name: 'Functions' });
  await expect(table.getByRole('row').filter({ hasText: 'shares+0x' }).first()).toBeVisible();
  await expect(table.getByText('spin', { exact: true })).toHaveCount(0);

  copyFileSync(hidden, debug);
  await page.getByRole('button', { name: 'Symbolize again' }).click();
  await page.getByRole('button', { name: 'Look for symbols' }).click();
  const dialog = page.getByRole('dialog', { name: 'Symbolize again' });
  await expect(dialog.getByText(/places in the code, .* had no name before/)).toBeVisible();
  await expect(dialog.getByText(program)).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(table.getByText('spin', { exact: true })).toBeVisible();
  await page.reload();
  await expect(table.getByText('spin', { exact: true })).toBeVisible();

  // From the command line: by the server while it runs, and without it.
  const symbolize = (session: string) =>
    spawnSync(join(ROOT, 'bin/hearth'), ['symbolize', session, '--json'], {
      env: { ...process.env, HEARTH_DATA_DIR: server.dataDirectory },
      encoding: 'utf8',
    });
  const byServer = symbolize('stripped');
  expect(byServer.stderr).toBe('');
  expect(byServer.status).toBe(0);
  const report = JSON.parse(byServer.stdout) as { modules: { module: string }[] };
  expect(report.modules.map(({ module }) => module)).toContain(program);
  const unknown = symbolize('nothing');
  expect(unknown.status).toBe(1);
  expect(unknown.stderr).toMatch(/There is no session nothing/);

  await server.stop(true);
  const byItself = symbolize(id);
  expect(byItself.stderr).toBe('');
  expect(byItself.status).toBe(0);
  expect(byItself.stdout).toMatch(/"unnamedBefore"/);
});
