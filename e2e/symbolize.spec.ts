import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'playwright/test';
import { compileWorkload, FRAME_POINTERS } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { ROOT } from '@/server/root';
import { type RealServer, startServer } from './real-server';

let server: RealServer;
let workload: RunningWorkload;
let folder: string;

test.beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-stripped-'));
  // For the web process, which is another user.
  chmodSync(folder, 0o755);
});

test.afterEach(async () => {
  workload?.child.kill();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** A stripped program; the debug file that its debug link names is not there, but hidden. */
function stripWorkload(): { program: string; debug: string; hidden: string } {
  const [program, debug, hidden] = ['shares', 'shares.debug', 'hidden.debug'].map((name) =>
    join(folder, name),
  );
  const whole = compileWorkload('shares', [...FRAME_POINTERS, '-Wl,--build-id=sha1']);
  execFileSync('objcopy', ['--only-keep-debug', whole, debug]);
  execFileSync('objcopy', ['--strip-all', `--add-gnu-debuglink=${debug}`, whole, program]);
  copyFileSync(debug, hidden);
  rmSync(debug);
  return { program, debug, hidden };
}

test('a recording of a stripped program gets its names when its symbols are installed', async ({
  page,
}) => {
  const { program, debug, hidden } = stripWorkload();
  server = await startServer();
  workload = new RunningWorkload(program, [60]);

  await page.goto(server.url);
  const api = `${server.origin}/api/v1/sessions`;
  const created = await page.request.post(api, { data: { name: 'stripped' } });
  const { id } = (await created.json()) as { id: string };
  await sleep(4000);
  await page.request.post(`${api}/${id}/stop`, { data: {} });

  await page.goto(`${server.origin}/sessions/${id}`);
  await page.getByRole('button', { name: `shares (${workload.pid})` }).click();
  const table = page.getByRole('table', { name: 'Functions' });
  await expect(table.getByRole('row').filter({ hasText: 'shares+0x' }).first()).toBeVisible();
  await expect(table.getByText('spin', { exact: true })).toHaveCount(0);

  copyFileSync(hidden, debug);
  await page.getByRole('button', { name: 'Symbolize again' }).click();
  await page.getByRole('button', { name: 'Look for symbols' }).click();
  const dialog = page.getByRole('dialog', { name: 'Symbolize again' });
  await expect(dialog.getByText(/places in the code, .* had no name before/)).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(table.getByText('spin', { exact: true })).toBeVisible();
  await page.reload();
  await expect(table.getByText('spin', { exact: true })).toBeVisible();

  // From the command line: by the server while it runs, and without it.
  const symbolize = (session: string) =>
    spawnSync(join(ROOT, 'bin/hearth'), ['symbolize', session, '--json'], {
      // Not the runner's own: Node.js warns where both of its wishes for colours are there.
      env: {
        NODE_ENV: 'production',
        PATH: process.env.PATH,
        HEARTH_DATA_DIR: server.dataDirectory,
      },
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

test('a stripped program gets its names from a debuginfod server while it is watched', async ({
  page,
}) => {
  const { program, hidden } = stripWorkload();
  const asked: string[] = [];
  const debuginfod = createServer((request, response) => {
    asked.push(request.url ?? '');
    const notes = execFileSync('readelf', ['-n', program], { encoding: 'utf8' });
    const buildId = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1];
    if (request.url === `/buildid/${buildId}/debuginfo`) response.end(readFileSync(hidden));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(debuginfod, 'listening');
  const { port } = debuginfod.address() as AddressInfo;
  try {
    server = await startServer({ environment: { DEBUGINFOD_URLS: `http://127.0.0.1:${port}` } });
    workload = new RunningWorkload(program, [60]);
    await page.goto(server.url);
    await page.getByRole('button', { name: `shares (${workload.pid})` }).click();
    const table = page.getByRole('table', { name: 'Functions' });
    await expect(table.getByText('spin', { exact: true })).toBeVisible({ timeout: 30_000 });
    expect(asked.length).toBeGreaterThan(0);
  } finally {
    debuginfod.close();
    debuginfod.closeAllConnections();
  }
});
