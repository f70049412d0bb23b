/** .debug_aranges: the code of each unit, for those compilers that write it. Reading it is much quicker than units are. */
import { ElfError, type ElfFile } from '../../elf/elf-file';
import { Cursor } from './cursor';

const VERSION = 2;
const MAX_BYTES = 64 * 1024 * 1024;

/** Pairs of start and end by where the unit starts in .debug_info; empty where there is nothing, or nothing that is right. */
export function readAddressRanges(elf: ElfFile): Map<number, number[]> {
  const section = elf.section('.debug_aranges');
  // Units that are split in two have addresses there: of those, more must be known than where their code is.
  if (section === undefined || elf.section('.debug_addr') !== undefined) return new Map();
  try {
    return parse(new Cursor(elf.read(section, MAX_BYTES)));
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return new Map();
  }
}

function parse(cursor: Cursor): Map<number, number[]> {
  const ranges = new Map<number, number[]>();
  while (!cursor.atEnd) {
    const start = cursor.at;
    let length = cursor.u32();
    const is64Bit = length === 0xffffffff;
    if (is64Bit) length = cursor.u64();
    const end = cursor.at + length;
    const version = cursor.u16();
    const unitAt = cursor.offset(is64Bit);
    const [addressBytes, segmentBytes] = [cursor.u8(), cursor.u8()];
    if (version !== VERSION || addressBytes !== 8 || segmentBytes !== 0) {
      throw new ElfError('unsupported', '.debug_aranges of an unknown kind');
    }
    // Pairs are aligned to their size.
    cursor.skip((start - cursor.at) & 15);
    const pairs = ranges.get(unitAt) ?? [];
    while (cursor.at + 16 <= end) {
      const [from, bytes] = [cursor.u64(), cursor.u64()];
      if (from === 0 && bytes === 0) break;
      pairs.push(from, from + bytes);
    }
    // A unit that is said to have no code may still have some.
    if (pairs.length > 0) ranges.set(unitAt, pairs);
    cursor.skip(end - cursor.at);
  }
  return ranges;
}
