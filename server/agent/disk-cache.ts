/**
 * Files that can be made again, kept from run to run in a folder. Bounded in bytes: what was used longest ago goes first
 * (modification times say when). A cache that can't be read or written is none, and `problem` says why.
 *
 * The folder must belong to this user and be writable by nobody else: what is in it is trusted as much as what it was
 * made from. It is opened once and used by its descriptor, so that it can't be replaced by a link to somewhere else.
 * Several processes may use one folder: files appear whole or not at all.
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
  writeSync,
} from 'node:fs';

const NAME = /^[0-9a-f]{8,128}(?:-[0-9a-f]{1,16}){0,2}$/;
const TEMPORARY = /^\.[0-9]+-[0-9]+\.tmp$/;
/** Once it is full, this share is made free at once, so that not every file has to look for room. */
const KEEP_SHARE = 0.9;
/** One file takes this share of the cache at most. */
const FILE_SHARE = 1 / 4;

export interface DiskCacheOptions {
  /** What its files' names end in: others in the folder are left alone. */
  readonly suffixes: readonly string[];
  readonly maxBytes: number;
}

export class DiskCache {
  readonly #maxBytes: number;
  readonly #suffixes: readonly string[];
  #directoryFd: number | undefined;
  #bytes = 0;
  #problem: string | undefined;
  #nextTemporary = 0;

  /** Makes the folder, mode 0700, if it is not there; the one above it must be. */
  constructor(directory: string, { suffixes, maxBytes }: DiskCacheOptions) {
    this.#maxBytes = maxBytes;
    this.#suffixes = suffixes;
    try {
      this.#directoryFd = openDirectory(directory);
      this.#takeStock();
    } catch (error) {
      this.fail(error);
    }
  }

  close(): void {
    if (this.#directoryFd !== undefined) closeSync(this.#directoryFd);
    this.#directoryFd = undefined;
  }

  /** Of all its files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** No file may be larger. */
  get maxFileBytes(): number {
    return this.#maxBytes * FILE_SHARE;
  }

  /** What went wrong last, for people. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Remembers what is wrong with the cache. */
  fail(error: unknown): void {
    this.#problem = (error as Error).message;
  }

  /**
   * Opens a file, which counts as its use; the descriptor is the caller's. `key` is lower-case hex, perhaps with more of
   * it behind dashes. Undefined where there is none that can be used.
   */
  open(key: string, suffix: string): number | undefined {
    const path = this.#path(key, suffix);
    if (path === undefined) return undefined;
    try {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const now = Date.now() / 1000;
      utimesSync(path, now, now);
      return fd;
    } catch (error) {
      if (!isMissing(error)) this.fail(error);
      return undefined;
    }
  }

  /** A whole file. */
  read(key: string, suffix: string): Uint8Array<ArrayBuffer> | undefined {
    const fd = this.open(key, suffix);
    if (fd === undefined) return undefined;
    try {
      const { size } = fstatSync(fd);
      if (size > this.maxFileBytes) throw new Error(`a cached file of ${size} bytes`);
      const bytes = new Uint8Array(size);
      for (let done = 0; done < size; ) {
        const count = readSync(fd, bytes, done, size - done, done);
        if (count === 0) throw new Error('a cached file was cut short while it was read');
        done += count;
      }
      return bytes;
    } catch (error) {
      this.fail(error);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Keeps a file; one that is too large is not kept. False where it is not there now. */
  put(key: string, suffix: string, parts: readonly Uint8Array[]): boolean {
    if (parts.reduce((sum, part) => sum + part.length, 0) > this.maxFileBytes) return false;
    const file = this.create(key, suffix);
    if (file === undefined) return false;
    for (const part of parts) if (!file.write(part)) return false;
    return file.commit();
  }

  /** A file to be written piece by piece; undefined where none can be. */
  create(key: string, suffix: string): NewFile | undefined {
    const path = this.#path(key, suffix);
    if (path === undefined) return undefined;
    const temporary = this.#inDirectory(`.${process.pid}-${this.#nextTemporary++}.tmp`);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    try {
      return new NewFile(openSync(temporary, flags, 0o600), this.maxFileBytes, {
        commit: (size) => this.#replace(temporary, path, size),
        abort: (error) => {
          if (error !== undefined) this.fail(error);
          this.#unlink(temporary);
        },
      });
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  remove(key: string, suffix: string): void {
    const path = this.#path(key, suffix);
    if (path !== undefined) this.#remove(path);
  }

  #replace(temporary: string, path: string, size: number): void {
    const replaced = sizeOf(path);
    renameSync(temporary, path);
    this.#bytes += size - replaced;
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
  }

  #path(key: string, suffix: string): string | undefined {
    if (this.#directoryFd === undefined || !NAME.test(key)) return undefined;
    return this.#inDirectory(key + suffix);
  }

  #inDirectory(name: string): string {
    return `/proc/self/fd/${this.#directoryFd}/${name}`;
  }

  #isOurs(name: string): boolean {
    return this.#suffixes.some(
      (suffix) => name.endsWith(suffix) && NAME.test(name.slice(0, -suffix.length)),
    );
  }

  #takeStock(): void {
    for (const name of readdirSync(this.#inDirectory(''))) {
      if (this.#isOurs(name)) this.#bytes += sizeOf(this.#inDirectory(name));
      // Of a process that was killed while it wrote one.
      else if (TEMPORARY.test(name)) unlinkSync(this.#inDirectory(name));
    }
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
  }

  #makeRoom(): void {
    const files: { path: string; size: number; usedMs: number }[] = [];
    this.#bytes = 0;
    for (const name of readdirSync(this.#inDirectory(''))) {
      if (!this.#isOurs(name)) continue;
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
    const size = sizeOf(path);
    if (this.#unlink(path)) this.#bytes -= size;
  }

  #unlink(path: string): boolean {
    try {
      unlinkSync(path);
      return true;
    } catch (error) {
      if (!isMissing(error)) this.fail(error);
      return false;
    }
  }
}

interface NewFileEnds {
  commit(size: number): void;
  abort(error: unknown): void;
}

/** A file that is not in the cache before it is committed. */
export class NewFile {
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #ends: NewFileEnds;
  #size = 0;
  #open = true;

  constructor(fd: number, maxBytes: number, ends: NewFileEnds) {
    this.#fd = fd;
    this.#maxBytes = maxBytes;
    this.#ends = ends;
  }

  /** Its descriptor, which is closed by `commit` and `abort`. */
  get fd(): number {
    return this.#fd;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends; false where there is no room, and then there will be no file. */
  write(bytes: Uint8Array): boolean {
    if (!this.#open) return false;
    this.#size += bytes.length;
    if (this.#size > this.#maxBytes) {
      this.abort();
      return false;
    }
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
      return true;
    } catch (error) {
      this.#abort(error);
      return false;
    }
  }

  /** Puts it into the cache; false where that failed. */
  commit(): boolean {
    if (!this.#open) return false;
    try {
      this.#close();
      this.#ends.commit(this.#size);
      return true;
    } catch (error) {
      this.#ends.abort(error);
      return false;
    }
  }

  abort(): void {
    this.#abort(undefined);
  }

  #abort(error: unknown): void {
    if (!this.#open) return;
    this.#close();
    this.#ends.abort(error);
  }

  #close(): void {
    this.#open = false;
    closeSync(this.#fd);
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

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
