/** The files that code is mapped from: found once each, by build ID, whatever name or mount namespace they are seen under. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { MappingKind } from '@/profile/schema';
import { readBuildId } from './elf/elf-file';

/** One file, or what stands in for one: the vDSO, anonymous memory of a process. */
export interface Module {
  /** Identifies the code: `build-id:…`, or `device:inode:path` where there is none. */
  readonly key: string;
  /** As the process sees it. */
  readonly path: string;
  /** Lower-case hex, or ''. */
  readonly buildId: string;
  readonly kind: MappingKind;
  /** The open file; undefined where it could not be opened, or where there is none. */
  readonly fd: number | undefined;
  /** The path by which this process can reach it and what lies beside it. */
  readonly reachablePath: string;
}

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
  readonly #modules = new Map<string, Module>();
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
        ? `build-id:${mapped.buildId}`
        : mapped.file !== undefined
          ? `${mapped.file.device}:${mapped.file.inode}:${path}`
          : `path:${mapped.pid}:${path}`;
    const known = this.#modules.get(`${key} ${path}`);
    if (known !== undefined && (known.fd !== undefined || known.buildId !== '')) return known;
    const fd = openMapped({ ...mapped, path });
    const buildId = mapped.buildId !== '' || fd === undefined ? mapped.buildId : readBuildId(fd);
    const module: Module = {
      key: buildId === '' ? key : `build-id:${buildId}`,
      path,
      buildId,
      kind: MappingKind.Executable,
      fd,
      reachablePath: `/proc/${mapped.pid}/root${path}`,
    };
    this.#modules.set(`${key} ${path}`, module);
    return module;
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

  dispose(): void {
    for (const { fd } of this.#modules.values()) if (fd !== undefined) closeSync(fd);
    this.#modules.clear();
  }
}

function withoutFile(path: string, kind: MappingKind): Module {
  return { key: path, path, buildId: '', kind, fd: undefined, reachablePath: path };
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
