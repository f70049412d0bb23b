/** The symbol worker's entry: one query after the other, each with an answer. */

import { parentPort } from 'node:worker_threads';
import { raisePriority } from '../priority';
import { SymbolError, type WorkerAnswer, type WorkerRequest } from './protocol';
import { SymbolService } from './symbol-service';

const port = parentPort;
if (port === null) throw new Error('symbol-worker.js runs as a worker thread, not by itself');

raisePriority();
const service = new SymbolService();
port.on('message', ({ id, query }: WorkerRequest) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, result: service.answer(query) };
  } catch (error) {
    const kind = error instanceof SymbolError ? error.kind : 'internal';
    const message = error instanceof SymbolError ? error.message : String((error as Error).stack);
    answer = { id, error: { kind, message } };
  }
  port.postMessage(answer);
});
