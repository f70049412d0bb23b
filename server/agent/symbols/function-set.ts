/**
 * The symbols of a module's functions, and how they are flattened. They overlap in real files (aliases, labels inside of
 * functions, cold parts); what comes out are disjoint ranges, each with the one name that is best there, or none:
 *
 *   symbols   |---- memcpy (0x100) ----|            starts   0       0x20       0x40    0x100  0x110
 *                  |-- copy_tail --|         ->     names    memcpy  copy_tail  memcpy  none   puts
 *             |- __memcpy (weak, same) |
 *
 * The work is done in WebAssembly (wasm/functions, which says why), in memory of its own that goes with this.
 */
import { readFileSync } from 'node:fs';
import { distFile } from '../../root';
import { NONE } from './protocol';

/** Ranks of symbols, higher is better; ORed together. Without Sized, a symbol reaches to the next one at most. */
export const Rank = { Weak: 0, Local: 1, Global: 2, Function: 4, Sized: 8 } as const;
/** In place of a rank: what is no function. */
export const NO_CODE = 0xff;

/** Names are below it. */
export const ALIASES = 0x80000000;

export interface Ranges {
  /** Rising; each range ends where the next starts. */
  readonly starts: Uint32Array;
  /**
   * NONE for a gap. From ALIASES on, what is above it is where in `aliases` there are several names of the same code, of
   * one rank: how many, then they. Most are never asked for, so the best is looked for when one is.
   */
  readonly names: Uint32Array;
  readonly aliases: Uint32Array;
}

/** What a name says of itself. */
export interface NameTexts {
  /** How little it is meant for people, up to 255. */
  awkwardness(name: number): number;
  /** Whether it is no function's. */
  isMarker(name: number): boolean;
}

/** A section with code, both counted from the set's base; 0 to 0 for another one. */
export interface CodeSection {
  readonly start: number;
  readonly end: number;
}

export interface ElfSymbols {
  /** How many there are, and how they are read: fills `target` from symbol `first` on. */
  readonly count: number;
  read(first: number, target: Uint8Array): void;
  /** From which starts count; an exact signed 64-bit number. */
  readonly base: number;
  readonly sections: readonly CodeSection[];
  /** The number of the first byte of their names, and how many bytes there are. */
  readonly namesAt: number;
  readonly namesSize: number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global;
  add_symbols(
    from: number,
    count: number,
    base: bigint,
    sections: number,
    sectionCount: number,
    ranks: number,
    namesAt: number,
    namesSize: number,
    symbols: number,
  ): number;
  flatten(
    symbols: number,
    count: number,
    pairs: number,
    otherPairs: number,
    open: number,
    starts: number,
    names: number,
    aliases: number,
  ): number;
  aliases_count(): number;
}

export const ELF_SYMBOL_BYTES = 24;
/** As much as stays in the CPU's cache. */
const SYMBOLS_PER_READ = 8 * 1024;
const SYMBOL_BYTES = 16;
const PAGE_BYTES = 64 * 1024;
const RANKS_BYTES = 0x100;

let compiled: WebAssembly.Module | undefined;
let flattenedBytes = 0;

/** What sets have had of memory until they were flattened. V8 does not count it, so it is in no haste to collect it. */
export function bytesOfFlattened(): number {
  return flattenedBytes;
}

/** Compiles the module, if that was not done before: who does it early saves the first table 2 ms. */
export function compileFunctions(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(distFile('functions.wasm')));
  return compiled;
}

export class FunctionSet {
  readonly #exports: Exports;
  /** By type and binding as symbols have them. */
  readonly #ranks: Uint8Array;
  /** Where in memory the symbols are; nothing is behind them but what is being worked on. */
  #symbolsAt: number;
  #length = 0;

