/** Opening a large file of collapsed stacks: time to the first picture and memory, beside speedscope in the same Chromium. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { type Browser, chromium, type Page } from '@playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { ROOT } from '@/server/root';
import { type Bench, median } from './bench';
import { writeCollapsedTree } from './collapsed-tree';
import { ownBytes, residentBytes } from './processes';

const SIZES = [20_000, 200_000, 1_000_000];
const ROUNDS = 3;
const TIMEOUT_MS = 180_000;
const MIB = 1024 * 1024;

interface Opened {
  readonly seconds: number;
  /** Of the process that shows the page, with its workers: all, and without the browser's program, which is most of it. */
  readonly residentMib: number;
  readonly ownMib: number;
}

/** A way to open a file and to know that it is drawn. */
interface Viewer {
  open(page: Page): Promise<void>;
  isDrawn(page: Page): Promise<unknown>;
}

const SPEEDSCOPE = join(ROOT, 'node_modules/speedscope/dist/release');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

function serveSpeedscope(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = join(SPEEDSCOPE, normalize(new URL(request.url ?? '/', 'http://x').pathname));
    if (!path.startsWith(SPEEDSCOPE) || !existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      resolve({ url: `http://127.0.0.1:${address.port}/index.html`, close: () => server.close() });
    });
  });
}

async function openIn(viewer: Viewer, file: string): Promise<Opened> {
  // A new browser each time: nothing of the round before is in its memory.
  const browser = await chromium.launch(CHROMIUM);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await viewer.open(page);
    const start = performance.now();
    await page.locator('input[type=file]').first().setInputFiles(file);
    await viewer.isDrawn(page);
    const seconds = (performance.now() - start) / 1000;
    const pid = await largestRenderer(browser);
    return { seconds, residentMib: residentBytes(pid) / MIB, ownMib: ownBytes(pid) / MIB };
  } finally {
    await browser.close();
  }
}

async function largestRenderer(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  return pids.reduce((a, b) => (residentBytes(a) >= residentBytes(b) ? a : b));
}

export const opening: Bench = {
  name: 'opening',
  what: 'collapsed stacks of 20 thousand, 200 thousand and a million tree nodes, beside speedscope',
  async run(report) {
    const directory = mkdtempSync(join(tmpdir(), 'hearth-opening-'));
    const server = await startServer();
    const peer = await serveSpeedscope();
    const hearth: Viewer = {
      open: async (page) => {
        // Signs in without the live page, whose memory is not that of a file.
        await page.request.get(server.url);
        await page.goto(`${server.origin}/open`);
      },
      isDrawn: (page) =>
        page.waitForFunction(() => performance.getEntriesByName('hearth:first-picture').length > 0),
    };
    const speedscope: Viewer = {
      open: async (page) => {
        await page.goto(peer.url);
      },
      // The tabs are there when there is a profile; it is drawn with the next frame.
      isDrawn: (page) =>
        page
          .waitForFunction(() => document.body.textContent.includes('Time Order'))
          .then(() =>
            page.evaluate(
              () =>
                new Promise((resolve) =>
                  requestAnimationFrame(() => requestAnimationFrame(resolve)),
                ),
            ),
          ),
    };
    try {
      for (const size of SIZES) {
        const file = join(directory, `${size}.txt`);
        const { nodes } = writeCollapsedTree(file, size);
        const results = { hearth: [] as Opened[], speedscope: [] as Opened[] };
        for (let round = 0; round < ROUNDS; round++) {
          results.hearth.push(await openIn(hearth, file));
          results.speedscope.push(await openIn(speedscope, file));
        }
        const pick = (key: keyof Opened, viewer: keyof typeof results): number =>
          median(results[viewer].map((opened) => opened[key]));
        const what = `${nodes.toLocaleString('en')} nodes`;
        report(
          `${what}: first picture`,
          's',
          pick('seconds', 'hearth'),
          'speedscope',
          pick('seconds', 'speedscope'),
        );
        report(
          `${what}: resident memory`,
          'MiB',
          pick('residentMib', 'hearth'),
          'speedscope',
          pick('residentMib', 'speedscope'),
        );
        report(
          `${what}: resident memory without mapped files`,
          'MiB',
          pick('ownMib', 'hearth'),
          'speedscope',
          pick('ownMib', 'speedscope'),
        );
        rmSync(file);
      }
    } finally {
      peer.close();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  },
};
