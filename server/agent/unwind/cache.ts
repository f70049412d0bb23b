/**
 * Unwind tables on disk, by build ID, so that a file is compiled once for all starts of the agent. Bounded in bytes: what
 * was used longest ago goes first (modification times say when). A cache that can't be read or written is none: tables
 * are compiled again, and `problem` says why.
 *
 * The folder must belong to this user and be writable by nobody else: its files decide how stacks are unwound. It is
 * opened once and used by its descriptor, so that it can't be replaced by a link to somewhere else.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writevSync,
} from 'node:fs';
import type { UnwindTable } from './format';
import { decodeTable, encodeTable, MAX_TABLE_FILE_BYTES } from './table-file';

const SUFFIX = '.unwind';
const NAME = /^[0-9a-f]{8,128}-[0-9a-f]{1,16}\.unwind$/;
const TEMPORARY = /^\.[0-9]+-[0-9]+\.tmp$/;
export const CACHE_BYTES = 256 * 1024 * 1024;
/** Once it is full, this share is made free at once, so that not every table has to look for room. */
const KEEP_SHARE = 0.9;

export class TableCache {
  readonly #maxBytes: number;
  #directoryFd: number | undefined;
  #bytes = 0;
  #problem: string | undefined;
  #nextTemporary = 0;

  /** Makes the folder, mode 0700, if it is not there; the one above it must be. */
  constructor(directory: string, maxBytes = CACHE_BYTES) {
    this.#maxBytes = maxBytes;
    try {
      this.#directoryFd = openDirectory(directory);
      this.#takeStock();
    } catch (error) {
      this.#fail(error);
    }
  }

  close(): void {
    if (this.#directoryFd !== undefined) closeSync(this.#directoryFd);
    this.#directoryFd = undefined;
  }

  /** Of all its tables. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What went wrong last, for people. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The table of the file with that build ID and size in bytes; undefined where there is none that can be used. */
  get(buildId: string, fileSize: number): UnwindTable | undefined {
    const path = this.#path(buildId, fileSize);
    if (path === undefined) return undefined;
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (!isMissing(error)) this.#fail(error);
      return undefined;
    }
    try {
      const table = decodeTable(readFile(fd), buildId);
      const now = Date.now() / 1000;
      utimesSync(path, now, now);
      return table;
    } catch (error) {
      this.#fail(error);
      this.#remove(path);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Keeps a table; one that is larger than a quarter of the cache isn't kept. */
  put(fileSize: number, table: UnwindTable): void {
    const path = this.#path(table.buildId, fileSize);
    if (path === undefined) return;
    const parts = encodeTable(table);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (size > this.#maxBytes / 4 || size > MAX_TABLE_FILE_BYTES) return;
    const temporary = this.#inDirectory(`.${process.pid}-${this.#nextTemporary++}.tmp`);
    try {
      const fd = openSync(
        temporary,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        const written = writevSync(fd, parts);
        if (written !== size) throw new Error('no space left for the cache of unwind tables');
      } finally {
        closeSync(fd);
      }
      const replaced = sizeOf(path);
      renameSync(temporary, path);
      this.#bytes += size - replaced;
    } catch (error) {
      this.#fail(error);
      this.#remove(temporary);
    }
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
  }

  #path(buildId: string, fileSize: number): string | undefined {
    if (this.#directoryFd === undefined) return undefined;
    const name = `${buildId}-${fileSize.toString(16)}${SUFFIX}`;
    return NAME.test(name) ? this.#inDirectory(name) : undefined;
  }

  #inDirectory(name: string): string {
    return `/proc/self/fd/${this.#directoryFd}/${name}`;
  }

  #takeStock(): void {
    for (const name of readdirSync(this.#inDirectory(''))) {
      if (NAME.test(name)) this.#bytes += sizeOf(this.#inDirectory(name));
      // Of a process that was killed while it wrote one.
      else if (TEMPORARY.test(name)) unlinkSync(this.#inDirectory(name));
    }
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
  }

  #makeRoom(): void {
    const files: { path: string; size: number; usedMs: number }[] = [];
    this.#bytes = 0;
    for (const name of readdirSync(this.#inDirectory(''))) {
      if (!NAME.test(name)) continue;
      const path = this.#inDirectory(name);
      const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
      if (size === undefined || mtimeMs === undefined) continue;
      files.push({ path, size, usedMs: mtimeMs });
      this.#bytes += size;
    }
    files.sort((a, b) => a.usedMs - b.usedMs);
    for (const { path } of files) {
      if (this.#bytes <= this.#maxBytes * KEEP_SHARE) break;
      this.#remove(path);
    }
  }

  #remove(path: string): void {
    const size = path.endsWith(SUFFIX) ? sizeOf(path) : 0;
    try {
      unlinkSync(path);
      this.#bytes -= size;
    } catch (error) {
      if (!isMissing(error)) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#problem = (error as Error).message;
  }
}

function openDirectory(path: string): number {
  // Not recursive: Node 20 never comes back from that in some places, such as /proc.
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const { uid, mode } = fstatSync(fd);
  if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) {
    closeSync(fd);
    throw new Error(`${path} must belong to this user and be writable by nobody else`);
  }
  return fd;
}

function readFile(fd: number): Uint8Array<ArrayBuffer> {
  const { size } = fstatSync(fd);
  if (size > MAX_TABLE_FILE_BYTES) throw new Error(`a cached table of ${size} bytes`);
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size; ) {
    const count = readSync(fd, bytes, done, size - done, done);
    if (count === 0) throw new Error('a cached table was cut short while it was read');
    done += count;
  }
  return bytes;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
