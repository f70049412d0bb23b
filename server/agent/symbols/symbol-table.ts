/** The functions of one module, ready for look-ups by address, and how they are collected from ELF symbol tables. */

import { U32List } from '@/profile/u32-list';
import { ElfError, type ElfFile, type ElfSection, SectionFlag, SectionType } from '../elf/elf-file';
import {
  ALIASES,
  bestAlias,
  type CodeSection,
  ELF_SYMBOL_BYTES,
  FunctionSet,
  indicesOfAliases,
  NO_CODE,
  type Ranges,
  Rank,
} from './function-set';
import { NONE } from './protocol';
import { StringSection } from './string-section';
import { awkwardness, type SymbolNames } from './symbol-names';

/** More symbols than this in one file are refused; chromium, unstripped, has about 2 million. */
const MAX_SYMBOLS = 8 * 1024 * 1024;

const SymbolType = { None: 0, Function: 2, IndirectFunction: 10 } as const;
const Binding = { Local: 0, Global: 1, Weak: 2, Unique: 10 } as const;
const MAX_BINDING = 15;
/** Ranks by type and binding as symbols have them, `NO_CODE` for what is no function. */
const RANKS = ranksOfSymbols();
const RESERVED_SECTIONS = 0xff00;
/** More than this many look-ups pay for an index of a table's ranges. */
const FEW_FINDS = 500;
/** Code that is further from where it starts is not named. */
const MAX_CODE_BYTES = 0x7fffffff;

