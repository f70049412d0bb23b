/** Which addresses of a file are code. Inside of the compiler, addresses are offsets from `base`. */
import { type ElfFile, SegmentFlag } from '../elf/elf-file';
import { PAGE_SHIFT } from './format';

const PAGE_BYTES = 2 ** PAGE_SHIFT;
/** Code that begins more than this behind the first is not looked at: no program is so large. */
const MAX_SPAN = 2 ** 32;

export class CodeRanges {
  /** An address; the start of a page of unwind tables. */
  readonly base: number;
  /** Of what is executable. Ends, too, are offsets from the base. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** Where the ELF header would be. */
  readonly headerStart: number;

  constructor(elf: ElfFile) {
    const segments = elf.segments.filter(({ flags }) => flags & SegmentFlag.Execute);
    const first = segments.reduce((min, { address }) => Math.min(min, address), Number.MAX_VALUE);
    this.base = segments.length === 0 ? 0 : Math.floor(first / PAGE_BYTES) * PAGE_BYTES;
    this.ranges = segments
      .map(({ address, memorySize }) => {
        const start = address - this.base;
        return { start, end: Math.min(start + memorySize, MAX_SPAN) };
      })
      .filter(({ start, end }) => start < end);
    const header = elf.segments.find(({ offset }) => offset === 0);
    this.headerStart = header === undefined ? MAX_SPAN : header.address - this.base;
  }

  /** True if all bytes of [offset, offset + size) are code. */
  has(offset: number, size: number): boolean {
    return this.ranges.some(({ start, end }) => offset >= start && offset + size <= end);
  }
}
