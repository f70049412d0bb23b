/**
 * The stubs of the procedure linkage table, through which functions of other files are called. They have no symbols: each
 * jumps to where a slot of the global offset table points, and the relocation of that slot names the function. Found by
 * reading the jumps, as BFD does (elf_x86_64_get_synthetic_symtab), so that no layout of a linker's has to be known.
 */
import { type ElfFile, type ElfMachine, type ElfSection, SectionType } from '../elf/elf-file';
import { ELF_SYMBOL_BYTES } from './function-set';
import { MAX_NAME_BYTES } from './symbol-names';

export interface PltStub {
  /** Addresses, the end exclusive. */
  readonly start: number;
  readonly end: number;
  /** Of the function, as the file has it (mangled); undefined where the function is one of this file. */
  readonly name: Uint8Array | undefined;
  /** Without `name`: the address of the code that chooses the function (STT_GNU_IFUNC), which has its name. */
  readonly resolver: number;
}

/** A jump through a slot. Addresses. */
interface Jump {
  readonly start: number;
  readonly end: number;
  readonly slot: number;
}

interface Relocation {
  /** Of the dynamic symbol; 0 for none. */
  readonly symbol: number;
  readonly addend: number;
}

const CODE_SECTIONS = ['.plt', '.plt.sec', '.plt.got', '.iplt'];
const MAX_CODE_BYTES = 4 * 1024 * 1024;
/** `.rela.dyn` has the slots of few stubs, and of large programs it has megabytes. */
const MAX_RELOCATION_BYTES: Readonly<Record<string, number>> = {
  '.rela.plt': 8 * 1024 * 1024,
  '.rela.dyn': 1024 * 1024,
};
const MAX_NAMES_BYTES = 8 * 1024 * 1024;
const RELOCATION_BYTES = 24;
const HIGH = 2 ** 32;

/** Types of relocations. */
const RELOCATIONS: Readonly<
  Record<ElfMachine, { readonly slots: readonly number[]; readonly indirect: number } | undefined>
> = {
  'x86-64': { slots: [6, 7], indirect: 37 },
  arm64: { slots: [1025, 1026], indirect: 1032 },
  bpf: undefined,
};

/** The stubs that can be named, by address; [] where there are none. Throws ElfError. */
export function readPltStubs(elf: ElfFile): PltStub[] {
  const jumps = CODE_SECTIONS.flatMap((name) => jumpsOf(elf, elf.section(name)));
  if (jumps.length === 0) return [];
  const relocations = readRelocations(elf);
  const symbols = jumps.map(({ slot }) => relocations.get(slot)?.symbol ?? 0);
  const names = readNames(
    elf,
    symbols.filter((symbol) => symbol !== 0),
  );
  const stubs = jumps.flatMap(({ start, end, slot }): PltStub[] => {
    const relocation = relocations.get(slot);
    if (relocation === undefined) return [];
    if (relocation.symbol === 0)
      return [{ start, end, name: undefined, resolver: relocation.addend }];
    const name = names(relocation.symbol);
    return name === undefined ? [] : [{ start, end, name, resolver: 0 }];
  });
  return stubs.sort((a, b) => a.start - b.start);
}

/** The stub that has `address`. `stubs` rise. */
export function findPltStub(stubs: readonly PltStub[], address: number): PltStub | undefined {
  let low = 0;
  let high = stubs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stubs[middle].start <= address) low = middle + 1;
    else high = middle;
  }
  const stub = stubs[low - 1];
  return stub !== undefined && address < stub.end ? stub : undefined;
}

function jumpsOf(elf: ElfFile, section: ElfSection | undefined): Jump[] {
  if (section === undefined || section.type !== SectionType.ProgramBits) return [];
  const bytes = elf.read(section, MAX_CODE_BYTES);
  const code = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (elf.machine) {
    case 'x86-64':
      return x86Jumps(code, section.address);
    case 'arm64':
      return arm64Jumps(code, section.address);
    default:
      return [];
  }
}

/** `[endbr64] [bnd] jmp *slot(%rip)`, in entries of 8 or 16 bytes, which not every linker says. */
function x86Jumps(code: DataView, address: number): Jump[] {
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
  return starts.map((start, i) => ({
    start,
    end: Math.min(start + 16, starts[i + 1] ?? end),
    slot: slots[i],
  }));
}

/** `[bti c]; adrp x16, page of slot; ldr x17, [x16, #slot in page]`; each reaches up to the next. */
function arm64Jumps(code: DataView, address: number): Jump[] {
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
  return starts.map((start, i) => ({
    start,
    end: starts[i + 1] ?? address + code.byteLength,
    slot: slots[i],
  }));
}

/** By the slot's address. */
function readRelocations(elf: ElfFile): Map<number, Relocation> {
  const types = RELOCATIONS[elf.machine];
  const relocations = new Map<number, Relocation>();
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
      const symbol = isIndirect ? 0 : view.getUint32(at + 12, true);
      if (isIndirect || symbol !== 0) relocations.set(word(0), { symbol, addend: word(16) });
    }
  }
  return relocations;
}

/** The names of some dynamic symbols, by the symbol. Those that are imported are beside each other. */
function readNames(
  elf: ElfFile,
  symbols: readonly number[],
): (symbol: number) => Uint8Array | undefined {
  const table = elf.section('.dynsym');
  const strings = table && elf.sections[table.link];
  if (table === undefined || strings === undefined || symbols.length === 0) return () => undefined;
  const count = Math.floor(table.size / ELF_SYMBOL_BYTES);
  const known = symbols.filter((symbol) => symbol < count);
  const [first, last] = extent(known);
  if (known.length === 0) return () => undefined;
  const bytes = elf.readAt(
    table.offset + first * ELF_SYMBOL_BYTES,
    (last - first + 1) * ELF_SYMBOL_BYTES,
    MAX_NAMES_BYTES,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const nameOf = (symbol: number): number =>
    view.getUint32((symbol - first) * ELF_SYMBOL_BYTES, true);
  const offsets = known.map(nameOf).filter((offset) => offset < strings.size);
  if (offsets.length === 0) return () => undefined;
  const [firstName, lastName] = extent(offsets);
  const end = Math.min(strings.size, lastName + MAX_NAME_BYTES);
  const names = elf.readAt(strings.offset + firstName, end - firstName, MAX_NAMES_BYTES);
  return (symbol) => {
    if (symbol < first || symbol > last) return undefined;
    const start = nameOf(symbol) - firstName;
    const length = names.subarray(start, start + MAX_NAME_BYTES).indexOf(0);
    // A copy: the whole is megabytes in some files.
    return start < 0 || length <= 0 ? undefined : names.slice(start, start + length);
  };
}

/** The smallest and the largest. */
function extent(values: readonly number[]): readonly [number, number] {
  return values.reduce<readonly [number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, 0],
  );
}
