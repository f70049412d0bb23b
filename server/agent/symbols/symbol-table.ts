/** The functions of one module, ready for look-ups by address, and how they are collected from ELF symbol tables. */
import { ElfError, type ElfFile, type ElfSection, SectionFlag, SectionType } from '../elf/elf-file';
import { disjointRanges, type Ranges, Rank } from './disjoint-ranges';
import { NONE } from './protocol';
import { StringSection } from './string-section';
import type { SymbolNames } from './symbol-names';

/** More symbols than this in one file are refused; chromium, unstripped, has about 2 million. */
const MAX_SYMBOLS = 8 * 1024 * 1024;
const SYMBOL_BYTES = 24;
/** As much as stays in the CPU's cache. */
const SYMBOLS_PER_READ = 8 * 1024;

const SymbolType = { None: 0, Function: 2, IndirectFunction: 10 } as const;
const Binding = { Local: 0, Global: 1, Weak: 2, Unique: 10 } as const;
const MAX_BINDING = 15;
/** Ranks by type and binding as symbols have them, `NO_CODE` for what is no function. */
const NO_CODE = 0xff;
const RANKS = ranksOfSymbols();
const RESERVED_SECTIONS = 0xff00;
/** More than this many look-ups pay for an index of a table's ranges. */
const FEW_FINDS = 500;
/** Code that is further from where it starts is not named. */
const MAX_CODE_BYTES = 0x7fffffff;

export class SymbolTable {
  /** Where ranges start, relative to `base`, rising; each ends where the next starts. */
  readonly starts: Uint32Array;
  /** Where each range's name is in `names`, NONE for a gap. */
  readonly nameOffsets: Uint32Array;
  readonly names: SymbolNames;
  readonly base: number;
  /** Of 2^`#pageShift` bytes of addresses each: the first range that starts in it, so that little is left to search. */
  #pages: Uint32Array | undefined;
  #pageShift = 0;
  #finds = 0;

  /** `ranges` count from `base`; their names are offsets into `names`, which are closed with this. */
  constructor(base: number, ranges: Ranges, names: SymbolNames) {
    this.base = base;
    this.starts = ranges.starts;
    this.nameOffsets = ranges.names;
    this.names = names;
  }

  /** How many ranges there are, gaps included. */
  get length(): number {
    return this.starts.length;
  }

  /** What this holds in memory. */
  get bytes(): number {
    const pages = this.#pages?.byteLength ?? 0;
    return this.starts.byteLength + this.nameOffsets.byteLength + pages + this.names.bytes;
  }

  /** The range that has `address`, or -1 where no symbol has it. */
  find(address: number): number {
    const starts = this.starts;
    const wanted = address - this.base;
    if (!(wanted >= 0 && wanted < NONE)) return -1;
    let low = 0;
    let high = starts.length;
    const pages = this.#pages;
    if (pages === undefined) {
      if (++this.#finds > FEW_FINDS) this.#makePages();
    } else {
      const page = wanted >>> this.#pageShift;
      // What starts before the page's first range may reach into it.
      low = page < pages.length ? pages[page] : high;
      high = page + 1 < pages.length ? pages[page + 1] : high;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle] <= wanted) low = middle + 1;
      else high = middle;
    }
    return low === 0 || this.nameOffsets[low - 1] === NONE ? -1 : low - 1;
  }

  #makePages(): void {
    this.#pageShift = pageShift(this.starts);
    this.#pages = firstInPages(this.starts, this.#pageShift);
  }

  /** The name as the file has it (mangled), without a symbol version: a view, good until the next call. Throws ElfError. */
  nameBytes(range: number): Uint8Array {
    return this.names.at(this.nameOffsets[range]);
  }

  /** The same as text. */
  name(range: number): string {
    const bytes = this.nameBytes(range);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  }

  /** The addresses [start, end) of a range; the last is a gap, unless it reaches up to the largest address. */
  range(range: number): readonly [start: number, end: number] {
    const end = range + 1 < this.length ? this.starts[range + 1] : NONE;
    return [this.base + this.starts[range], this.base + end];
  }
}

/** So that a page has a few ranges on average. */
function pageShift(starts: Uint32Array): number {
  const last = starts.length === 0 ? 0 : starts[starts.length - 1];
  let shift = 8;
  while (shift < 31 && last >>> shift > starts.length >>> 2) shift++;
  return shift;
}

function firstInPages(starts: Uint32Array, shift: number): Uint32Array {
  if (starts.length === 0) return new Uint32Array(0);
  const pages = new Uint32Array((starts[starts.length - 1] >>> shift) + 1);
  let page = 0;
  for (let i = 0; i < starts.length; i++) {
    while (page <= starts[i] >>> shift) pages[page++] = i;
  }
  return pages;
}

