/**
 * The stubs of the procedure linkage table, through which functions of other files are called. They have no symbols: each
 * jumps to where a slot of the global offset table points, and the relocation of that slot names the function. Found by
 * reading the jumps, as BFD does (elf_x86_64_get_synthetic_symtab), so that no layout of a linker's has to be known.
 */
import {
  ElfError,
  type ElfFile,
  type ElfMachine,
  type ElfSection,
  SectionType,
} from '../elf/elf-file';
import { ELF_SYMBOL_BYTES } from './function-set';
import { NONE } from './protocol';
import { lastAtOrBelow } from './sorted-order';
import { IN_MEMORY_BYTES, SymbolNames } from './symbol-names';

export interface PltStub {
  /** Among the file's. */
  readonly index: number;
  /** Addresses, the end exclusive. */
  readonly start: number;
  readonly end: number;
  /** Of the function, as the file has it (mangled): a view, good until the next is asked for; undefined where the function is one of this file. */
  readonly name: Uint8Array | undefined;
  /** Without `name`: the address of the code that chooses the function (STT_GNU_IFUNC), which has its name. */
  readonly resolver: number;
}

/** Jumps through slots, as columns of addresses. */
interface Jumps {
  readonly starts: number[];
  readonly ends: number[];
  readonly slots: number[];
}

/** By the slot's address: its dynamic symbol, or the address of the code that chooses its function. */
interface Relocations {
  readonly symbols: ReadonlyMap<number, number>;
  readonly resolvers: ReadonlyMap<number, number>;
}

/** Large C++ libraries call their own functions through tens of thousands of stubs, of which few are ever looked for. */
export class PltStubs {
  /** Of what is in a file, that must stay open as long as stubs are asked for. */
  readonly names: SymbolNames;
  /** By address. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  /** Where in `names`, or NONE. */
  readonly #nameOffsets: Uint32Array;
  readonly #resolvers: ReadonlyMap<number, number>;

  constructor(
    { starts, ends }: Pick<Jumps, 'starts' | 'ends'>,
    nameOffsets: readonly number[],
    resolvers: ReadonlyMap<number, number>,
    names: SymbolNames,
  ) {
    this.#starts = Float64Array.from(starts);
    this.#ends = Float64Array.from(ends);
    this.#nameOffsets = Uint32Array.from(nameOffsets);
    this.#resolvers = resolvers;
    this.names = names;
  }

  get length(): number {
    return this.#starts.length;
  }

  /** What this holds in memory. */
  get bytes(): number {
    return this.length * 20 + this.#resolvers.size * 32 + this.names.bytes;
  }

  /** Throws ElfError. */
  at(index: number): PltStub {
    const nameOffset = this.#nameOffsets[index];
    return {
      index,
      start: this.#starts[index],
      end: this.#ends[index],
      name: nameOffset === NONE ? undefined : this.names.at(nameOffset),
      resolver: this.#resolvers.get(index) ?? 0,
    };
  }

