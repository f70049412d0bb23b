/** The worker: keeps the profile, and posts a new analysis when there is something new, a few times a second at most. */

import { transferables } from '@/profile/call-tree';
import { ChunkFormatError } from '@/profile/chunk';
import { CollapsedFormatError } from '@/profile/formats/collapsed';
import { AnalysisEngine } from './analysis-engine';
import { LoadError, loadFile, loadSession } from './load';
import type { FromWorker, ToWorker } from './protocol';

const MIN_INTERVAL_MS = 180;
const PROGRESS_MS = 100;

const engine = new AnalysisEngine();
let timer: ReturnType<typeof setTimeout> | undefined;
let nextAtMs = 0;
/** Chunks that come while a whole profile is being loaded, or for one that was closed, are not for it. */
let loading = 0;

const post = (message: FromWorker, transfer: Transferable[] = []): void =>
  self.postMessage(message, { transfer });

/** Computes soon: at once if it was long ago, and leaves as much time free as it takes. */
function schedule(isUrgent: boolean): void {
  if (isUrgent) {
    clearTimeout(timer);
    timer = undefined;
    nextAtMs = 0;
  }
  timer ??= setTimeout(compute, Math.max(0, nextAtMs - performance.now()));
}

function compute(): void {
  timer = undefined;
  const startMs = performance.now();
  const result = engine.analyse();
  if (result !== undefined) {
    const { functions, activity } = result;
    post({ type: 'analysis', result, labels: engine.takeLabels() }, [
      ...transferables(result.tree),
      functions.label.buffer,
      functions.self.buffer,
      functions.total.buffer,
      activity.weights.buffer,
    ] as Transferable[]);
  }
  const tookMs = performance.now() - startMs;
  nextAtMs = startMs + Math.max(MIN_INTERVAL_MS, tookMs * 2);
}

function progress(): (loadedBytes: number, totalBytes: number | undefined) => void {
  let nextMs = 0;
  return (loadedBytes, totalBytes) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + PROGRESS_MS;
    post({ type: 'progress', loadedBytes, ...(totalBytes === undefined ? {} : { totalBytes }) });
  };
}

async function load(read: () => Promise<void>): Promise<void> {
  const own = ++loading;
  try {
    await read();
    if (own === loading) schedule(true);
  } catch (error) {
    if (own === loading) post({ type: 'error', message: explain(error) });
  }
}

function explain(error: unknown): string {
  if (error instanceof LoadError) return error.message;
  if (error instanceof ChunkFormatError) return `The stored profile is damaged: ${error.message}`;
  if (error instanceof CollapsedFormatError) {
    return `This is no file of collapsed stacks (lines like main;parse;read 42): ${error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  switch (data.type) {
    case 'live':
      loading++;
      engine.reset(true);
      break;
    case 'snapshot':
    case 'chunk':
      try {
        if (data.type === 'snapshot') engine.reset(true);
        engine.append(new Uint8Array(data.bytes));
        post({ type: 'applied', number: data.number });
        if (engine.needsSnapshot && data.type === 'chunk') post({ type: 'resynchronize' });
        schedule(false);
      } catch (error) {
        if (!(error instanceof ChunkFormatError)) throw error;
        post({ type: 'resynchronize' });
      }
      break;
    case 'session':
      engine.reset(false);
      void load(() => loadSession(data.url, (chunk) => engine.append(chunk), progress()));
      break;
    case 'file':
      void load(async () => engine.open(await loadFile(data.file, progress())));
      break;
    case 'view':
      engine.setView(data.view);
      schedule(true);
      break;
    case 'window':
      engine.setWindow(data.window);
      schedule(true);
      break;
  }
};
