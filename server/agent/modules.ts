/** The files that code is mapped from: found once each, by build ID, whatever name or mount namespace they are seen under. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { MappingKind } from '@/profile/schema';
import { readBuildId } from './elf/elf-file';
import { BUILD_ID_KEY } from './elf/open-build';

/** One file, or what stands in for one: the vDSO, anonymous memory of a process. */
export interface Module {
  /** Identifies the code: `build-id:…`, or `device:inode:path` where there is none. */
  readonly key: string;
  /**
   * Identifies its names, too: linkers leave symbol tables out of the build ID, so builds that differ in names only have the
   * same, as have a file and its stripped copy. Begins with `key`.
   */
  readonly namesKey: string;
  /** As the process sees it. */
  readonly path: string;
  /** Lower-case hex, or ''. */
  readonly buildId: string;
  readonly kind: MappingKind;
  /** The open file; undefined where it could not be opened, where there is none, and when nothing maps it any more. */
  readonly fd: number | undefined;
  /** The path by which this process can reach it and what lies beside it. */
  readonly reachablePath: string;
}

interface OpenModule extends Module {
  fd: number | undefined;
  /** Nothing mapped it when `forgetUnused` looked last. */
  isUnused: boolean;
}

/** How many read a module's file now. */
const readers = new WeakMap<Module, number>();

/** Runs `read` while the module's file stays open. */
export async function keptOpen<T>(module: Module, read: () => Promise<T>): Promise<T> {
  readers.set(module, (readers.get(module) ?? 0) + 1);
  try {
    return await read();
  } finally {
    readers.set(module, (readers.get(module) ?? 0) - 1);
  }
}

/** Whether its code can be read: not where the file that was mapped was replaced before it could be opened. */
export const isReadable = ({ fd, buildId, kind }: Module): boolean =>
  fd !== undefined || buildId !== '' || kind === MappingKind.Vdso;

/** A mapping as the kernel tells of it. */
export interface MappedFile {
  readonly pid: number;
  readonly parentPid: number;
  readonly start: number;
  readonly end: number;
  readonly path: string;
  /** '' where it is not known. */
  readonly buildId: string;
  /** Where it is known. `device` as in stat(2). */
  readonly file?: { readonly device: number; readonly inode: number };
}

const DELETED = / \(deleted\)$/;

export class Modules {
  readonly #modules = new Map<string, OpenModule>();
  readonly #anonymous = new Map<number, Module>();
  readonly #vdso = withoutFile('[vdso]', MappingKind.Vdso);

  /** The module that is mapped; opened now, for the process may be gone in a moment. */
  of(mapped: MappedFile): Module {
    if (mapped.path === '[vdso]') return this.#vdso;
    if (!mapped.path.startsWith('/') || mapped.path.startsWith('//'))
      return this.anonymous(mapped.pid);
    const path = mapped.path.replace(DELETED, '');
    const key =
      mapped.buildId !== ''
        ? `${BUILD_ID_KEY}${mapped.buildId}`
        : mapped.file !== undefined
          ? `${mapped.file.device}:${mapped.file.inode}:${path}`
          : `path:${mapped.pid}:${path}`;
    const known = this.#modules.get(`${key} ${path}`);
    if (known !== undefined && (known.fd !== undefined || known.buildId !== '')) return known;
    const fd = openMapped({ ...mapped, path });
    const buildId = mapped.buildId !== '' || fd === undefined ? mapped.buildId : readBuildId(fd);
    const codeKey = buildId === '' ? key : `${BUILD_ID_KEY}${buildId}`;
    const module: OpenModule = {
      key: codeKey,
      namesKey: this.#namesKey(codeKey, fd),
      path,
      buildId,
      kind: MappingKind.Executable,
      fd,
      reachablePath: `/proc/${mapped.pid}/root${path}`,
      isUnused: false,
    };
    this.#modules.set(`${key} ${path}`, module);
    return module;
  }

  /** The module of a file that a process has not mapped yet; undefined where it can't be opened. */
  toCome(pid: number, path: string): Module | undefined {
    const fd = tryOpen(`/proc/${pid}/root${path}`);
    if (fd === undefined) return undefined;
    try {
      const { dev, ino } = fstatSync(fd);
      const file = { device: dev, inode: ino };
      return this.of({
        pid,
        parentPid: pid,
        start: 0,
        end: 0,
        path,
        buildId: readBuildId(fd),
        file,
      });
    } finally {
      closeSync(fd);
    }
  }

  /** What could not be opened is taken for a file of the same build that was. */
  #namesKey(key: string, fd: number | undefined): string {
    if (fd !== undefined) {
      const { size, mtimeMs } = fstatSync(fd);
      return `${key} ${size} ${mtimeMs}`;
    }
    for (const module of this.#modules.values())
      if (module.key === key && module.fd !== undefined) return module.namesKey;
    return key;
  }

  /** A process's memory that no file is behind: where JIT compilers put their code. */
  anonymous(pid: number): Module {
    let module = this.#anonymous.get(pid);
    if (module === undefined) {
      module = withoutFile(`[anon:${pid}]`, MappingKind.Jit);
      this.#anonymous.set(pid, module);
    }
    return module;
  }

  forget(pid: number): void {
    this.#anonymous.delete(pid);
  }

  /**
   * Closes and forgets the files that are not in `mapped`, if they were not the last time either: an open file keeps its
   * room on the disk when it is deleted, and its file system from being unmounted.
   */
  forgetUnused(mapped: ReadonlySet<Module>): void {
    for (const [name, module] of this.#modules) {
      const wasUnused = module.isUnused;
      module.isUnused = !mapped.has(module) && (readers.get(module) ?? 0) === 0;
      if (!module.isUnused || !wasUnused) continue;
      this.#modules.delete(name);
      close(module);
    }
  }

  dispose(): void {
    for (const module of this.#modules.values()) close(module);
    this.#modules.clear();
  }
}

function withoutFile(path: string, kind: MappingKind): Module {
  return { key: path, namesKey: path, path, buildId: '', kind, fd: undefined, reachablePath: path };
}

function close(module: OpenModule): void {
  if (module.fd !== undefined) closeSync(module.fd);
  module.fd = undefined;
}

/**
 * Opens a mapped file. /proc/PID/map_files leads to the very file, even if it was deleted or replaced since; where the
 * process is gone, its parent most likely sees the same files. A file found by its name counts only if it is the same.
 */
function openMapped(mapped: MappedFile): number | undefined {
  const { pid, parentPid, path, start, end } = mapped;
  const exact = tryOpen(`/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`);
  if (exact !== undefined && isSame(exact, mapped)) return exact;
  if (exact !== undefined) closeSync(exact);
  for (const root of [`/proc/${pid}/root`, `/proc/${parentPid}/root`, '']) {
    const fd = tryOpen(root + path);
    if (fd === undefined) continue;
    if (isSame(fd, mapped)) return fd;
    closeSync(fd);
  }
  return undefined;
}

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

function isSame(fd: number, mapped: MappedFile): boolean {
  const stat = fstatSync(fd);
  if (!stat.isFile()) return false;
  if (mapped.buildId !== '') return readBuildId(fd) === mapped.buildId;
  return (
    mapped.file === undefined || (stat.ino === mapped.file.inode && stat.dev === mapped.file.device)
  );
}
