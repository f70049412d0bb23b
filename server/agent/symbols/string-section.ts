/**
 * The names of symbols while a table is built. String tables can be larger than the memory that we want to spend (300
 * MB in large debug builds), and most of a table's strings may not be functions' names: so large ones are read through
 * a window, and `compact` keeps only the names that are used.
 */
import { ElfError, type ElfFile } from '../elf/elf-file';
import { ByteSink } from './byte-sink';
import { ALIASES } from './function-set';
import { NONE } from './protocol';
import { sortedOrder } from './sorted-order';
import { awkwardness, IN_MEMORY_BYTES, LOOKED_AT_BYTES, SymbolNames } from './symbol-names';

const WHOLE_BYTES = 16 * 1024 * 1024;
const SEQUENTIAL_BYTES = 4 * 1024 * 1024;
const RANDOM_BYTES = 4 * 1024;
/** After so many windows a table is read whole, if it is not too large: memory for all of it costs more than these. */
const MANY_WINDOWS = 256;
const MAX_KEPT_BYTES = 256 * 1024 * 1024;
/** Names that are nearer to each other than this are copied in one piece, with what is between them. */
const JOIN_BYTES = 64;

interface Part {
  /** Where the part starts in the numbering of all parts. */
  readonly base: number;
  readonly elf: ElfFile;
  readonly fileOffset: number;
  readonly size: number;
  readonly mayBeWhole: boolean;
  /** That were read for single bytes. */
  windows: number;
  window: Uint8Array;
  windowStart: number;
}

export class StringSection {
  readonly #parts: Part[] = [];
  readonly #wholeBytes: number;
  #size = 0;

  /** Up to `wholeBytes` a string table is read at once, if much of it is needed. */
  constructor(wholeBytes = WHOLE_BYTES) {
    this.#wholeBytes = wholeBytes;
  }

  /** Adds a string table that is at `fileOffset`; returns the number of its first byte among all. */
  add(elf: ElfFile, fileOffset: number, size: number): number {
    if (fileOffset + size > elf.size) {
      throw new ElfError('malformed', 'the table of symbol names is cut short');
    }
    const base = this.#size;
    if (base + size > ALIASES) throw new ElfError('too-large', 'symbol names of more than 2 GiB');
    const mayBeWhole = size <= this.#wholeBytes;
    const window = new Uint8Array(0);
    this.#parts.push({
      base,
      elf,
      fileOffset,
      size,
      mayBeWhole,
      windows: 0,
      window,
      windowStart: 0,
    });
    this.#size += size;
    return base;
  }

  byteAt(at: number): number {
    const part = this.#parts.length === 1 ? this.#parts[0] : this.#partOf(at);
    const offset = at - part.base;
    const inWindow = offset - part.windowStart;
    if (inWindow >= 0 && inWindow < part.window.length) return part.window[inWindow];
    const isWhole = part.mayBeWhole && ++part.windows > MANY_WINDOWS;
    loadWindow(part, isWhole ? 0 : offset, isWhole ? part.size : RANDOM_BYTES);
    return part.window[offset - part.windowStart];
  }

  /** Of the name at `at`. */
  awkwardness(at: number): number {
    const start = new Uint8Array(LOOKED_AT_BYTES);
    let length = 0;
    while (length < LOOKED_AT_BYTES && at + length < this.#size) {
      const byte = this.byteAt(at + length);
      if (byte === 0) break;
      start[length++] = byte;
    }
    return awkwardness(start.subarray(0, length));
  }

  /** Whether the names stay in their file: those of one large table do. */
  get isLeftInFile(): boolean {
    const [first] = this.#parts;
    return this.#parts.length === 1 && first.size > IN_MEMORY_BYTES && !first.elf.isInMemory;
  }

  /**
   * The names at `offsets` (NONE is left alone); makes `offsets` point into what it returns. A file in which names stay
   * is the caller's to close no more; else the names that are used are kept in memory.
   */
  take(offsets: Uint32Array): SymbolNames {
    if (!this.isLeftInFile) return SymbolNames.inMemory(this.#compact(offsets));
    const [{ elf, fileOffset, size }] = this.#parts;
    return SymbolNames.inFile(elf, fileOffset, size);
  }

  #compact(offsets: Uint32Array): Uint8Array {
    const order = sortedOrder(offsets);
    const kept = new ByteSink(64 * 1024);
    // What is copied in one piece is [start, end) of `part`, in the numbering of all parts, and goes to `shift` less.
    let part: Part | undefined;
    let [start, end, shift] = [0, 0, 0];
    for (const index of order) {
      const at = offsets[index];
      if (at === NONE) break;
      const ofPart = part !== undefined && at < part.base + part.size;
      if (!ofPart || at > end + JOIN_BYTES) {
        if (part !== undefined) copyRange(part, start - part.base, end - part.base, kept);
        part = ofPart ? part : this.#partOf(at);
        start = at;
        end = at;
        shift = at - kept.length;
      }
      // A table may share the tails of strings: what lies in one that ends later needs no second look.
      if (at >= end)
        end = endOfString(part as Part, at - (part as Part).base) + (part as Part).base;
      offsets[index] = at - shift;
    }
    if (part !== undefined) copyRange(part, start - part.base, end - part.base, kept);
    return kept.take();
  }

  #partOf(at: number): Part {
    const part = this.#parts.findLast(({ base }) => base <= at);
    if (part === undefined || at >= part.base + part.size) {
      throw new ElfError('malformed', 'a symbol name outside of its table');
    }
    return part;
  }
}

/** Makes the part's window have the byte at `offset`, and what follows it, if it has not. */
function loadWindow(part: Part, offset: number, length: number): void {
  const inWindow = offset - part.windowStart;
  if (inWindow >= 0 && inWindow < part.window.length) return;
  part.windowStart = offset;
  part.window = part.elf.readAt(part.fileOffset + offset, Math.min(length, part.size - offset));
}

/** Where the string at `offset` ends: after its zero, or with the part. */
function endOfString(part: Part, offset: number): number {
  for (let at = offset; at < part.size; ) {
    loadWindow(part, at, SEQUENTIAL_BYTES);
    const { window } = part;
    // Names are short: a loop is quicker than a call.
    let i = at - part.windowStart;
    while (i < window.length && window[i] !== 0) i++;
    if (i < window.length) return part.windowStart + i + 1;
    at = part.windowStart + window.length;
  }
  return part.size;
}

/** Copies [start, end) of a part, and a zero behind it if it has none. */
function copyRange(part: Part, start: number, end: number, sink: ByteSink): void {
  if (sink.length + end - start > MAX_KEPT_BYTES) {
    throw new ElfError('too-large', 'function names of more than 256 MiB');
  }
  for (let at = start; at < end; ) {
    loadWindow(part, at, SEQUENTIAL_BYTES);
    const from = at - part.windowStart;
    const to = Math.min(end - part.windowStart, part.window.length);
    sink.append(part.window.subarray(from, to));
    at += to - from;
  }
  sink.terminate();
}