  /** `ranks` has 256 entries: ranks by the byte that has a symbol's type and binding, or NO_CODE. */
  constructor(ranks: Uint8Array, names: NameTexts) {
    this.#exports = new WebAssembly.Instance(compileFunctions(), {
      names: {
        awkwardness: (name: number) => names.awkwardness(name >>> 0),
        is_marker: (name: number) => (names.isMarker(name >>> 0) ? 1 : 0),
      },
    }).exports as unknown as Exports;
    this.#ranks = ranks;
    this.#symbolsAt = aligned(this.#exports.__heap_base.value as number);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds the functions among a file's symbols. Throws what `read` throws. */
  addElf({ count, read, base, sections, namesAt, namesSize }: ElfSymbols): void {
    const perRead = Math.min(SYMBOLS_PER_READ, count);
    const symbolsEnd = this.#symbolsAt + (this.#length + count) * SYMBOL_BYTES;
    const ranksAt = aligned(symbolsEnd);
    const sectionsAt = ranksAt + RANKS_BYTES;
    const readAt = aligned(sectionsAt + sections.length * 8);
    this.#reserve(readAt + perRead * ELF_SYMBOL_BYTES);
    this.#bytes(ranksAt, RANKS_BYTES).set(this.#ranks);
    this.#words(sectionsAt, sections.length * 2).set(
      sections.flatMap(({ start, end }) => [start, end]),
    );
    const signedBase = BigInt(base);
    for (let first = 0; first < count; first += perRead) {
      const some = Math.min(perRead, count - first);
      read(first, this.#bytes(readAt, some * ELF_SYMBOL_BYTES));
      this.#length += this.#exports.add_symbols(
        readAt,
        some,
        signedBase,
        sectionsAt,
        sections.length,
        ranksAt,
        namesAt,
        namesSize,
        this.#end,
      );
    }
  }

  /** Adds functions, four numbers each: start, end (exclusive; without a size, where it ends at the latest), name, rank. */
  add(functions: Uint32Array): void {
    const end = this.#end;
    this.#reserve(end + functions.byteLength);
    this.#words(end, functions.length).set(functions);
    this.#length += functions.length / 4;
  }

  /** Flattens what was added; to be called once. */
  flatten(): Ranges {
    const count = this.#length;
    const pairsAt = aligned(this.#end);
    const otherPairsAt = pairsAt + count * 8;
    const openAt = otherPairsAt + count * 8;
    const startsAt = openAt + count * 4;
    const namesAt = startsAt + (2 * count + 1) * 4;
    const aliasesAt = namesAt + (2 * count + 1) * 4;
    this.#reserve(aliasesAt + 2 * count * 4);
    const { flatten, aliases_count } = this.#exports;
    const length = flatten(
      this.#symbolsAt,
      count,
      pairsAt,
      otherPairsAt,
      openAt,
      startsAt,
      namesAt,
      aliasesAt,
    );
    flattenedBytes += this.#exports.memory.buffer.byteLength;
    return {
      starts: this.#words(startsAt, length).slice(),
      names: this.#words(namesAt, length).slice(),
      aliases: this.#words(aliasesAt, aliases_count()).slice(),
    };
  }

  /** Behind the symbols. */
  get #end(): number {
    return this.#symbolsAt + this.#length * SYMBOL_BYTES;
  }

  #reserve(bytes: number): void {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  /** Views are good until memory grows. */
  #bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  #words(at: number, length: number): Uint32Array {
    return new Uint32Array(this.#exports.memory.buffer, at, length);
  }
}

const aligned = (at: number): number => Math.ceil(at / 8) * 8;

/**
 * The best of the names that one of `Ranges.names` stands for; that name itself where it is one. `awkwardness` gets an index into
 * `aliases`.
 */
export function bestAlias(
  name: number,
  aliases: Uint32Array,
  awkwardness: (index: number) => number,
): number {
  if (name < ALIASES || name === NONE) return name;
  const first = name - ALIASES + 1;
  let best = first;
  let least = awkwardness(best);
  for (let i = first + 1; i < first + aliases[first - 1]; i++) {
    const own = awkwardness(i);
    if (own < least) [best, least] = [i, own];
  }
  return aliases[best];
}

/** The indices of all names in `aliases`. */
export function indicesOfAliases(aliases: Uint32Array): Uint32Array {
  const indices = new Uint32Array(aliases.length);
  let length = 0;
  for (let at = 0; at < aliases.length; at += aliases[at] + 1) {
    for (let i = 1; i <= aliases[at]; i++) indices[length++] = at + i;
  }
  return indices.subarray(0, length);
}
