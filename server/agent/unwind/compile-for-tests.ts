/** Unwind tables of frames that a test writes. */
import { expect } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { compileUnwindTable } from './compile';
import {
  elfImage,
  FrameWriter,
  type ImageSection,
  TEXT_ADDRESS,
  X86_START,
} from './elf-image-for-tests';
import {
  type DecodedRule,
  decodeRule,
  FpRule,
  findRule,
  RaRule,
  type RuleKind,
  type UnwindMachine,
  type UnwindTable,
} from './format';
import { findProblem } from './table-file';

export function compileImage(image: Uint8Array): UnwindTable {
  const table = compileUnwindTable(ElfFile.open(image));
  expect(findProblem(table)).toBeUndefined();
  return table;
}

export function compileSections(
  sections: readonly ImageSection[],
  machine?: UnwindMachine,
): UnwindTable {
  return compileImage(elfImage(sections, machine && { machine }));
}

export const section = (writer: FrameWriter, name = '.eh_frame'): ImageSection => ({
  name,
  address: writer.address,
  bytes: writer.bytes,
});

/** The table of one FDE that covers 256 bytes from TEXT_ADDRESS. */
export function compileFde(
  instructions: readonly number[],
  cie: Parameters<FrameWriter['cie']>[1] = {},
  start: readonly number[] = X86_START,
): UnwindTable {
  const writer = new FrameWriter();
  writer.fde(writer.cie(start, cie), TEXT_ADDRESS, 256, instructions);
  return compileSections([section(writer)]);
}

export const ruleAt = (table: UnwindTable, address: number): DecodedRule =>
  decodeRule(table.rules, findRule(table, address));

export const rule = (
  kind: RuleKind,
  parameter: number,
  fp: FpRule = FpRule.Same,
  fpOffset = 0,
  ra: RaRule = RaRule.BelowCfa,
  knowsBase = false,
): DecodedRule => ({ kind, fp, knowsBase, ra, fpOffset, parameter });
