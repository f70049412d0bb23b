/** What the worker does: answers queries, and keeps what it has read within bounds. */
import { DebuginfodClient } from '../debuginfod/client';
import { debuginfodSettings } from '../debuginfod/settings';
import { ElfError } from '../elf/elf-file';
import { ByteLru } from './byte-lru';
import { Demangler } from './demangle';
import { FrameRows } from './frame-rows';
import { compileFunctions } from './function-set';
import { CurrentKernelSymbols } from './kallsyms';
import { ModuleSymbols } from './module-symbols';
import { PerfMap } from './perf-map';
import {
  type JitProcess,
  type ModuleReference,
  NONE,
  type SentNames,
  SymbolError,
  type SymbolErrorKind,
  type SymbolizerReport,
  type SymbolQuery,
  type SymbolResult,
} from './protocol';
import { FETCHING_CACHE_BYTES, SymbolCache } from './symbol-cache';

const MODULES_BYTES = 16 * 1024 * 1024;
const JIT_BYTES = 8 * 1024 * 1024;
const MAX_FAILURES = 1000;

export interface SymbolServiceOptions {
  /** What the tables of modules may take in memory. */
  readonly modulesBytes?: number;
  /** Where tables are kept from run to run; undefined for nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** As in WorkerSettings. */
  readonly fetchProgram?: string | undefined;
  /** Where DEBUGINFOD_URLS and others are looked for. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Called when debug files have come that modules with these keys waited for, or will not. */
  readonly onSettled?: (keys: readonly string[], found: boolean) => void;
}

/** What no debug file makes better. */
const SETTLED = { isPoor: false, isFetching: false } as const;

type Frames = Extract<SymbolResult, { kind: 'frames' }>;

interface Failure {
  readonly kind: SymbolErrorKind;
  readonly message: string;
}

export class SymbolService {
  readonly #demangler = new Demangler();
  readonly #kernel = new CurrentKernelSymbols();
  /** By key, so that a library that a hundred processes have mapped is read once. */
  readonly #modules: ByteLru<string, ModuleSymbols>;
  /** Files that can't be read whatever is tried, by key. */
  readonly #failures = new Map<string, Failure>();
  readonly #jit = new ByteLru<number, PerfMap>(JIT_BYTES);

  readonly #cache: SymbolCache | undefined;

