/**
 * Where functions begin and end, by the table that unwinders search: it is in stripped files, too. It is searched in the
 * file, a few bytes at a time, as few functions of a file are ever asked for. Source: Linux Standard Base Core 5.0, 10.6.
 */
import { type ElfFile, SegmentType } from './elf-file';

/** Version 1; a pointer relative to its place; a count; a table of pointers relative to the header, 4 bytes each. */
const HEADER = 0x3b_03_1b_01;
const HEADER_BYTES = 12;
/** The start of a function and where its entry is, both relative to the header. */
const ROW_BYTES = 8;
/** Length, where what is common to many is, the function's start, its length. */
const ENTRY_BYTES = 16;

/** Addresses [start, end) of a function, or of code between two in which none is known. */
export interface Bounds {
  readonly start: number;
  readonly end: number;
  readonly isFunction: boolean;
}

export class FunctionBounds {
  readonly elf: ElfFile;
  /** Of the header: its address, and where it is in the file. */
  readonly #address: number;
  readonly #offset: number;
  readonly #count: number;
  readonly #bytes = new Uint8Array(ENTRY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  /** Undefined where the file has no such table, or one of another form than linkers write. Throws ElfError. */
  static open(elf: ElfFile): FunctionBounds | undefined {
    const segment = elf.programHeaders.find(({ type }) => type === SegmentType.GnuEhFrame);
    if (segment === undefined || segment.fileSize < HEADER_BYTES) return undefined;
    const bytes = elf.readAt(segment.offset, HEADER_BYTES);
    const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
    if (header.getUint32(0, true) !== HEADER) return undefined;
    const end = Math.min(segment.offset + segment.fileSize, elf.size);
    const rows = Math.floor((end - segment.offset - HEADER_BYTES) / ROW_BYTES);
    const count = Math.min(header.getUint32(8, true), rows);
    return new FunctionBounds(elf, segment.address, segment.offset, count);
  }

  private constructor(elf: ElfFile, address: number, offset: number, count: number) {
    this.elf = elf;
    this.#address = address;
    this.#offset = offset;
    this.#count = count;
  }

  /** The function that has an address, or the gap between functions that does; undefined where neither is known. Throws ElfError. */
  find(address: number): Bounds | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#start(middle) <= address) low = middle + 1;
      else high = middle;
    }
    const next = low === this.#count ? Number.POSITIVE_INFINITY : this.#start(low);
    if (low === 0) return { start: Number.NEGATIVE_INFINITY, end: next, isFunction: false };
    const start = this.#start(low - 1);
    const entry = this.#address + this.#view.getInt32(4, true);
    const offset = this.elf.fileOffsetOfAddress(entry);
    if (offset === undefined || offset + ENTRY_BYTES > this.elf.size) return undefined;
    this.#read(offset, ENTRY_BYTES);
    // Nearly all say so where they begin. Where one does it in another way, its length is not where it is looked for.
    if (entry + 8 + this.#view.getInt32(8, true) !== start) return undefined;
    const end = start + this.#view.getUint32(12, true);
    return address < end
      ? { start, end, isFunction: true }
      : { start: end, end: next, isFunction: false };
  }

  close(): void {
    this.elf.close();
  }

  #start(row: number): number {
    this.#read(this.#offset + HEADER_BYTES + row * ROW_BYTES, ROW_BYTES);
    return this.#address + this.#view.getInt32(0, true);
  }

  #read(offset: number, length: number): void {
    this.elf.readInto(offset, this.#bytes.subarray(0, length));
  }
}
