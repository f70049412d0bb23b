/** Unwind tables on disk, by build ID, so that a file is compiled once for all starts of the agent. */
import { DiskCache } from '../disk-cache';
import type { UnwindTable } from './format';
import { decodeTable, encodeTable, MAX_TABLE_FILE_BYTES } from './table-file';

const SUFFIX = '.unwind';
/** Shorter build IDs are no hashes. */
const MIN_BUILD_ID_DIGITS = 16;
export const CACHE_BYTES = 256 * 1024 * 1024;

export class TableCache {
  readonly #files: DiskCache;

  /** Makes the folder, mode 0700, if it is not there; the one above it must be. */
  constructor(directory: string, maxBytes = CACHE_BYTES) {
    this.#files = new DiskCache(directory, { suffixes: [SUFFIX], maxBytes });
  }

  close(): void {
    this.#files.close();
  }

  /** Of all its tables. */
  get bytes(): number {
    return this.#files.bytes;
  }

  /** What went wrong last, for people. */
  get problem(): string | undefined {
    return this.#files.problem;
  }

  /** The table of the file with that build ID and size in bytes; undefined where there is none that can be used. */
  get(buildId: string, fileSize: number): UnwindTable | undefined {
    if (buildId.length < MIN_BUILD_ID_DIGITS) return undefined;
    const key = keyOf(buildId, fileSize);
    const bytes = this.#files.read(key, SUFFIX);
    if (bytes === undefined) return undefined;
    try {
      return decodeTable(bytes, buildId);
    } catch (error) {
      this.#files.fail(error);
      this.#files.remove(key, SUFFIX);
      return undefined;
    }
  }

  /** Keeps a table; one without a build ID, or larger than a quarter of the cache, isn't kept. */
  put(fileSize: number, table: UnwindTable): void {
    if (table.buildId.length < MIN_BUILD_ID_DIGITS) return;
    const parts = encodeTable(table);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (size <= MAX_TABLE_FILE_BYTES) {
      this.#files.put(keyOf(table.buildId, fileSize), SUFFIX, parts);
    }
  }
}

const keyOf = (buildId: string, fileSize: number): string => `${buildId}-${fileSize.toString(16)}`;
