/**
 * Keeps what BPF needs to unwind user stacks: for each process its mappings, for each module its table. Tables are made
 * off this thread, those of the processes that use most CPU first, and before a sample needs them.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { MappingKind } from '@/profile/schema';
import { ElfError, ElfFile, SegmentFlag } from './elf/elf-file';
import { BpfError, type BpfMap } from './libbpf';
import { MappedMemory, PAGE_BYTES } from './libc';
import type { Mapping } from './mappings';
import { isReadable, keptOpen, type Module } from './modules';
import type { Process, Processes } from './processes';
import {
  type AcquiredModule,
  type ModuleId,
  NO_MODULE,
  TablePool,
  type UnwindArrays,
} from './unwind/table-pool';
import { UnwindCompiler } from './unwind/unwind-compiler';
import { type Segment, SegmentPool } from './unwind-segments';

/** The maps that bpf/unwind.bpf.h goes by. */
export interface UnwindMaps {
  readonly modules: BpfMap;
  readonly pages: BpfMap;
  readonly rows: BpfMap;
  readonly rules: BpfMap;
  readonly segments: BpfMap;
  readonly needed: BpfMap;
  readonly processes: BpfMap;
  readonly files: BpfMap;
}

/** A worker that rests costs 20 MB; starting it again costs 50 ms of another thread. */
const COMPILER_IDLE_MS = 3000;

/** Before all others: a stack that was just sampled waits for it. */
const RESTORE_PRIORITY = Number.MAX_SAFE_INTEGER;
/** Before those that only may be needed. */
const EXPECTED_PRIORITY = RESTORE_PRIORITY - 1;

const FILE_KEY_BYTES = 32;
const FILE_VALUE_BYTES = 16;

/** Where code of a module is: file offset to address, piece by piece. */
type Layout = (fileOffset: number) => number | undefined;

export class Unwinder {
  readonly #processes: Processes;
  readonly #compiler: UnwindCompiler;
  readonly #memories: readonly MappedMemory[];
  readonly #tables: TablePool;
  readonly #segments: SegmentPool;
  readonly #files: BpfMap;
  readonly #compiling = new Set<Promise<void>>();
  readonly #layouts = new Map<string, Layout | undefined>();
  /** What the table pool's IDs stand for. */
  readonly #modules = new Map<ModuleId, Module>();
  /** Under which ID BPF finds their files. */
  readonly #announced = new WeakMap<Module, ModuleId>();
  readonly #fileKeys = new Map<ModuleId, Uint8Array[]>();

