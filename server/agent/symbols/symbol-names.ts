/**
 * The names of one module's functions, zero-terminated. Small tables are in memory. Those of large programs are megabytes
 * of which a profile needs a few hundred names, so they stay in their file, in the page cache, and are read from there, never
 * as a whole: mapping the file instead would end the process if somebody cut the file short.
 */
import { sortedOrder } from './sorted-order';

/** An open file, or a part of one. */
export interface NameFile {
  /** Fills `target` with the bytes at `offset`. Throws ElfError. */
  readInto(offset: number, target: Uint8Array): void;
  close(): void;
}

export const MAX_NAME_BYTES = 16 * 1024;
/** Up to this size, names are better in memory than in an open file. */
export const IN_MEMORY_BYTES = 64 * 1024;
/** Most names are shorter, and are one read. */
const NAME_READ_BYTES = 256;
/** Names that follow each other are read in pieces, where there is one in so many bytes: to read as many costs what a call does. */
const PIECE_BYTES = 64 * 1024;
const NEAR_BYTES = 8 * 1024;
const AT_SIGN = 0x40;

export class SymbolNames {
  /** Undefined where the names are in memory. */
  readonly file: NameFile | undefined;
  readonly fileOffset: number;
  /** Of the whole table, in memory or not. */
  readonly size: number;
  /** The whole table, where it is in memory. */
  readonly #whole: Uint8Array | undefined;
  /** What was read last, and where that is in the table. */
  #piece = new Uint8Array(0);
  #pieceStart = 0;
  #readBytes = NAME_READ_BYTES;

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

  /** The whole table; undefined where it is in a file. */
  get inMemory(): Uint8Array | undefined {
    return this.#whole;
  }

  /** Calls `take` with the index of each of `offsets` and the name there, as `at` has it, in the order of the table. Throws ElfError. */
  forEach(offsets: Uint32Array, take: (index: number, name: Uint8Array) => void): void {
    const isNear = offsets.length * NEAR_BYTES > this.size;
    this.#readBytes = isNear ? PIECE_BYTES : NAME_READ_BYTES;
    try {
      for (const index of sortedOrder(offsets)) take(index, this.at(offsets[index]));
    } finally {
      this.#readBytes = NAME_READ_BYTES;
      this.#piece = new Uint8Array(0);
    }
  }

  /** The name at `offset`, without a symbol version: a view, good until the next call. Throws ElfError. */
  at(offset: number): Uint8Array {
    if (this.#whole !== undefined) return cut(this.#whole, offset);
    const inPiece = offset - this.#pieceStart;
    if (inPiece >= 0 && this.#piece.indexOf(0, inPiece) >= 0) return cut(this.#piece, inPiece);
    const left = this.size - offset;
    const longest = Math.min(MAX_NAME_BYTES, left);
    for (let length = Math.min(this.#readBytes, left); ; length = longest) {
      this.#read(offset, length);
      if (length >= longest || this.#piece.includes(0)) return cut(this.#piece, 0);
    }
  }

  #read(offset: number, length: number): void {
    if (this.#piece.length !== length) this.#piece = new Uint8Array(length);
    // Until all of it is read it has no names.
    this.#pieceStart = Number.POSITIVE_INFINITY;
    (this.file as NameFile).readInto(this.fileOffset + offset, this.#piece);
    this.#pieceStart = offset;
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
