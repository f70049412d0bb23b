/** The symbol worker's entry: one query after the other, each with an answer. */

import { parentPort, workerData } from 'node:worker_threads';
import { garbageCollector } from '../../collect-garbage';
import { raisePriority } from '../priority';
import { bytesOfFlattened } from './function-set';
import {
  SymbolError,
  type SymbolQuery,
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
/** Worth a collection in a pause, if there was none for a while: it takes 5 to 10 ms. */
const GARBAGE_BYTES = 2 * 1024 * 1024;
const COLLECT_MS = 10_000;
/** Worth one at once. */
const MUCH_GARBAGE_BYTES = 8 * 1024 * 1024;
/** Answers are sent together, but none waits so long for those behind it. */
const HOLD_MS = 10;
/** Moving memory to the other thread costs more than copying so little. */
const COPIED_BYTES = 64 * 1024;

const port = parentPort;
if (port === null) throw new Error('symbol-worker.js runs as a worker thread, not by itself');

raisePriority();
const collectGarbage = garbageCollector();
const settings = workerData as WorkerSettings;
const service = new SymbolService({
  ...settings,
  onSettled: (keys, found) => {
    port.postMessage({ settled: { keys, found } } satisfies SymbolsSettled);
  },
});
let heapAfterBytes = 0;
let flattenedBytes = 0;
let nextCollectMs = 0;
let bytesBefore = 0;
const garbageBytes = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return Math.max(
    arrayBuffers - service.bytes,
    heapUsed - heapAfterBytes,
    bytesOfFlattened() - flattenedBytes,
  );
};
const collect = (): void => {
  collectGarbage();
  flattenedBytes = bytesOfFlattened();
  heapAfterBytes = process.memoryUsage().heapUsed;
  nextCollectMs = performance.now() + COLLECT_MS;
};
const pause = setTimeout(() => {
  if (performance.now() >= nextCollectMs && garbageBytes() >= GARBAGE_BYTES) collect();
}, PAUSE_MS).unref();
/** Only where something was read: to wake up costs as much as to name a few addresses. */
const giveMemoryBack = (): void => {
  if (service.bytes === bytesBefore) return;
  bytesBefore = service.bytes;
  if (garbageBytes() > MUCH_GARBAGE_BYTES) collect();
  else pause.refresh();
};
setInterval(() => {
  service.forgetUnused(performance.now() - IDLE_MS);
  pause.refresh();
}, IDLE_MS / 2).unref();

port.on('message', (requests: readonly WorkerRequest[]) => {
  let answers: WorkerAnswer[] = [];
  let sentMs = performance.now();
  const send = (): void => {
    port.postMessage(answers, answers.flatMap(movedBuffers));
    answers = [];
    sentMs = performance.now();
  };
  for (const { id, query } of requests) {
    settings.workingOn[0] = id;
    answers.push(answerTo(id, query));
    giveMemoryBack();
    if (performance.now() - sentMs > HOLD_MS) send();
  }
  if (answers.length > 0) send();
});

function answerTo(id: number, query: SymbolQuery): WorkerAnswer {
  try {
    return { id, result: service.answer(query) };
  } catch (error) {
    const kind = error instanceof SymbolError ? error.kind : 'internal';
    const message = error instanceof SymbolError ? error.message : String((error as Error).stack);
    return { id, error: { kind, message } };
  }
}

function movedBuffers(answer: WorkerAnswer): ArrayBuffer[] {
  if (!('result' in answer) || answer.result.kind !== 'frames') return [];
  const buffers = Object.values(answer.result.frames).flatMap((column) =>
    ArrayBuffer.isView(column) ? [column.buffer as ArrayBuffer] : [],
  );
  return buffers.reduce((sum, { byteLength }) => sum + byteLength, 0) > COPIED_BYTES ? buffers : [];
}