  constructor(maps: UnwindMaps, processes: Processes, cacheDirectory: string | undefined) {
    this.#processes = processes;
    this.#compiler = new UnwindCompiler({
      idleMs: COMPILER_IDLE_MS,
      ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    });
    const memories: MappedMemory[] = [];
    const bytes = (map: BpfMap): ArrayBuffer => {
      const memory = new MappedMemory(
        map.fd,
        Math.ceil(map.valueBytes / PAGE_BYTES) * PAGE_BYTES,
        0,
        true,
      );
      memories.push(memory);
      return memory.buffer;
    };
    const words = (map: BpfMap): Uint32Array => new Uint32Array(bytes(map), 0, map.valueBytes / 4);
    this.#tables = new TablePool(
      {
        modules: words(maps.modules),
        pages: words(maps.pages),
        rows: rowsOf(maps.rows),
        rules: words(maps.rules),
        needed: new Uint8Array(bytes(maps.needed)),
      },
      { onForget: (id) => this.#forget(id) },
    );
    this.#segments = new SegmentPool(bytes(maps.segments), maps.processes, (modules) => {
      for (const module of modules) this.#tables.release(module);
    });
    this.#files = maps.files;
    this.#memories = memories;
  }

  /** Tells BPF where the process has what mapped; its modules' tables follow. Higher `priority` comes first. */
  update(process: Process, priority: number): void {
    const segments: Segment[] = [];
    for (const mapping of this.#processes.mappings(process)) {
      const segment = this.#segment(process, mapping, priority);
      if (segment !== undefined) segments.push(segment);
    }
    if (!this.#segments.set(process.pid, segments))
      for (const { module } of segments) this.#tables.release(module);
  }

  fork(parentPid: number, pid: number): void {
    this.#segments.copy(parentPid, pid);
  }

  exit(pid: number): void {
    this.#segments.delete(pid);
  }

  /** Makes the table of a program or library that will be mapped soon, and keeps it: the first stacks in it are whole then. */
  expect(module: Module): void {
    const acquired = this.#tables.acquire(module.key);
    if (acquired.id !== NO_MODULE) this.#provide(acquired, module, EXPECTED_PRIORITY);
  }

  /** Makes again the tables that had to make room and that stacks need now. To be called about once a second. */
  restore(): void {
    for (const id of this.#tables.takeNeeded()) {
      const module = this.#modules.get(id);
      if (module !== undefined) this.#start(id, module, RESTORE_PRIORITY);
    }
  }

  /** Resolves when the tables are there that are being made or waited for now. */
  async settled(): Promise<void> {
    await Promise.all(this.#compiling);
  }

  async dispose(): Promise<void> {
    await this.#compiler.dispose();
    for (const memory of this.#memories) memory.dispose();
  }

  /** The ID will stand for another module. */
  #forget(id: ModuleId): void {
    for (const key of this.#fileKeys.get(id) ?? []) this.#files.delete(key);
    this.#fileKeys.delete(id);
    const module = this.#modules.get(id);
    if (module !== undefined) this.#layouts.delete(module.key);
    this.#modules.delete(id);
  }

  #segment(process: Process, mapping: Mapping, priority: number): Segment | undefined {
    const { module, start, end, fileOffset } = mapping;
    if (module.kind !== MappingKind.Executable && module.kind !== MappingKind.Vdso)
      return undefined;
    const address = this.#layout(process, mapping)?.(fileOffset);
    const acquired = this.#tables.acquire(module.key);
    if (acquired.id === NO_MODULE) return undefined;
    if (address === undefined) {
      // No program's or library's code, such as a JIT compiler's in a file of its own: known to have no table.
      if (acquired.needsTable) this.#tables.fail(acquired.id);
      return { start, end, bias: start, module: acquired.id };
    }
    this.#provide(acquired, module, priority);
    return { start, end, bias: start - address, module: acquired.id };
  }

  /** Sees to it that BPF has the table, and finds it by the file. */
  #provide({ id, needsTable }: AcquiredModule, module: Module, priority: number): void {
    if (needsTable) {
      this.#modules.set(id, module);
      if (isReadable(module)) this.#start(id, module, priority);
      else this.#tables.fail(id);
    }
    if (this.#announced.get(module) !== id) this.#announceFile(id, module);
  }

  #start(id: ModuleId, module: Module, priority: number): void {
    const compiling = this.#compile(id, module, priority).finally(() =>
      this.#compiling.delete(compiling),
    );
    this.#compiling.add(compiling);
  }

  /**
   * Lets BPF find the module by its file, in processes that are too new to be known. Not for files whose executable
   * segments are moved by different distances: no linker makes such by itself.
   */
  #announceFile(id: ModuleId, module: Module): void {
    const { fd } = module;
    if (fd === undefined) return;
    this.#announced.set(module, id);
    const shifts = new Set(
      ElfFile.open(fd)
        .segments.filter(({ flags }) => (flags & SegmentFlag.Execute) !== 0)
        .map(({ address, offset }) => address - offset),
    );
    const [shift] = shifts;
    if (shifts.size !== 1) return;
    const { ino, size, dev, mtimeNs } = fstatSync(fd, { bigint: true });
    const view = new DataView(new ArrayBuffer(FILE_KEY_BYTES));
    view.setBigUint64(0, ino, true);
    view.setBigUint64(8, size, true);
    view.setBigInt64(16, mtimeNs, true);
    view.setUint32(24, kernelDevice(dev), true);
    const key = new Uint8Array(view.buffer);
    const value = new DataView(new ArrayBuffer(FILE_VALUE_BYTES));
    value.setBigInt64(0, BigInt(shift), true);
    value.setUint32(8, id, true);
    try {
      this.#files.update(key, new Uint8Array(value.buffer));
      this.#fileKeys.set(id, [...(this.#fileKeys.get(id) ?? []), key]);
    } catch (error) {
      // Full: new processes that run this file are unwound as soon as the agent knows them.
      if (!(error instanceof BpfError)) throw error;
    }
  }

  async #compile(id: ModuleId, module: Module, priority: number): Promise<void> {
    const { key, fd, reachablePath: path } = module;
    try {
      const { table } = await keptOpen(module, () =>
        this.#compiler.compile(fd === undefined ? { key, path } : { key, path, fd }, priority),
      );
      this.#tables.load(id, table);
    } catch {
      // The compiler counts why; stacks that meet the module say that it has no table.
      this.#tables.fail(id);
    }
  }

  /** Undefined for what is not an ELF file, or could not be opened. */
  #layout(process: Process, { module, start, end }: Mapping): Layout | undefined {
    const known = this.#layouts.get(module.key);
    if (known !== undefined || this.#layouts.has(module.key)) return known;
    let layout: Layout | undefined;
    try {
      const elf =
        module.kind === MappingKind.Vdso
          ? ElfFile.open(readMemory(process.pid, start, end))
          : module.fd === undefined
            ? undefined
            : ElfFile.open(module.fd);
      layout = elf === undefined ? undefined : (fileOffset) => elf.addressOfFileOffset(fileOffset);
    } catch (error) {
      if (!(error instanceof ElfError) && (error as NodeJS.ErrnoException).code === undefined)
        throw error;
    }
    this.#layouts.set(module.key, layout);
    return layout;
  }
}

/** Rows are written a table at a time, so only then, and only there, is the array mapped. */
function rowsOf(map: BpfMap): UnwindArrays['rows'] {
  const ROW_BYTES = 4;
  return {
    length: map.valueBytes / ROW_BYTES,
    set: (rows, at) => {
      if (rows.length === 0) return;
      const first = Math.floor((at * ROW_BYTES) / PAGE_BYTES) * PAGE_BYTES;
      const end = Math.ceil(((at + rows.length) * ROW_BYTES) / PAGE_BYTES) * PAGE_BYTES;
      const memory = new MappedMemory(map.fd, end - first, first, true);
      new Uint32Array(memory.buffer).set(rows, at - first / ROW_BYTES);
      memory.dispose();
    },
  };
}

/** From the encoding of stat(2) to that of the kernel. */
function kernelDevice(device: bigint): number {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return Number((major << 20n) | (minor & 0xfffffn));
}

function readMemory(pid: number, start: number, end: number): Uint8Array {
  const file = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const bytes = new Uint8Array(end - start);
    readSync(file, bytes, 0, bytes.length, start);
    return bytes;
  } finally {
    closeSync(file);
  }
}
