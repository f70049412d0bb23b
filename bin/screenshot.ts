// SPDX-License-Identifier: Apache-2.0
/** npm run screenshot: takes the pictures of the live view in docs/, of the real server while this machine has work. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { ROOT } from '@/server/root';

const PICTURES = { light: 'docs/screenshot.png', dark: 'docs/screenshot-dark.png' } as const;
const SIZE = { width: 1440, height: 860 };
/** Fills the 15 s window. */
const WATCH_MS = 16_000;

/** JavaScript that V8 names by --perf-basic-prof: lays out a random graph by force, over and over. */
const LAYOUT = `
  import { forceCollide, forceLink, forceManyBody, forceSimulation } from 'd3';
  for (;;) {
    const nodes = Array.from({ length: 1500 }, (_, id) => ({ id, r: 1 + (id % 7) }));
    const links = nodes.map(({ id }) => ({ source: id, target: Math.floor(id * Math.random()) }));
    forceSimulation(nodes)
      .force('charge', forceManyBody())
      .force('link', forceLink(links))
      .force('collide', forceCollide((node) => node.r))
      .stop()
      .tick(60);
  }`;

/** Go with symbols: bundles the same packages, over and over, in one process that stays. */
const BUNDLE = `
  import { build } from 'esbuild';
  for (;;) {
    await build({
      stdin: { contents: "import 'd3'; import 'react-dom/server'; import 'socket.io'; import 'zod';", resolveDir: '.' },
      bundle: true, minify: true, write: false, platform: 'node', logLevel: 'silent',
    });
  }`;

function startWork(): ChildProcess[] {
  const options = { cwd: ROOT, stdio: 'ignore', detached: true } as const;
  // V8 writes a log beside the map.
  const flags = ['--perf-basic-prof', '--no-logfile-per-isolate', '--logfile=/dev/null'];
  return [LAYOUT, BUNDLE].map((script) =>
    spawn('node', [...flags, '--input-type=module', '-e', script], options),
  );
}

async function takePicture(
  browser: Browser,
  url: string,
  colorScheme: keyof typeof PICTURES,
): Promise<void> {
  const context = await browser.newContext({ viewport: SIZE, colorScheme });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole('radio', { name: /15 s/ }).click();
  await sleep(WATCH_MS);
  await page.screenshot({ path: join(ROOT, PICTURES[colorScheme]) });
  await context.close();
  console.log(PICTURES[colorScheme]);
}

mkdirSync(join(ROOT, 'docs'), { recursive: true });
const server = await startServer();
const work = startWork();
try {
  const browser = await chromium.launch(CHROMIUM);
  for (const scheme of ['light', 'dark'] as const) await takePicture(browser, server.url, scheme);
  await browser.close();
} finally {
  // Each leads a process group of its own, with all that it started.
  for (const { pid } of work) {
    if (pid === undefined) continue;
    process.kill(-pid, 'SIGKILL');
    rmSync(`/tmp/perf-${pid}.map`, { force: true });
  }
  await server.stop();
}
