import { describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { compileUnwindTable } from './compile';
import {
  elfImage,
  FrameWriter,
  type ImageSection,
  TEXT_ADDRESS,
  u32,
  u64,
  X86_START,
} from './elf-image-for-tests';
import { decodeRule, findRule, RuleKind, SpecialRule, type UnwindTable } from './format';

const T = TEXT_ADDRESS;
const FUNCTION_BYTES = 0x40;
const HEADER_BYTES = 72;
const NAME_IN_RECORD = 4;

/** A pclntab of Go 1.20 with these functions, each of FUNCTION_BYTES, from T on. */
function pclntab(names: readonly string[]): ImageSection {
  const text = Buffer.from(names.map((name) => `${name}\0`).join(''));
  const namesAt = HEADER_BYTES + 8;
  const tableAt = namesAt + text.length + 1;
  const recordsAt = 8 * names.length + 4;
  const table = names.flatMap((_, i) => [...u32(i * FUNCTION_BYTES), ...u32(recordsAt + 8 * i)]);
  const nameOffset = (i: number): number => names.slice(0, i).join('\0').length + (i > 0 ? 2 : 1);
  const records = names.flatMap((_, i) => [
    ...new Array<number>(NAME_IN_RECORD).fill(0),
    ...u32(nameOffset(i)),
  ]);
  const header = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
  const words = [names.length, 0, T, namesAt, tableAt, 0, 0, tableAt].flatMap(u64);
  const body = [...new Array<number>(8).fill(0), 0, ...text];
  const end = u32(names.length * FUNCTION_BYTES);
  return {
    name: '.gopclntab',
    address: 0x3000,
    bytes: Uint8Array.from([...header, ...words, ...body, ...table, ...end, ...records]),
  };
}

function compile(names: readonly string[]): UnwindTable {
  const writer = new FrameWriter({ isEhFrame: false });
  const cie = writer.cie(X86_START);
  names.forEach((_, i) => {
    writer.fde(cie, T + i * FUNCTION_BYTES, FUNCTION_BYTES, []);
  });
  const frames = { name: '.debug_frame', address: writer.address, bytes: writer.bytes };
  return compileUnwindTable(ElfFile.open(elfImage([frames, pclntab(names)])));
}

describe("frames of Go's runtime", () => {
  const names = ['main.main', 'runtime.systemstack', 'main.work', 'runtime.sigreturn', 'main.last'];
  const table = compile(names);
  const kindAt = (address: number): RuleKind =>
    decodeRule(table.rules, findRule(table, address)).kind;

  it('end at the functions that switch stacks', () => {
    expect(findRule(table, T + FUNCTION_BYTES)).toBe(SpecialRule.End);
    expect(findRule(table, T + 2 * FUNCTION_BYTES - 1)).toBe(SpecialRule.End);
    expect(kindAt(T)).toBe(RuleKind.CfaSp);
    expect(kindAt(T + 2 * FUNCTION_BYTES)).toBe(RuleKind.CfaSp);
  });

  it('go on from the signal trampoline, of which the return address is the first byte', () => {
    expect(kindAt(T + 3 * FUNCTION_BYTES - 2)).toBe(RuleKind.CfaSp);
    expect(kindAt(T + 3 * FUNCTION_BYTES - 1)).toBe(RuleKind.Signal);
    expect(kindAt(T + 4 * FUNCTION_BYTES - 1)).toBe(RuleKind.Signal);
    expect(kindAt(T + 4 * FUNCTION_BYTES)).toBe(RuleKind.CfaSp);
  });

  it('are as the compiler says where the table of functions is damaged', () => {
    const damaged = pclntab(names);
    damaged.bytes[0] = 0;
    const writer = new FrameWriter({ isEhFrame: false });
    writer.fde(writer.cie(X86_START), T, FUNCTION_BYTES, []);
    const frames = { name: '.debug_frame', address: writer.address, bytes: writer.bytes };
    const image = elfImage([frames, damaged]);
    expect(compileUnwindTable(ElfFile.open(image)).counts.fdes).toBe(1);
  });
});
