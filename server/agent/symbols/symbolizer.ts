/**
 * Names addresses, off the main thread: the face of one worker. Requests are answered in order. What can't be named
 * is `undefined` in the answer; a request whose addresses can't be named at all is rejected with a SymbolError that
 * says why.
 */
import type { Worker } from 'node:worker_threads';
import { distFile } from '../../root';
import { startWorker } from '../start-worker';
import { KnownFunctions, type NamedFunction } from './known-functions';
import {
  type FrameColumns,
  type JitProcess,
  type ModuleReference,
  type Naming,
  type SentNames,
  SymbolError,
  type SymbolizedFrame,
  type SymbolizerReport,
  type SymbolQuery,
  type SymbolResult,
  type SymbolsSettled,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerSettings,
} from './protocol';
import { toFrames } from './to-frames';

export {
  type JitProcess,
  type ModuleReference,
  type ModuleReport,
  type Naming,
  type SourcePlace,
  SymbolError,
  type SymbolErrorKind,
  type SymbolizedFrame,
  type SymbolizerReport,
} from './protocol';

/** JavaScript heap of the worker. Its tables are outside of the heap, and have bounds of their own. */
const RESOURCE_LIMITS = {
  maxOldGenerationSizeMb: 64,
  maxYoungGenerationSizeMb: 2,
  stackSizeMb: 4,
};
/** No file takes so long; a file system of a process that does not answer can. */
const TIMEOUT_MS = 60_000;
const MAX_BLOCKED = 1000;
/** Names of modules' functions that are kept, about 100 bytes each: most names are asked for again and again. */
const MAX_NAMES = 50_000;
const KERNEL = '[kernel]';
const NO_NAMES: SentNames = { generation: 0, count: 0 };

/** What the worker has sent of a module's names. */
interface KnownNames {
  readonly sent: SentNames;
  /** By the names' numbers. */
  readonly frames: SymbolizedFrame[];
}

interface Pending {
  readonly query: SymbolQuery;
  readonly resolve: (result: SymbolResult) => void;
  readonly reject: (error: SymbolError) => void;
}

export interface SymbolizerOptions {
  /** The worker's bundle. */
  readonly workerFile?: string | URL;
  readonly timeoutMs?: number;
  /** As in WorkerSettings. */
  readonly fetchProgram?: string | undefined;
  /** Where tables are kept from run to run, usually `symbols` in the agent's directory; undefined for nowhere. */
  readonly cacheDirectory?: string | undefined;
}

export class Symbolizer {
  readonly #workerFile: string | URL;
  readonly #timeoutMs: number;
  readonly #settings: WorkerSettings;
  /** Undefined after one has ended, until it is needed. */
  #worker: Worker | undefined;
  #disposed = false;
  #nextId = 0;
  #kernelVersion = 0;
  /** In the order in which they were sent, which is that in which they are answered. */
  readonly #pending = new Map<number, Pending>();
  /** What is asked in one turn of the event loop goes to the worker as one message. */
  #unsent: WorkerRequest[] = [];
  /** By the modules' keys. */
  readonly #names = new Map<string, KnownNames>();
  #nameCount = 0;
  /** Where functions are comes with their names, so what was not kept of that comes again only when names do. */
  #mustForget = false;
  readonly #functions = new KnownFunctions();
  /** Requests for names of modules without an answer. */
  #underWay = 0;
  readonly #workingOn = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  /**
   * Called when the debug files of modules with these keys, of which a Naming said that they are being fetched, have come,
   * or will not. None comes where the worker ends meanwhile.
   */
  onSettled: (keys: readonly string[], found: boolean) => void = () => {};
  /** Modules at which a worker ended: it is not tried again with them. */
  readonly #blocked = new Map<string, string>();
  /** Watches the oldest request. */
  #watchdog: NodeJS.Timeout | undefined;

  /** Starts the worker; rejects with SymbolError where it can't be started. */
  static async start(options: SymbolizerOptions = {}): Promise<Symbolizer> {
    const symbolizer = new Symbolizer(options);
    try {
      await symbolizer.report();
    } catch (error) {
      await symbolizer.dispose();
      throw error;
    }
    return symbolizer;
  }

