/**
 * The functions of a Go program, from the table that its runtime uses for stack traces (pclntab): it is there even in
 * programs that were stripped of everything else. Formats since Go 1.16.
 */
import { ElfError, type ElfFile } from '../elf/elf-file';
import type { SymbolTableBuilder } from './symbol-table';

export const GO_SECTIONS = ['.gopclntab', '.data.rel.ro.gopclntab'] as const;

const MAGIC_1_16 = 0xfffffffa;
const MAGIC_1_18 = 0xfffffff0;
const MAGIC_1_20 = 0xfffffff1;
const HEADER_BYTES = 8 + 8 * 8;
const MAX_FUNCTIONS = 4 * 1024 * 1024;
const MAX_TABLE_BYTES = 128 * 1024 * 1024;
/** Offsets in the record of a function. */
const NAME_OFFSET_1_16 = 8;
const NAME_OFFSET_1_18 = 4;

/** The Go runtime's table of functions. */
export interface GoFunctions {
  readonly sectionName: string;
  readonly base: number;
  /** Offsets from the base, by address; the last one is the end of the last function. */
  readonly starts: Uint32Array;
  /** Where each function's name begins, in bytes from the start of the names. */
  readonly names: Uint32Array;
  /** Where the names are in the file: text in UTF-8, each with a zero behind it. */
  readonly namesOffset: number;
  readonly namesSize: number;
}

/** Adds the functions of the Go runtime's table, if the file has one; returns the section's name. Throws ElfError. */
export function addGoFunctions(elf: ElfFile, builder: SymbolTableBuilder): string | undefined {
  const found = readGoFunctions(elf);
  if (found === undefined) return undefined;
  const { sectionName, base, starts, names, namesOffset, namesSize } = found;
  builder.addFunctions(base, starts, names, builder.addNames(elf, namesOffset, namesSize));
  return sectionName;
}

/** Undefined where the file has no such table. Throws ElfError. */
export function readGoFunctions(elf: ElfFile): GoFunctions | undefined {
  const section = elf.sections.find(({ name }) =>
    (GO_SECTIONS as readonly string[]).includes(name),
  );
  if (section === undefined || section.size < HEADER_BYTES) return undefined;
  const read = (offset: number, length: number): DataView => {
    if (offset < 0 || offset + length > section.size) {
      throw new ElfError('malformed', `${section.name} is cut short`);
    }
    const bytes = elf.readAt(section.offset + offset, length, MAX_TABLE_BYTES);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  const header = read(0, HEADER_BYTES);
  const magic = header.getUint32(0, true);
  if (magic !== MAGIC_1_16 && magic !== MAGIC_1_18 && magic !== MAGIC_1_20) {
    throw new ElfError('unsupported', `${section.name} has format 0x${magic.toString(16)}`);
  }
  if (header.getUint8(7) !== 8) throw new ElfError('unsupported', `${section.name} is not 64-bit`);
  const word = (index: number): number =>
    header.getUint32(8 + 8 * index, true) + header.getUint32(12 + 8 * index, true) * 2 ** 32;
  const relative = magic !== MAGIC_1_16;
  const count = word(0);
  // Behind the counts of functions and files: the start of the code (since 1.18), then where the parts start.
  const partsAt = relative ? 3 : 2;
  const [namesAt, namesEnd, tableAt] = [word(partsAt), word(partsAt + 1), word(partsAt + 4)];
  if (count > MAX_FUNCTIONS) throw new ElfError('too-large', `${section.name}: ${count} functions`);
  if (namesEnd > section.size || namesEnd < namesAt) {
    throw new ElfError('malformed', `${section.name} has its names outside of itself`);
  }

  // Pairs of (address, where its record is), then the end of the last function.
  const fieldBytes = relative ? 4 : 8;
  const table = read(tableAt, section.size - tableAt);
  if ((2 * count + 1) * fieldBytes > table.byteLength) {
    throw new ElfError('malformed', `${section.name} has fewer functions than it says`);
  }
  const field = (index: number): number => {
    const low = table.getUint32(index * fieldBytes, true);
    return relative ? low : low + table.getUint32(index * fieldBytes + 4, true) * 2 ** 32;
  };
  const base = relative ? word(2) || codeStart(elf) : field(0);
  const origin = relative ? 0 : base;
  const starts = new Uint32Array(count + 1);
  const names = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    starts[i] = field(2 * i) - origin;
    const nameAt = field(2 * i + 1) + (relative ? NAME_OFFSET_1_18 : NAME_OFFSET_1_16);
    if (nameAt + 4 > table.byteLength) {
      throw new ElfError('malformed', `${section.name} has a record outside of itself`);
    }
    names[i] = table.getUint32(nameAt, true);
    if (names[i] >= namesEnd - namesAt) {
      throw new ElfError('malformed', `${section.name} has a name outside of its names`);
    }
  }
  starts[count] = field(2 * count) - origin;
  return {
    sectionName: section.name,
    base,
    starts,
    names,
    namesOffset: section.offset + namesAt,
    namesSize: namesEnd - namesAt,
  };
}

/** Where addresses count from in position-independent programs, whose table has 0 there until it is relocated. */
function codeStart(elf: ElfFile): number {
  const section = elf.section('.text');
  if (section === undefined) throw new ElfError('malformed', 'a Go program without .text');
  return section.address;
}