  /** Undefined where debug files are not to be fetched, or can't be kept. */
  readonly #debuginfod: DebuginfodClient | undefined;
  /** Keys of the modules that wait for the debug file of a build ID. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #onSettled: NonNullable<SymbolServiceOptions['onSettled']>;

  constructor(options: SymbolServiceOptions = {}) {
    const { modulesBytes = MODULES_BYTES, cacheDirectory, environment = process.env } = options;
    compileFunctions();
    this.#modules = new ByteLru(modulesBytes, (module) => module.close());
    this.#onSettled = options.onSettled ?? (() => {});
    if (cacheDirectory === undefined) return;
    const wantsFetching = debuginfodSettings(environment, 1) !== undefined;
    const cache = new SymbolCache(cacheDirectory, wantsFetching ? FETCHING_CACHE_BYTES : undefined);
    this.#cache = cache;
    const settings = debuginfodSettings(environment, cache.maxFileBytes);
    if (settings === undefined) return;
    this.#debuginfod = new DebuginfodClient({
      settings,
      ...(options.fetchProgram !== undefined && { program: options.fetchProgram }),
      store: {
        create: (buildId) => cache.createDebugFile(buildId),
        accept: (buildId) => {
          const elf = cache.debugFile(buildId);
          elf?.close();
          return elf !== undefined;
        },
      },
      onSettled: (buildId, found) => this.#settle(buildId, found),
    });
  }

  /** Throws SymbolError. */
  answer(query: SymbolQuery): SymbolResult {
    switch (query.kind) {
      case 'kernel':
        return this.#kernelFrames(query.addresses, query.version);
      case 'kernel-base':
        return { kind: 'kernel-base', address: this.#kernel.for(new Float64Array(0)).base };
      case 'module':
        return this.#moduleFrames(query.module, query.fileOffsets, query.known);
      case 'jit':
        return this.#jitFrames(query.process, query.addresses);
      case 'report':
        return { kind: 'report', report: this.#report() };
    }
  }

  /** Frees what was not used since `beforeMs` (of performance.now); it is read again when it is needed. */
  forgetUnused(beforeMs: number): void {
    this.#modules.forgetUnused(beforeMs);
    this.#jit.forgetUnused(beforeMs);
  }

  /** Whether debug files are under way. */
  get isFetching(): boolean {
    return this.#waiting.size > 0;
  }

  /** Bytes of the tables that are in memory. */
  get bytes(): number {
    return this.#modules.bytes + this.#jit.bytes + (this.#kernel.last?.bytes ?? 0);
  }

  /** Closes what is open. */
  close(): void {
    this.#debuginfod?.close();
    for (const module of this.#modules.values()) module.close();
    this.#cache?.close();
  }

  #kernelFrames(addresses: Float64Array, version?: number): Frames {
    const symbols = this.#kernel.for(addresses, version);
    const rows = new FrameRows();
    const rowOfEntry = new Map<number, number>();
    const frame = Uint32Array.from(addresses, (address) => {
      const entry = symbols.find(address);
      if (entry < 0) return NONE;
      let row = rowOfEntry.get(entry);
      if (row === undefined) {
        const { functionName, module } = symbols.functionAt(entry);
        row = rows.append(this.#demangler.demangle(functionName), module);
        rowOfEntry.set(entry, row);
        // Code of modules and BPF programs goes, and other code comes to where it was.
        if (module === undefined) rows.setExtent(row, ...symbols.range(entry));
      }
      return row;
    });
    const unnamedReason = '/proc/kallsyms has no function there';
    return { kind: 'frames', frames: rows.finish(frame), unnamedReason, ...SETTLED };
  }

  #moduleFrames(
    reference: ModuleReference,
    fileOffsets: Float64Array,
    known: SentNames | undefined,
  ): Frames {
    const module = this.#module(reference);
    module.trimNames();
    const firstName = known && module.knownNames(known);
    try {
      const frames = module.symbolize(fileOffsets, this.#demangler, firstName);
      const isFetching = this.#fetch(reference.key, module);
      const problem = this.#debuginfod?.problem(module.buildId) ?? '';
      return {
        kind: 'frames',
        frames,
        sent: module.sentNames,
        unnamedReason: module.unnamedReason + (problem === '' ? '' : `; ${problem}`),
        isPoor: module.isPoor,
        isFetching,
      };
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      // A file that names are read from has changed: the next request opens what is there then.
      this.#modules.delete(reference.key);
      throw new SymbolError(error.kind, `${reference.path}: ${error.message}`);
    } finally {
      // Reading debug information makes a module larger.
      this.#modules.trim();
    }
  }

  /** Asks for the debug file of a module that could have better names; whether one is under way. */
  #fetch(key: string, { isPoor, buildId }: ModuleSymbols): boolean {
    if (!isPoor || buildId === '' || this.#debuginfod?.request(buildId) !== true) return false;
    const waiting = this.#waiting.get(buildId);
    if (waiting === undefined) this.#waiting.set(buildId, new Set([key]));
    else waiting.add(key);
    return true;
  }

  #settle(buildId: string, found: boolean): void {
    const keys = [...(this.#waiting.get(buildId) ?? [])];
    this.#waiting.delete(buildId);
    // Read again, with the debug file, when it is asked for the next time.
    if (found) for (const key of keys) this.#modules.delete(key);
    this.#onSettled(keys, found);
  }

  #module(reference: ModuleReference): ModuleSymbols {
    const { key } = reference;
    const known = this.#modules.get(key);
    if (known !== undefined) return known;
    const failure = this.#failures.get(key);
    if (failure !== undefined) throw new SymbolError(failure.kind, failure.message);
    try {
      const module = ModuleSymbols.load(reference, this.#cache);
      this.#modules.set(key, module);
      return module;
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      const message = `${reference.path}: ${error.message}`;
      // What could not be opened now may be open the next time; what is no ELF file never will be one.
      if (error.kind !== 'io') this.#remember(key, { kind: error.kind, message });
      throw new SymbolError(error.kind, message);
    }
  }

  #remember(key: string, failure: Failure): void {
    if (this.#failures.size >= MAX_FAILURES) this.#failures.clear();
    this.#failures.set(key, failure);
  }

  #jitFrames(process: JitProcess, addresses: Float64Array): Frames {
    let map = this.#jit.get(process.pid);
    if (map === undefined) {
      map = new PerfMap(process);
      this.#jit.set(process.pid, map);
    }
    const table = map.table();
    const rows = new FrameRows();
    const rowOfName = new Map<number, number>();
    const frame = Uint32Array.from(addresses, (address) => {
      const range = table.find(address);
      if (range < 0) return NONE;
      const key = table.nameKey(range);
      let row = rowOfName.get(key);
      if (row === undefined) {
        row = rows.append(this.#demangler.demangle(table.name(range)));
        rowOfName.set(key, row);
      }
      return row;
    });
    this.#jit.trim();
    const { unnamedReason } = map;
    return { kind: 'frames', frames: rows.finish(frame), unnamedReason, ...SETTLED };
  }

  #report(): SymbolizerReport {
    const modules = this.#modules.values().map(({ report }) => report);
    return {
      modules,
      cachedBytes: this.bytes,
      kernelSymbols: this.#kernel.last?.length ?? 0,
      jitProcesses: this.#jit.size,
      diskCacheBytes: this.#cache?.bytes ?? 0,
      diskCacheProblem: this.#cache?.problem,
    };
  }
}