  private constructor({ workerFile, timeoutMs, cacheDirectory, fetchProgram }: SymbolizerOptions) {
    this.#settings = { cacheDirectory, fetchProgram, workingOn: this.#workingOn };
    this.#workerFile = workerFile ?? distFile('symbol-worker.js');
    this.#timeoutMs = timeoutMs ?? TIMEOUT_MS;
  }

  /** Ends the worker; pending requests are rejected. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#rejectAll(new SymbolError('disposed', 'the symbolizer was disposed of'));
    await this.#worker?.terminate();
  }

  /**
   * What is at addresses of the kernel, or at offsets in the file of the module with this key, as far as that is known without
   * asking: of functions that were named before, and of code without a name (NO_NAME). Undefined says only that it has to be asked for.
   */
  known(key: string | undefined, addresses: readonly number[]): (SymbolizedFrame | undefined)[] {
    return addresses.map((address) => this.#functions.find(key ?? KERNEL, address));
  }

  /** Names kernel addresses: exact doubles of the signed 64-bit value. */
  async kernel(addresses: Float64Array): Promise<Naming> {
    return this.#name({ kind: 'kernel', addresses, version: this.#kernelVersion });
  }

  /** BPF programs or trampolines have come or gone: what is asked for from now on may be these. */
  kernelChanged(): void {
    this.#kernelVersion++;
  }

  /** The address of the kernel's _text, from which offsets of kernel frames count. */
  async kernelBase(): Promise<number> {
    const result = await this.#ask({ kind: 'kernel-base' });
    return (result as Extract<SymbolResult, { kind: 'kernel-base' }>).address;
  }

  /** Names offsets in a file that processes have mapped. `module.fd` must stay open until the promise settles. */
  async module(module: ModuleReference, fileOffsets: Float64Array): Promise<Naming> {
    const blocked = this.#blocked.get(module.key);
    if (blocked !== undefined) throw new SymbolError('worker-ended', blocked);
    // Not while an answer is under way that counts on them.
    const mustForget = this.#mustForget || this.#nameCount > MAX_NAMES;
    if (mustForget && this.#underWay === 0) this.#forgetNames();
    const known = this.#names.get(module.key)?.sent ?? NO_NAMES;
    this.#underWay++;
    try {
      return await this.#name({ kind: 'module', module, fileOffsets, known });
    } finally {
      this.#underWay--;
    }
  }

  /** Names addresses of JIT code, where the process writes a perf map. */
  async jit(process: JitProcess, addresses: Float64Array): Promise<Naming> {
    return this.#name({ kind: 'jit', process, addresses });
  }

  /** What is in memory, where names came from, and why there are not more. */
  async report(): Promise<SymbolizerReport> {
    const result = await this.#ask({ kind: 'report' });
    return (result as Extract<SymbolResult, { kind: 'report' }>).report;
  }

  async #name(query: SymbolQuery): Promise<Naming> {
    const result = (await this.#ask(query)) as Extract<SymbolResult, { kind: 'frames' }>;
    const { frames, sent, unnamedReason, isPoor, isFetching } = result;
    const known =
      query.kind === 'module' && sent !== undefined
        ? this.#knownNames(query.module.key, sent)
        : undefined;
    const named = toFrames(frames, known);
    const functions = namedFunctions(frames, named, known);
    const key = query.kind === 'module' ? query.module.key : KERNEL;
    // Names that are to become better are asked for again.
    if (!isFetching && !this.#functions.add(key, functions)) this.#mustForget = true;
    return { frames: named, unnamedReason, isPoor, isFetching };
  }

  /** The frames of a module whose names have been sent, to which those of an answer come. */
  #knownNames(key: string, sent: SentNames): SymbolizedFrame[] {
    const last = this.#names.get(key);
    const frames = last?.sent.generation === sent.generation ? last.frames : [];
    this.#nameCount += sent.count - (last?.sent.count ?? 0);
    this.#names.set(key, { sent, frames });
    return frames;
  }

  #forgetNames(): void {
    this.#names.clear();
    this.#nameCount = 0;
    this.#mustForget = false;
  }

  #ask(query: SymbolQuery): Promise<SymbolResult> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) {
        reject(new SymbolError('disposed', 'the symbolizer was disposed of'));
        return;
      }
      const id = this.#nextId++;
      this.#pending.set(id, { query, resolve, reject });
      if (this.#unsent.push({ id, query }) === 1) queueMicrotask(() => this.#send());
    });
  }

  #send(): void {
    const requests = this.#unsent;
    this.#unsent = [];
    if (requests.length === 0) return;
    this.#worker ??= this.#startWorker();
    if (this.#pending.size === requests.length) this.#watch();
    this.#worker.postMessage(requests);
  }

  #startWorker(): Worker {
    const worker = startWorker(this.#workerFile, {
      name: 'symbols',
      workerData: this.#settings,
      resourceLimits: RESOURCE_LIMITS,
    });
    worker.on('message', (message: readonly WorkerAnswer[] | SymbolsSettled) => {
      if ('settled' in message) {
        const { keys, found } = message.settled;
        for (const key of keys) this.#functions.forget(key);
        this.#mustForget = true;
        this.onSettled(keys, found);
      } else this.#settle(message);
    });
    let reason = 'it exited';
    worker.on('error', (error) => {
      reason = error.message;
    });
    worker.on('exit', () => this.#giveUp(worker, reason));
    return worker;
  }

  #settle(answers: readonly WorkerAnswer[]): void {
    for (const answer of answers) {
      const pending = this.#pending.get(answer.id);
      if (pending === undefined) continue;
      this.#pending.delete(answer.id);
      if ('result' in answer) pending.resolve(answer.result);
      else pending.reject(new SymbolError(answer.error.kind, answer.error.message));
    }
    this.#watch();
  }

  /** Starts the watch over the oldest request anew. The worker keeps the process alive only while one is pending. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    const worker = this.#worker;
    if (worker === undefined) return;
    if (this.#pending.size === 0) {
      worker.unref();
      return;
    }
    worker.ref();
    this.#watchdog = setTimeout(() => {
      this.#giveUp(worker, `it did not answer for ${this.#timeoutMs / 1000} s`);
      void worker.terminate();
    }, this.#timeoutMs);
    this.#watchdog.unref();
  }

  /** A worker has ended, or must: what was asked of it is rejected, and the next request gets another worker. */
  #giveUp(worker: Worker, reason: string): void {
    if (worker !== this.#worker || this.#disposed) return;
    this.#worker = undefined;
    this.#forgetNames();
    this.#functions.clear();
    const culprit = this.#pending.get(this.#workingOn[0]);
    if (culprit?.query.kind === 'module') {
      const { key, path } = culprit.query.module;
      if (this.#blocked.size >= MAX_BLOCKED) this.#blocked.clear();
      this.#blocked.set(key, `${path}: reading its symbols ended the symbol worker: ${reason}`);
    }
    this.#rejectAll(new SymbolError('worker-ended', `the symbol worker ended: ${reason}`));
  }

  #rejectAll(error: SymbolError): void {
    clearTimeout(this.#watchdog);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#unsent = [];
    for (const { reject } of pending) reject(error);
  }
}

/** The functions of an answer's rows, and of the names that came with it, of which the extent is known. */
function namedFunctions(
  { extents, frame, firstName, nameExtents }: FrameColumns,
  frames: readonly (SymbolizedFrame | undefined)[],
  known: readonly SymbolizedFrame[] = [],
): NamedFunction[] {
  const functions: NamedFunction[] = [];
  const seen = new Uint8Array(extents.length / 2);
  for (let i = 0; i < frame.length && functions.length < seen.length; i++) {
    const [row, named] = [frame[i], frames[i]];
    if (named === undefined || row >= seen.length || seen[row] === 1) continue;
    seen[row] = 1;
    if (!Number.isNaN(extents[2 * row]))
      functions.push({ start: extents[2 * row], end: extents[2 * row + 1], frame: named });
  }
  for (let i = 0; i < nameExtents.length; i += 2) {
    if (Number.isNaN(nameExtents[i])) continue;
    const named = known[firstName + i / 2];
    functions.push({ start: nameExtents[i], end: nameExtents[i + 1], frame: named });
  }
  return functions;
}