  /** The stub that has `address`. Throws ElfError. */
  find(address: number): PltStub | undefined {
    const index = lastAtOrBelow(this.#starts, address);
    return index >= 0 && address < this.#ends[index] ? this.at(index) : undefined;
  }
}

const CODE_SECTIONS = ['.plt', '.plt.sec', '.plt.got', '.iplt'];
const MAX_CODE_BYTES = 4 * 1024 * 1024;
/** `.rela.dyn` has the slots of few stubs, and of large programs it has megabytes. */
const MAX_RELOCATION_BYTES: Readonly<Record<string, number>> = {
  '.rela.plt': 8 * 1024 * 1024,
  '.rela.dyn': 1024 * 1024,
};
const MAX_SYMBOLS_BYTES = 8 * 1024 * 1024;
const RELOCATION_BYTES = 24;
const HIGH = 2 ** 32;
const NO_JUMPS: Jumps = { starts: [], ends: [], slots: [] };

/** Types of relocations. */
const RELOCATIONS: Readonly<
  Record<ElfMachine, { readonly slots: readonly number[]; readonly indirect: number } | undefined>
> = {
  'x86-64': { slots: [6, 7], indirect: 37 },
  arm64: { slots: [1025, 1026], indirect: 1032 },
  bpf: undefined,
};

/** The stubs that can be named. Throws ElfError. */
export function readPltStubs(elf: ElfFile): PltStubs {
  const jumps = CODE_SECTIONS.map((name) => jumpsOf(elf, elf.section(name)));
  const { symbols, resolvers } = readRelocations(elf, new Set(jumps.flatMap(({ slots }) => slots)));
  const nameOf = nameOffsetsOf(elf, symbols.values());
  const named: Jumps = { starts: [], ends: [], slots: [] };
  const nameOffsets: number[] = [];
  const resolverOf = new Map<number, number>();
  // The linker places the sections in no order that is agreed upon.
  const byAddress = jumps.sort((a, b) => (a.starts[0] ?? 0) - (b.starts[0] ?? 0));
  for (const { starts, ends, slots } of byAddress) {
    for (let i = 0; i < starts.length; i++) {
      const name = nameOf(symbols.get(slots[i]) ?? 0);
      const resolver = resolvers.get(slots[i]);
      if (name === NONE && resolver === undefined) continue;
      if (name === NONE && resolver !== undefined) resolverOf.set(nameOffsets.length, resolver);
      nameOffsets.push(name);
      named.starts.push(starts[i]);
      named.ends.push(ends[i]);
    }
  }
  // Without a name to read no file is to be kept open.
  const strings = nameOffsets.some((offset) => offset !== NONE) ? dynamicStrings(elf) : undefined;
  return new PltStubs(named, nameOffsets, resolverOf, namesIn(elf, strings));
}

function jumpsOf(elf: ElfFile, section: ElfSection | undefined): Jumps {
  if (section === undefined || section.type !== SectionType.ProgramBits) return NO_JUMPS;
  const bytes = elf.read(section, MAX_CODE_BYTES);
  const code = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (elf.machine) {
    case 'x86-64':
      return x86Jumps(code, section.address);
    case 'arm64':
      return arm64Jumps(code, section.address);
    default:
      return NO_JUMPS;
  }
}

/** `[endbr64] [bnd] jmp *slot(%rip)`, in entries of 8 or 16 bytes, which not every linker says. */
function x86Jumps(code: DataView, address: number): Jumps {
  const starts: number[] = [];
  const slots: number[] = [];
  for (let at = 0; at + 8 <= code.byteLength; at += 8) {
    let opcode = code.getUint32(at, false) === 0xf30f1efa ? at + 4 : at;
    if (code.getUint8(opcode) === 0xf2) opcode++;
    const next = opcode + 6;
    if (next > code.byteLength || code.getUint16(opcode, false) !== 0xff25) continue;
    starts.push(address + at);
    slots.push(address + next + code.getInt32(opcode + 2, true));
  }
  const end = address + code.byteLength;
  const ends = starts.map((start, i) => Math.min(start + 16, starts[i + 1] ?? end));
  return { starts, ends, slots };
}

/** `[bti c]; adrp x16, page of slot; ldr x17, [x16, #slot in page]`; each reaches up to the next. */
function arm64Jumps(code: DataView, address: number): Jumps {
  const starts: number[] = [];
  const slots: number[] = [];
  for (let at = 0; at + 8 <= code.byteLength; at += 4) {
    const [adrp, ldr] = [code.getUint32(at, true), code.getUint32(at + 4, true)];
    if ((adrp & 0x9f00001f) >>> 0 !== 0x90000010 || (ldr & 0xffc003ff) >>> 0 !== 0xf9400211)
      continue;
    const pages = ((((adrp >>> 5) & 0x7ffff) << 13) >> 11) | ((adrp >>> 29) & 3);
    const page = Math.floor((address + at) / 4096) * 4096;
    const isMarked = at >= 4 && code.getUint32(at - 4, true) === 0xd503245f;
    starts.push(address + at - (isMarked ? 4 : 0));
    slots.push(page + pages * 4096 + ((ldr >>> 10) & 0xfff) * 8);
  }
  const ends = starts.map((_, i) => starts[i + 1] ?? address + code.byteLength);
  return { starts, ends, slots };
}

function readRelocations(elf: ElfFile, slots: ReadonlySet<number>): Relocations {
  const types = RELOCATIONS[elf.machine];
  const symbols = new Map<number, number>();
  const resolvers = new Map<number, number>();
  for (const [name, maxBytes] of Object.entries(MAX_RELOCATION_BYTES)) {
    const section = elf.section(name);
    if (types === undefined || section === undefined || section.type === SectionType.NoBits)
      continue;
    if (section.size > maxBytes) continue;
    const bytes = elf.read(section);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + RELOCATION_BYTES <= bytes.length; at += RELOCATION_BYTES) {
      const type = view.getUint32(at + 8, true);
      const isIndirect = type === types.indirect;
      if (!isIndirect && !types.slots.includes(type)) continue;
      const word = (offset: number): number =>
        view.getUint32(at + offset, true) + view.getInt32(at + offset + 4, true) * HIGH;
      const slot = word(0);
      if (!slots.has(slot)) continue;
      if (isIndirect) resolvers.set(slot, word(16));
      else symbols.set(slot, view.getUint32(at + 12, true));
    }
  }
  return { symbols, resolvers };
}

function dynamicStrings(elf: ElfFile): ElfSection | undefined {
  const table = elf.section('.dynsym');
  return table && elf.sections[table.link];
}

/** Where the names of some dynamic symbols are in their strings, by the symbol; NONE where it has none. Those that are imported are beside each other. */
function nameOffsetsOf(elf: ElfFile, symbols: Iterable<number>): (symbol: number) => number {
  const table = elf.section('.dynsym');
  const size = dynamicStrings(elf)?.size ?? 0;
  const count = table === undefined ? 0 : Math.floor(table.size / ELF_SYMBOL_BYTES);
  let [first, last] = [count, 0];
  for (const symbol of symbols) {
    if (symbol === 0 || symbol >= count) continue;
    first = Math.min(first, symbol);
    last = Math.max(last, symbol);
  }
  if (table === undefined || first > last) return () => NONE;
  const bytes = elf.readAt(
    table.offset + first * ELF_SYMBOL_BYTES,
    (last - first + 1) * ELF_SYMBOL_BYTES,
    MAX_SYMBOLS_BYTES,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return (symbol) => {
    if (symbol < first || symbol > last) return NONE;
    const offset = view.getUint32((symbol - first) * ELF_SYMBOL_BYTES, true);
    return offset > 0 && offset < size ? offset : NONE;
  };
}

function namesIn(elf: ElfFile, strings: ElfSection | undefined): SymbolNames {
  if (strings === undefined) return SymbolNames.inMemory(new Uint8Array(0));
  const { offset, size } = strings;
  if (offset + size > elf.size) throw new ElfError('malformed', '.dynstr is cut short');
  return size <= IN_MEMORY_BYTES
    ? SymbolNames.inMemory(elf.readAt(offset, size))
    : SymbolNames.inFile(elf, offset, size);
}
