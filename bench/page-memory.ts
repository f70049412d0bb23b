/** What a page takes in Chromium: its processes' memory as the kernel counts it, and its heaps as V8 does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, CDPSession, Page } from 'playwright/test';
import { ownBytes, residentBytes } from './processes';

/** Workers are announced right after they were asked for; this is ample. */
const ATTACH_MS = 300;

/** Bytes. */
export interface ProcessMemory {
  /** Of the process that shows the page, with its workers. */
  readonly resident: number;
  /** The same without mapped files, most of which are the browser's program. */
  readonly own: number;
}

/** Bytes, after a collection of garbage, of the page and all its workers. */
export interface HeapMemory {
  /** Objects of JavaScript. */
  readonly javascript: number;
  /** These, the browser's own objects that they hold (elements, styles), and the buffers of typed arrays. */
  readonly all: number;
}

/** The memory of the largest of the browser's pages. */
export async function processMemory(browser: Browser): Promise<ProcessMemory> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  const pid = pids.reduce((a, b) => (residentBytes(a) >= residentBytes(b) ? a : b));
  return { resident: residentBytes(pid), own: ownBytes(pid) };
}

interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize: number;
  readonly backingStorageSize: number;
}

export async function heapMemory(page: Page): Promise<HeapMemory> {
  const session = await page.context().newCDPSession(page);
  const workers = await workersOf(session);
  const usages: HeapUsage[] = [];
  for (const send of [session.send.bind(session) as Send, ...workers]) {
    // Once more for what only the first one made garbage.
    for (let i = 0; i < 2; i++) await send('HeapProfiler.collectGarbage');
    usages.push((await send('Runtime.getHeapUsage')) as HeapUsage);
  }
  const sum = (of: (usage: HeapUsage) => number): number =>
    usages.reduce((total, usage) => total + of(usage), 0);
  return {
    javascript: sum(({ usedSize }) => usedSize),
    all: sum(
      ({ usedSize, embedderHeapUsedSize, backingStorageSize }) =>
        usedSize + embedderHeapUsedSize + backingStorageSize,
    ),
  };
}

type Send = (method: 'HeapProfiler.collectGarbage' | 'Runtime.getHeapUsage') => Promise<unknown>;

/** A way to ask each worker. Playwright gives no session of a worker: messages go through that of its page. */
async function workersOf(session: CDPSession): Promise<Send[]> {
  const workers: Send[] = [];
  const waiting = new Map<number, (result: unknown) => void>();
  let id = 0;
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const answer = JSON.parse(message) as { readonly id?: number; readonly result?: unknown };
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer.result);
  });
  session.on('Target.attachedToTarget', ({ sessionId }) => {
    workers.push(
      (method) =>
        new Promise((resolve, reject) => {
          const message = JSON.stringify({ id: ++id, method });
          waiting.set(id, resolve);
          session.send('Target.sendMessageToTarget', { sessionId, message }).catch(reject);
        }),
    );
  });
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  await sleep(ATTACH_MS);
  return workers;
}
