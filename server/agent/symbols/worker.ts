/** The symbol worker's entry: one query after the other, each with an answer. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { raisePriority } from '../priority';
import {
  type FrameColumns,
  SymbolError,
  type SymbolsSettled,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerSettings,
} from './protocol';
import { SymbolService } from './symbol-service';

/** Tables that nobody has asked for so long are freed. */
const IDLE_MS = 60_000;
/** After a pause of this length, memory that is not used any more is given back. */
const PAUSE_MS = 500;
/** What is left of making tables is as large as they are, and V8 sees no reason to look for it in its small heap. */
const GARBAGE_BYTES = 2 * 1024 * 1024;
/** Looking takes about 10 ms. */
const COLLECT_MS = 10_000;

const port = parentPort;
if (port === null) throw new Error('symbol-worker.js runs as a worker thread, not by itself');

raisePriority();
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const service = new SymbolService({
  ...(workerData as WorkerSettings),
  onSettled: (keys, found) => {
    port.postMessage({ settled: { keys, found } } satisfies SymbolsSettled);
  },
});
let heapAfterBytes = 0;
let nextCollectMs = 0;
const pause = setTimeout(() => {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  const garbage = Math.max(arrayBuffers - service.bytes, heapUsed - heapAfterBytes);
  if (garbage < GARBAGE_BYTES || performance.now() < nextCollectMs) return;
  collectGarbage();
  heapAfterBytes = process.memoryUsage().heapUsed;
  nextCollectMs = performance.now() + COLLECT_MS;
}, PAUSE_MS).unref();
setInterval(() => {
  service.forgetUnused(performance.now() - IDLE_MS);
  pause.refresh();
}, IDLE_MS / 2).unref();

port.on('message', ({ id, query }: WorkerRequest) => {
  try {
    const result = service.answer(query);
    const buffers = result.kind === 'frames' ? buffersOf(result.frames) : [];
    port.postMessage({ id, result } satisfies WorkerAnswer, buffers);
  } catch (error) {
    const kind = error instanceof SymbolError ? error.kind : 'internal';
    const message = error instanceof SymbolError ? error.message : String((error as Error).stack);
    port.postMessage({ id, error: { kind, message } } satisfies WorkerAnswer);
  }
  pause.refresh();
});

const buffersOf = (frames: FrameColumns): ArrayBuffer[] =>
  Object.values(frames).map(({ buffer }) => buffer as ArrayBuffer);