export class SymbolTable {
  /** Where ranges start, relative to `base`, rising; each ends where the next starts. */
  readonly starts: Uint32Array;
  /** As in Ranges: where each range's name is in `names`, or what stands for its aliases. */
  readonly #nameOffsets: Uint32Array;
  readonly #aliases: Uint32Array;
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
    this.#nameOffsets = ranges.names;
    this.#aliases = ranges.aliases;
    this.names = names;
  }

  /** How many ranges there are, gaps included. */
  get length(): number {
    return this.starts.length;
  }

  /** What this holds in memory. */
  get bytes(): number {
    const columns = [this.starts, this.#nameOffsets, this.#aliases, this.#pages];
    return columns.reduce((sum, column) => sum + (column?.byteLength ?? 0), this.names.bytes);
  }

  /** The range that has `address`, or -1 where no symbol has it. */
  find(address: number): number {
    const range = this.rangeAt(address);
    return range < 0 || this.isGap(range) ? -1 : range;
  }

  /** Whether no symbol has a range. */
  isGap(range: number): boolean {
    return this.#nameOffsets[range] === NONE;
  }

  /** The range at `address`, even where it is a gap; -1 in front of the first. */
  rangeAt(address: number): number {
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
    return low - 1;
  }

  #makePages(): void {
    this.#pageShift = pageShift(this.starts);
    this.#pages = firstInPages(this.starts, this.#pageShift);
  }

  /** The name as the file has it (mangled), without a symbol version: a view, good until the next call. Throws ElfError. */
  nameBytes(range: number): Uint8Array {
    return this.names.at(this.#nameOffset(range));
  }

  /** Calls `take` with the index of each of many ranges and its name, as `nameBytes` has it, in the order of `names`. Throws ElfError. */
  forEachName(ranges: readonly number[], take: (index: number, name: Uint8Array) => void): void {
    const offsets = Uint32Array.from(ranges, (range) => this.#nameOffset(range));
    this.names.forEach(offsets, take);
  }

  /** Of a range that has one. */
  #nameOffset(range: number): number {
    const aliases = this.#aliases;
    const name = this.#nameOffsets[range];
    if (name < ALIASES) return name;
    const best = bestAlias(name, aliases, (index) => awkwardness(this.names.at(aliases[index])));
    this.#nameOffsets[range] = best;
    return best;
  }

  /** Where each range's name is in `names`, NONE for a gap. Throws ElfError. */
  allNameOffsets(): Uint32Array {
    const aliases = this.#aliases;
    const indices = indicesOfAliases(aliases);
    const awkward = new Uint8Array(aliases.length);
    this.names.forEach(
      indices.map((index) => aliases[index]),
      (i, name) => {
        awkward[indices[i]] = awkwardness(name);
      },
    );
    const names = this.#nameOffsets;
    for (let range = 0; range < this.length; range++) {
      names[range] = bestAlias(names[range], aliases, (index) => awkward[index]);
    }
    return names;
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

  /** The addresses [start, end) around one that no symbol has, up to where the code of the next ones begins. */
  gapAround(address: number): readonly [start: number, end: number] {
    const range = this.rangeAt(address);
    if (range >= 0) return this.range(range);
    const first = this.length === 0 ? Number.POSITIVE_INFINITY : this.base + this.starts[0];
    return [Number.NEGATIVE_INFINITY, address < first ? first : Number.POSITIVE_INFINITY];
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
  readonly #strings = new StringSection();
  readonly #functions = new FunctionSet(RANKS, {
    awkwardness: (name) => this.#strings.awkwardness(name),
    isMarker: (name) => isMarker(this.#strings.byteAt(name)),
  });

  /** How many functions were added. */
  get length(): number {
    return this.#functions.length;
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
    if (dynamic !== undefined && dynamic.size / ELF_SYMBOL_BYTES > inFull) {
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
    if (section.entrySize !== ELF_SYMBOL_BYTES || strings === undefined) {
      throw new ElfError('malformed', `${sectionName} has no symbols of a known kind`);
    }
    if (section.offset + section.size > elf.size) {
      throw new ElfError('malformed', `${sectionName} is cut short`);
    }
    const count = Math.floor(section.size / ELF_SYMBOL_BYTES);
    this.#checkRoom(count);
    this.#base ??= lowestExecutableAddress(elf.sections);
    const before = this.length;
    this.#functions.addElf({
      count,
      read: (first, target) => elf.readInto(section.offset + first * ELF_SYMBOL_BYTES, target),
      base: this.#base,
      sections: codeSections(elf.sections, this.#base),
      namesAt: this.#strings.add(elf, strings.offset, strings.size),
      namesSize: strings.size,
    });
    return this.length - before;
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
    this.#checkRoom(count);
    this.#base ??= base;
    const shift = base - this.#base;
    const functions = new U32List(4 * count);
    for (let i = 0; i < count; i++) {
      const [start, end] = [starts[i] + shift, starts[i + 1] + shift];
      if (start < 0 || end <= start || end >= NONE) continue;
      functions.push(start);
      functions.push(end);
      functions.push(namesAt + names[i]);
      functions.push(Rank.Sized | Rank.Function | Rank.Global);
    }
    this.#functions.add(functions.values.subarray(0, functions.length));
  }

  #checkRoom(more: number): void {
    const wanted = this.length + more;
    if (wanted > MAX_SYMBOLS) {
      throw new ElfError('too-large', `${wanted} symbols, more than ${MAX_SYMBOLS}`);
    }
  }

  /** The table of all that was added. */
  build(): SymbolTable {
    const ranges = this.#functions.flatten();
    const strings = this.#strings;
    if (!strings.isLeftInFile) {
      const { names, aliases } = ranges;
      const best = (name: number) =>
        bestAlias(name, aliases, (index) => strings.awkwardness(aliases[index]));
      names.forEach((name, i) => {
        if (name >= ALIASES && name !== NONE) names[i] = best(name);
      });
    }
    return new SymbolTable(this.#base ?? 0, ranges, strings.take(ranges.names));
  }
}

/** Where the sections with code are, by index. */
function codeSections(sections: readonly ElfSection[], base: number): CodeSection[] {
  return sections.slice(0, RESERVED_SECTIONS).map(({ flags, address, size }) => {
    const start = address - base;
    const isNear = start >= 0 && start + size <= MAX_CODE_BYTES;
    return flags & SectionFlag.Execute && isNear
      ? { start, end: start + size }
      : { start: 0, end: 0 };
  });
}

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