/** Collects the functions of one module from one or more files that have the same addresses. */
export class SymbolTableBuilder {
  #base: number | undefined;
  #length = 0;
  /** The index and the start of each, interleaved. */
  #starts = new Uint32Array(0);
  #end = new Uint32Array(0);
  #name = new Uint32Array(0);
  #rank = new Uint8Array(0);
  readonly #strings = new StringSection();

  /** How many functions were added. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds the functions of a file: those of `.symtab`, and those of `.dynsym` where that has more (as a rule it is a
   * part of the other). Returns the names of the sections that had some. Throws ElfError. The file must stay open
   * until `build`, and longer if the table's names stay in it: `SymbolTable.names` closes it then.
   */
  addFile(elf: ElfFile): string[] {
    const added: string[] = [];
    const inFull = this.addSection(elf, '.symtab');
    if (inFull > 0) added.push('.symtab');
    const dynamic = elf.section('.dynsym');
    if (dynamic !== undefined && dynamic.size / SYMBOL_BYTES > inFull) {
      if (this.addSection(elf, '.dynsym') > 0) added.push('.dynsym');
    }
    return added;
  }

  /** Adds the functions of one section; returns how many it had, 0 where it is missing or was stripped of contents. */
  addSection(elf: ElfFile, sectionName: '.symtab' | '.dynsym'): number {
    const section = elf.section(sectionName);
    if (section === undefined || section.type === SectionType.NoBits) return 0;
    if (section.flags & SectionFlag.Compressed) {
      throw new ElfError('unsupported', `${sectionName} is compressed`);
    }
    const strings = elf.sections[section.link];
    if (section.entrySize !== SYMBOL_BYTES || strings === undefined) {
      throw new ElfError('malformed', `${sectionName} has no symbols of a known kind`);
    }
    if (section.offset + section.size > elf.size) {
      throw new ElfError('malformed', `${sectionName} is cut short`);
    }
    const count = Math.floor(section.size / SYMBOL_BYTES);
    this.#reserve(count);
    this.#base ??= lowestExecutableAddress(elf.sections);
    const before = this.#length;
    const namesAt = this.#strings.add(elf, strings.offset, strings.size);
    const words = new Uint32Array((Math.min(SYMBOLS_PER_READ, count) * SYMBOL_BYTES) / 4);
    const code = codeSections(elf.sections, this.#base);
    const addRange = (from: number, to: number): void => {
      for (let first = from; first < to; first += SYMBOLS_PER_READ) {
        const some = words.subarray(0, (Math.min(SYMBOLS_PER_READ, to - first) * SYMBOL_BYTES) / 4);
        elf.readInto(section.offset + first * SYMBOL_BYTES, bytesOf(some));
        this.#addSymbols(some, code, namesAt, strings.size);
      }
    };
    // Local symbols come first in the file, and last here. They begin with many that are no functions: V8 would compile
    // the loop for those, and then again for the others.
    const firstGlobal = Math.min(section.info, count);
    addRange(firstGlobal, count);
    addRange(0, firstGlobal);
    return this.#length - before;
  }

  #addSymbols(words: Uint32Array, code: CodeSections, namesAt: number, namesSize: number): void {
    const [startsOf, endOf, nameOf, rankOf] = [this.#starts, this.#end, this.#name, this.#rank];
    const base = this.#base ?? 0;
    const { starts: sectionStarts, ends: sectionEnds } = code;
    const ranks = RANKS;
    const sectionCount = sectionEnds.length;
    const baseHigh = Math.floor(base / 2 ** 32) >>> 0;
    const baseLow = base - Math.floor(base / 2 ** 32) * 2 ** 32;
    let length = this.#length;
    // This runs once for a file, interpreted at first, where only small integers cost nothing: so no 64-bit arithmetic
    // for what is usual, and no more steps than are needed.
    for (let at = 0; at + 5 < words.length; at += 6) {
      const packed = words[at + 1];
      const rank = ranks[packed & 0xff];
      if (rank === NO_CODE) continue;
      const section = packed >>> 16;
      const name = words[at];
      if (section === 0 || section >= sectionCount || name === 0 || name >= namesSize) continue;
      const start =
        words[at + 3] === baseHigh
          ? words[at + 2] - baseLow
          : words[at + 2] + (words[at + 3] | 0) * 2 ** 32 - base;
      const sectionEnd = sectionEnds[section];
      // Also false where the section has no code: then it ends at 0.
      if (!(start >= sectionStarts[section] && start < sectionEnd)) continue;
      if (rank < Rank.Function && isMarker(this.#strings.byteAt(namesAt + name))) continue;
      const size = words[at + 5] === 0 ? words[at + 4] : MAX_CODE_BYTES;
      startsOf[2 * length] = length;
      startsOf[2 * length + 1] = start;
      endOf[length] = size === 0 || size > sectionEnd - start ? sectionEnd : start + size;
      nameOf[length] = namesAt + name;
      rankOf[length++] = size === 0 ? rank : rank | Rank.Sized;
    }
    this.#length = length;
  }

  /** Adds a table of zero-terminated names that are in the file at `fileOffset`; returns the number of its first byte. */
  addNames(elf: ElfFile, fileOffset: number, size: number): number {
    return this.#strings.add(elf, fileOffset, size);
  }

  /**
   * Adds `starts.length - 1` functions that follow each other, each up to the start of the next, of a table that is
   * not ELF's own. Starts count from `base`, names from what `addNames` returned for the first.
   */
  addFunctions(base: number, starts: Uint32Array, names: Uint32Array, namesAt: number): void {
    const count = starts.length - 1;
    this.#reserve(count);
    this.#base ??= base;
    const shift = base - this.#base;
    for (let i = 0; i < count; i++) {
      const [start, end] = [starts[i] + shift, starts[i + 1] + shift];
      if (start < 0 || end <= start || end >= NONE) continue;
      const at = this.#length++;
      this.#starts[2 * at] = at;
      this.#starts[2 * at + 1] = start;
      this.#end[at] = end;
      this.#name[at] = namesAt + names[i];
      this.#rank[at] = Rank.Sized | Rank.Function | Rank.Global;
    }
  }

  #reserve(more: number): void {
    const wanted = this.#length + more;
    if (wanted > MAX_SYMBOLS) {
      throw new ElfError('too-large', `${wanted} symbols, more than ${MAX_SYMBOLS}`);
    }
    // Sections hold more than functions: room that the last one reserved may be left.
    if (wanted <= this.#end.length) return;
    const grown = <T extends Uint8Array | Uint32Array>(column: T, empty: T): T => {
      empty.set(column);
      return empty;
    };
    this.#starts = grown(this.#starts, new Uint32Array(2 * wanted));
    this.#end = grown(this.#end, new Uint32Array(wanted));
    this.#name = grown(this.#name, new Uint32Array(wanted));
    this.#rank = grown(this.#rank, new Uint8Array(wanted));
  }

  /** The table of all that was added. */
  build(): SymbolTable {
    const strings = this.#strings;
    const columns = { starts: this.#starts, end: this.#end, name: this.#name, rank: this.#rank };
    const ranges = disjointRanges(
      columns,
      this.#length,
      (a, b) => strings.awkwardness(b) - strings.awkwardness(a),
    );
    return new SymbolTable(this.#base ?? 0, ranges, strings.take(ranges.names));
  }
}

/** Where the sections with code are, by index; 0 to 0 for all others, and what is too far off. */
interface CodeSections {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Counted from `base`. */
function codeSections(sections: readonly ElfSection[], base: number): CodeSections {
  const count = Math.min(sections.length, RESERVED_SECTIONS);
  const [starts, ends] = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < count; i++) {
    const { flags, address, size } = sections[i];
    const start = address - base;
    if (!(flags & SectionFlag.Execute) || start < 0 || start + size > MAX_CODE_BYTES) continue;
    starts[i] = start;
    ends[i] = start + size;
  }
  return { starts, ends };
}

const bytesOf = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** Not functions: arm64's `$x` and `$d`, annobin's and assemblers' `.name` labels. */
function isMarker(firstByte: number): boolean {
  return firstByte === 0x24 || firstByte === 0x2e;
}

function ranksOfSymbols(): Uint8Array {
  const ranks = new Uint8Array(0x100).fill(NO_CODE);
  for (const type of Object.values(SymbolType)) {
    const ofType = type === SymbolType.None ? 0 : Rank.Function;
    for (let binding = 0; binding <= MAX_BINDING; binding++) {
      ranks[(binding << 4) | type] = ofType | rankOfBinding(binding);
    }
  }
  return ranks;
}

function rankOfBinding(binding: number): number {
  if (binding === Binding.Global || binding === Binding.Unique) return Rank.Global;
  return binding === Binding.Local ? Rank.Local : Rank.Weak;
}

function lowestExecutableAddress(sections: readonly ElfSection[]): number {
  let lowest = Infinity;
  for (const { flags, address, size } of sections) {
    if (flags & SectionFlag.Execute && size > 0) lowest = Math.min(lowest, address);
  }
  return lowest === Infinity ? 0 : lowest;
}
