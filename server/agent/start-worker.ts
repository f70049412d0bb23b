/** Worker threads of the agent, which live for seconds and are busy from the first moment. */
import { setFlagsFromString } from 'node:v8';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a worker that optimizes its code on its own thread. V8's thread for that has an ordinary priority: where all CPUs are
 * busy it does not get to run for seconds, in which the worker goes on in the interpreter, 4 times as long for a large unwind
 * table. And Node.js 20 aborts the process where a worker ends while V8's thread still compiles for it.
 */
export function startWorker(file: string | URL, options: WorkerOptions): Worker {
  // Holds for threads that are started from now on.
  setFlagsFromString('--no-concurrent-recompilation');
  return new Worker(file, options);
}
