/**
 * Unwind tables: those in the cache at once, for reading one takes a millisecond. Others are made off the main thread: this
 * is the face of one worker, which is started when there is something to do and
 * ended when there has been nothing for a while. Modules wait here, the most important first. A few at a time are sent to
 * the worker, so that it never waits for this thread, which is slow where all CPUs are busy. It takes them one after the
 * other; where it dies, the one that it worked on is rejected, and those behind it go to the next worker.
 */
import type { Worker } from 'node:worker_threads';
import { distFile } from '../../root';
import { ElfError, type ElfFile } from '../elf/elf-file';
import { startWorker } from '../start-worker';
import { CACHE_BYTES, TableCache } from './cache';
import { openModule } from './open-module';
import type {
  CompiledTable,
  UnwindModule,
  WorkerAnswer,
  WorkerRequest,
  WorkerSettings,
} from './protocol';
import { UnwindError, type UnwindErrorKind } from './unwind-error';

export type { CompiledTable, UnwindModule } from './protocol';
export { UnwindError, type UnwindErrorKind } from './unwind-error';

export interface UnwindCompilerOptions {
  /** Folder of the cache on disk, usually `unwind` in the data directory; undefined for none. */
  readonly cacheDirectory?: string;
  readonly cacheBytes?: number;
  /** The worker's bundle. */
  readonly workerFile?: string | URL;
  /** For one module. */
  readonly timeoutMs?: number;
  /** The worker ends after so long without work. */
  readonly idleMs?: number;
}

/** What was done since the start. */
export interface UnwindReport {
  readonly compiled: number;
  readonly fromCache: number;
  readonly waiting: number;
  /** Of the worker, for the tables that it compiled. */
  readonly totalMs: number;
  readonly failed: Readonly<Partial<Record<UnwindErrorKind, number>>>;
  /** Tables on disk, in bytes, as of the last answer. */
  readonly cacheUsed: number;
  readonly cacheProblem: string | undefined;
}

/** JavaScript heap of the worker. Sections and tables are outside of the heap, and have bounds of their own. */
const RESOURCE_LIMITS = {
  maxOldGenerationSizeMb: 64,
  maxYoungGenerationSizeMb: 4,
  stackSizeMb: 4,
};
const TIMEOUT_MS = 60_000;
const IDLE_MS = 60_000;
/** Modules at which a worker ended are remembered, up to so many. */
const MAX_BLOCKED = 1000;
/** Tables that have not been taken yet are of up to some megabytes each. */
const MAX_SENT = 4;

interface Request {
  readonly module: UnwindModule;
  readonly promise: Promise<CompiledTable>;
  readonly resolve: (result: CompiledTable) => void;
  readonly reject: (error: UnwindError) => void;
  priority: number;
}

export class UnwindCompiler {
  readonly #settings: WorkerSettings;
  readonly #cache: TableCache | undefined;
  readonly #workerFile: string | URL;
  readonly #timeoutMs: number;
  readonly #idleMs: number;
  #worker: Worker | undefined;
  /** By key; those that the worker has are not among them. */
  readonly #waiting = new Map<string, Request>();
  /** What the worker has, in the order of its answers: it works on the first. */
  readonly #sent: Request[] = [];
  /** Ends the worker that takes too long, or that has nothing to do. */
  #timer: NodeJS.Timeout | undefined;
  /** Modules at which a worker ended: it is not tried again with them. */
  readonly #blocked = new Map<string, UnwindError>();
  #disposed = false;
  #compiled = 0;
  #fromCache = 0;
  #totalMs = 0;
  #cacheUsed = 0;
  #cacheProblem: string | undefined;
  readonly #failed: Partial<Record<UnwindErrorKind, number>> = {};

