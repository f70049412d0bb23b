/** Opening a large file of collapsed stacks: time to the first picture and memory, beside speedscope in the same Chromium. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { chromium, type Page } from 'playwright/test';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { ROOT } from '@/server/root';
import { type Bench, median } from './bench';
import { writeCollapsedTree } from './collapsed-tree';
import { heapMemory, processMemory } from './page-memory';

const SIZES = [20_000, 200_000, 1_000_000];
/** What a viewer takes for itself: with hardly a profile in it. */
const TINY = 5;
const ROUNDS = 3;
const TIMEOUT_MS = 180_000;
const MIB = 1024 * 1024;

interface Opened extends Memory {
  readonly seconds: number;
}

/** MiB. */
interface Memory {
  /** When the picture is there, as the kernel counts it. */
  readonly resident: number;
  readonly own: number;
  /** After a collection of garbage, as V8 counts it. */
  readonly javascript: number;
  readonly heaps: number;
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
    return { seconds, ...(await memoryOf(page)) };
  } finally {
    await browser.close();
  }
}

/** What Chromium takes of itself, and the scripts by which Playwright drives it. */
async function emptyPage(file: string): Promise<Memory> {
  const browser = await chromium.launch(CHROMIUM);
  try {
    const page = await browser.newPage();
    await page.setContent('<input type="file">');
    await page.locator('input[type=file]').first().setInputFiles(file);
    await page.waitForFunction(() => document.querySelector('input')?.files?.length === 1);
    return await memoryOf(page);
  } finally {
    await browser.close();
  }
}

async function memoryOf(page: Page): Promise<Memory> {
  const browser = page.context().browser();
  if (browser === null) throw new Error('the page has no browser');
  await page.evaluate(TWO_FRAMES);
  const { resident, own } = await processMemory(browser);
  const { javascript, all } = await heapMemory(page);
  return {
    resident: resident / MIB,
    own: own / MIB,
    javascript: javascript / MIB,
    heaps: all / MIB,
  };
}

/** What was drawn is on the screen by then. */
const TWO_FRAMES =
  'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';

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
          .then(() => page.evaluate(TWO_FRAMES)),
    };
    const openInBoth = async (size: number) => {
      const file = join(directory, `${size}.txt`);
      const { nodes } = writeCollapsedTree(file, size);
      const opened = { nodes, hearth: [] as Opened[], speedscope: [] as Opened[] };
      for (let round = 0; round < ROUNDS; round++) {
        opened.hearth.push(await openIn(hearth, file));
        opened.speedscope.push(await openIn(speedscope, file));
      }
      rmSync(file);
      return opened;
    };
    try {
      const any = join(directory, 'any.txt');
      writeCollapsedTree(any, TINY);
      const empty = await emptyPage(any);
      const tiny = await openInBoth(TINY);
      for (const size of SIZES) {
        const results = await openInBoth(size);
        const { nodes } = results;
        const what = `${nodes.toLocaleString('en')} nodes`;
        /** `less`: what is taken away of each viewer's number. */
        const compare = (
          metric: string,
          unit: string,
          of: (opened: Opened) => number,
          less: (viewer: 'hearth' | 'speedscope') => number = () => 0,
        ): void =>
          report(
            `${what}: ${metric}`,
            unit,
            median(results.hearth.map(of)) - less('hearth'),
            'speedscope',
            median(results.speedscope.map(of)) - less('speedscope'),
          );
        compare('first picture', 's', ({ seconds }) => seconds);
        compare('resident', 'MiB', ({ resident }) => resident);
        for (const [metric, of] of [
          ['resident without files', ({ own }: Memory) => own],
          ['heaps after GC', ({ heaps }: Memory) => heaps],
        ] as const) {
          compare(metric, 'MiB', of);
          compare(`${metric}, over an empty page`, 'MiB', of, () => of(empty));
          compare(`${metric}, over ${tiny.nodes} nodes`, 'MiB', of, (viewer) =>
            median(tiny[viewer].map(of)),
          );
        }
        compare('JavaScript heaps after GC', 'MiB', ({ javascript }) => javascript);
      }
    } finally {
      peer.close();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  },
};
