/** The unwind worker's entry: one request after the other, each with an answer. */

import { parentPort, workerData } from 'node:worker_threads';
import { garbageCollector } from '../../collect-garbage';
import { ElfError } from '../elf/elf-file';
import { raisePriority } from '../priority';
import { bytesOfCompilers, loadFrameCompiler } from './frame-compiler';
import type { WorkerAnswer, WorkerRequest, WorkerSettings } from './protocol';
import { UnwindError } from './unwind-error';
import { UnwindService } from './unwind-service';

/** Sections that were read, and tables that were made: more of them are not left to V8. */
const MUCH_GARBAGE_BYTES = 4 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error('unwind-worker.js runs as a worker thread, not by itself');

raisePriority();
// While the first request is on its way.
loadFrameCompiler();
const collectGarbage = garbageCollector();
/** After the last collection: tables that were sent, which count here until they are freed there. */
let keptBytes = 0;
/** Of what compilers have had, what has been collected. */
let collectedBytes = 0;
const service = new UnwindService(workerData as WorkerSettings);
port.on('message', (request: WorkerRequest) => {
  answer(request);
  const { arrayBuffers } = process.memoryUsage();
  keptBytes = Math.min(keptBytes, arrayBuffers);
  // Nothing outlives an answer.
  const garbageBytes = arrayBuffers - keptBytes + bytesOfCompilers() - collectedBytes;
  if (garbageBytes <= MUCH_GARBAGE_BYTES) return;
  collectGarbage();
  keptBytes = process.memoryUsage().arrayBuffers;
  collectedBytes = bytesOfCompilers();
});

function answer({ module }: WorkerRequest): void {
  try {
    const result = service.compile(module);
    const { pages, rows, rules } = result.table;
    const buffers = new Set([pages.buffer, rows.buffer, rules.buffer]);
    port?.postMessage({ ...cacheState(), result } satisfies WorkerAnswer, [...buffers]);
  } catch (error) {
    const isKnown = error instanceof UnwindError || error instanceof ElfError;
    const kind = isKnown ? error.kind : 'internal';
    const message = isKnown ? error.message : String((error as Error).stack);
    port?.postMessage({ ...cacheState(), error: { kind, message } } satisfies WorkerAnswer);
  }
}

const cacheState = (): Pick<WorkerAnswer, 'cacheUsed' | 'cacheProblem'> => ({
  cacheUsed: service.cacheUsed,
  cacheProblem: service.cacheProblem,
});