  constructor(options: UnwindCompilerOptions = {}) {
    this.#settings = {
      cacheDirectory: options.cacheDirectory,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
    };
    const { cacheDirectory, cacheBytes } = this.#settings;
    this.#cache =
      cacheDirectory === undefined ? undefined : new TableCache(cacheDirectory, cacheBytes);
    this.#cacheUsed = this.#cache?.bytes ?? 0;
    this.#workerFile = options.workerFile ?? distFile('unwind-worker.js');
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  /**
   * The table of a module; rejects with UnwindError. Of the modules that wait, the one with the highest priority comes
   * next (the CPU share of its processes, say). A key that already waits is compiled once, with the higher priority.
   */
  compile(module: UnwindModule, priority = 0): Promise<CompiledTable> {
    if (this.#disposed) return Promise.reject(disposed());
    const blocked = this.#blocked.get(module.key);
    if (blocked !== undefined) return Promise.reject(blocked);
    const sent = this.#sent.find((request) => request.module.key === module.key);
    if (sent !== undefined) return sent.promise;
    const waiting = this.#waiting.get(module.key);
    if (waiting !== undefined) {
      waiting.priority = Math.max(waiting.priority, priority);
      return waiting.promise;
    }
    const cached = this.#cached(module);
    if (cached !== undefined) return Promise.resolve(cached);
    let resolve!: (result: CompiledTable) => void;
    let reject!: (error: UnwindError) => void;
    const promise = new Promise<CompiledTable>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    const request = { module, promise, resolve, reject, priority };
    this.#waiting.set(module.key, request);
    this.#next();
    return promise;
  }

  /** Undefined also where the file can't be read: the worker's answer says why. */
  #cached(module: UnwindModule): CompiledTable | undefined {
    if (this.#cache === undefined) return undefined;
    const startedMs = performance.now();
    let elf: ElfFile | undefined;
    try {
      elf = openModule(module);
      const table = this.#cache.get(elf.buildId, elf.size);
      if (table === undefined) return undefined;
      this.#fromCache++;
      return { table, source: 'cache', ms: performance.now() - startedMs };
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      return undefined;
    } finally {
      elf?.close();
    }
  }

  get report(): UnwindReport {
    return {
      compiled: this.#compiled,
      fromCache: this.#fromCache,
      waiting: this.#waiting.size + this.#sent.length,
      totalMs: this.#totalMs,
      failed: { ...this.#failed },
      cacheUsed: this.#cacheUsed,
      cacheProblem: this.#cacheProblem ?? this.#cache?.problem,
    };
  }

  /** Ends the worker; what waits is rejected. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    const requests = [...this.#sent.splice(0), ...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of requests) reject(disposed());
    this.#cache?.close();
    await this.#worker?.terminate();
  }

  #next(): void {
    if (this.#disposed) return;
    while (this.#sent.length < MAX_SENT) {
      const first = this.#takeFirst();
      if (first === undefined) break;
      this.#send(first);
    }
    if (this.#sent.length === 0) this.#rest();
  }

  #takeFirst(): Request | undefined {
    let first: Request | undefined;
    for (const request of this.#waiting.values()) {
      if (first === undefined || request.priority > first.priority) first = request;
    }
    if (first !== undefined) this.#waiting.delete(first.module.key);
    return first;
  }

  #send(request: Request): void {
    this.#worker ??= this.#startWorker();
    const worker = this.#worker;
    // The worker keeps the process alive only while it has something to do.
    worker.ref();
    if (this.#sent.push(request) === 1) this.#watch(worker);
    worker.postMessage({ module: request.module } satisfies WorkerRequest);
  }

  /** Gives the worker its time for the first of what it has. */
  #watch(worker: Worker): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#giveUp(worker, 'timeout', `no answer for ${this.#timeoutMs / 1000} s`);
      void worker.terminate();
    }, this.#timeoutMs);
    this.#timer.unref();
  }

  #rest(): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.unref();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, this.#idleMs);
    this.#timer.unref();
  }

  #startWorker(): Worker {
    const worker = startWorker(this.#workerFile, {
      name: 'unwind',
      workerData: this.#settings,
      resourceLimits: RESOURCE_LIMITS,
    });
    let reason = 'it exited';
    worker.on('message', (answer: WorkerAnswer) => this.#settle(worker, answer));
    worker.on('error', (error) => {
      reason = error.message;
    });
    worker.on('exit', () => this.#giveUp(worker, 'worker-ended', reason));
    return worker;
  }

  #settle(worker: Worker, answer: WorkerAnswer): void {
    const [request] = this.#sent;
    if (worker !== this.#worker || request === undefined) return;
    this.#sent.shift();
    if (this.#sent.length > 0) this.#watch(worker);
    this.#cacheUsed = answer.cacheUsed;
    this.#cacheProblem = answer.cacheProblem;
    if ('result' in answer) {
      this.#compiled++;
      this.#totalMs += answer.result.ms;
      request.resolve(answer.result);
    } else {
      this.#reject(request, new UnwindError(answer.error.kind, answer.error.message));
    }
    this.#next();
  }

  /** A worker has ended, or must: what it worked on is rejected, and what it had besides waits for another worker. */
  #giveUp(worker: Worker, kind: 'timeout' | 'worker-ended', reason: string): void {
    if (worker !== this.#worker || this.#disposed) return;
    this.#worker = undefined;
    const [request, ...others] = this.#sent.splice(0);
    for (const other of others) this.#waiting.set(other.module.key, other);
    if (request !== undefined) {
      const { key, path } = request.module;
      const error = new UnwindError(kind, `${path}: the unwind worker was ended by it: ${reason}`);
      if (this.#blocked.size >= MAX_BLOCKED) this.#blocked.clear();
      this.#blocked.set(key, error);
      this.#reject(request, error);
    }
    this.#next();
  }

  #reject(request: Request, error: UnwindError): void {
    this.#failed[error.kind] = (this.#failed[error.kind] ?? 0) + 1;
    request.reject(error);
  }
}

const disposed = (): UnwindError => new UnwindError('disposed', 'the unwind compiler is closed');
