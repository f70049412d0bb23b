/**
 * The names of one module's functions, zero-terminated. Small tables are in memory. Those of large programs are megabytes
 * of which a profile needs a few hundred names, so they stay in their file, in the page cache, and are read from there:
 * mapping the file instead would end the process if somebody cut the file short.
 */

/** An open file, or a part of one. */
export interface NameFile {
  /** Exactly these bytes; throws ElfError. */
  readAt(offset: number, length: number): Uint8Array;
  close(): void;
}

export const MAX_NAME_BYTES = 16 * 1024;
/** Up to this size, names are better in memory than in an open file. */
export const IN_MEMORY_BYTES = 64 * 1024;
/** Most names are shorter, and are one read. */
const NAME_READ_BYTES = 256;
/** For so many names the whole table is read, if it is not larger than that, and forgotten afterwards. */
const MANY_NAMES = 256;
const MAX_WHOLE_BYTES = 32 * 1024 * 1024;
const AT_SIGN = 0x40;

export class SymbolNames {
  /** Undefined where the names are in memory. */
  readonly file: NameFile | undefined;
  readonly fileOffset: number;
  /** Of the whole table, in memory or not. */
  readonly size: number;
  /** The whole table, or nothing. */
  #whole: Uint8Array | undefined;

  static inMemory(bytes: Uint8Array): SymbolNames {
    return new SymbolNames(undefined, 0, bytes.length, bytes);
  }

  /** The file is closed with this. */
  static inFile(file: NameFile, fileOffset: number, size: number): SymbolNames {
    return new SymbolNames(file, fileOffset, size, undefined);
  }

  private constructor(
    file: NameFile | undefined,
    fileOffset: number,
    size: number,
    whole: Uint8Array | undefined,
  ) {
    this.file = file;
    this.fileOffset = fileOffset;
    this.size = size;
    this.#whole = whole;
  }

  /** What this holds in memory between requests. */
  get bytes(): number {
    return this.file === undefined ? this.size : 0;
  }

  /** The whole table. Throws ElfError. */
  all(): Uint8Array {
    return this.#whole ?? (this.file as NameFile).readAt(this.fileOffset, this.size);
  }

  /** Says that about so many names will be asked for, until `release`. */
  prepare(count: number): void {
    if (this.#whole !== undefined || count < MANY_NAMES || this.size > MAX_WHOLE_BYTES) return;
    this.#whole = this.all();
  }

  release(): void {
    if (this.file !== undefined) this.#whole = undefined;
  }

  /** The name at `offset`, without a symbol version: a view, good until the next call. Throws ElfError. */
  at(offset: number): Uint8Array {
    if (this.#whole !== undefined) return cut(this.#whole, offset);
    const left = Math.min(MAX_NAME_BYTES, this.size - offset);
    for (let length = Math.min(NAME_READ_BYTES, left); ; length = left) {
      const bytes = (this.file as NameFile).readAt(this.fileOffset + offset, length);
      if (length === left || bytes.includes(0)) return cut(bytes, 0);
    }
  }

  close(): void {
    this.file?.close();
  }
}

/** How many bytes of a name `awkwardness` looks at. */
export const LOOKED_AT_BYTES = 8;
const UNDERSCORE = 0x5f;
const INTERNAL_ALIAS = Buffer.from('__GI_');

/** How little a name is meant for people: by the underscores in front; glibc's internal aliases come last. */
export function awkwardness(name: Uint8Array): number {
  const length = Math.min(name.length, LOOKED_AT_BYTES);
  let count = 0;
  while (count < length && name[count] === UNDERSCORE) count++;
  if (count !== 2 || length < INTERNAL_ALIAS.length) return count;
  return INTERNAL_ALIAS.every((byte, i) => byte === name[i]) ? LOOKED_AT_BYTES + 1 : count;
}

/** The name that starts at `start`. */
function cut(bytes: Uint8Array, start: number): Uint8Array {
  const limit = Math.min(bytes.length, start + MAX_NAME_BYTES);
  let end = start;
  let version = -1;
  for (; end < limit && bytes[end] !== 0; end++) {
    if (bytes[end] === AT_SIGN && version < 0) version = end;
  }
  if (version > start && isVersion(bytes, version, end)) end = version;
  return bytes.subarray(start, end);
}

/** `.symtab` has versions within names: realpath@@GLIBC_2.3. */
function isVersion(bytes: Uint8Array, start: number, end: number): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  return /^@@?[A-Za-z_][\w.]*$/.test(text);
}
