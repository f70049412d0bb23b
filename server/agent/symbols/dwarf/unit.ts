/** Compilation units: their headers, what their root entry says of the whole unit, and how values are read in them. */
import { ElfError } from '../../elf/elf-file';
import { readAbbreviations } from './abbreviations';
import { Cursor } from './cursor';
import { type Encoding, Form, readValue } from './forms';
import type { DebugSections } from './sections';

export const Attribute = {
  Sibling: 0x01,
  Name: 0x03,
  LineTable: 0x10,
  LowPc: 0x11,
  HighPc: 0x12,
  CompilationFolder: 0x1b,
  AbstractOrigin: 0x31,
  Specification: 0x47,
  Ranges: 0x55,
  CallFile: 0x58,
  CallLine: 0x59,
  LinkageName: 0x6e,
  StringOffsetsBase: 0x72,
  AddressBase: 0x73,
  RangeListsBase: 0x74,
  DwoName: 0x76,
  MipsLinkageName: 0x2007,
  GnuDwoName: 0x2130,
  GnuAddressBase: 0x2133,
} as const;

const UnitType = { Compile: 1, Partial: 3, Skeleton: 4, SplitCompile: 5 } as const;
const MAX_RANGES = 2_000_000;
const RangeEntry = {
  End: 0,
  BaseIndexed: 1,
  StartEndIndexed: 2,
  StartLengthIndexed: 3,
  OffsetPair: 4,
  Base: 5,
  StartEnd: 6,
  StartLength: 7,
} as const;

/** A value with its form, by which its kind is known; text where it stands in place. */
export interface Value {
  readonly form: number;
  readonly number: number;
  readonly text?: string;
}

export interface Unit extends Encoding {
  /** Where it is in .debug_info, its header included. */
  readonly offset: number;
  readonly end: number;
  /** Where its root entry is. */
  readonly rootAt: number;
  readonly abbreviationsAt: number;
  /** Values of the root entry, by attribute. */
  readonly root: ReadonlyMap<number, Value>;
  readonly stringOffsetsBase: number;
  readonly addressBase: number;
  readonly rangeListsBase: number;
  /** What ranges count from. */
  readonly lowPc: number;
}

interface Header extends Encoding {
  readonly offset: number;
  readonly end: number;
  readonly rootAt: number;
  readonly abbreviationsAt: number;
}

const MAX_HEADER_BYTES = 40;

/** Reads the length that every unit starts with. Throws ElfError where the unit does not fit into the section. */
function readExtent(
  sections: DebugSections,
  offset: number,
): { readonly cursor: Cursor; readonly is64Bit: boolean; readonly end: number } {
  const size = sections.size('.debug_info');
  const bytes = sections.window('.debug_info', offset, Math.min(MAX_HEADER_BYTES, size - offset));
  const cursor = new Cursor(bytes);
  let length = cursor.u32();
  const is64Bit = length === 0xffffffff;
  if (is64Bit) length = cursor.u64();
  else if (length >= 0xfffffff0) throw new ElfError('malformed', 'a unit of a reserved length');
  const end = offset + cursor.at + length;
  if (end > size || length === 0) throw new ElfError('malformed', 'a unit longer than .debug_info');
  return { cursor, is64Bit, end };
}

/** Throws ElfError. */
function readHeader(sections: DebugSections, offset: number): Header {
  const { cursor, is64Bit, end } = readExtent(sections, offset);
  const version = cursor.u16();
  if (version < 2 || version > 5) throw new ElfError('unsupported', `DWARF version ${version}`);
  let abbreviationsAt: number;
  let addressBytes: number;
  if (version >= 5) {
    const type = cursor.u8();
    addressBytes = cursor.u8();
    abbreviationsAt = cursor.offset(is64Bit);
    if (type === UnitType.Skeleton || type === UnitType.SplitCompile) cursor.skip(8);
    else if (type !== UnitType.Compile && type !== UnitType.Partial) {
      // Type units: a signature and where the type is. They have no code.
      cursor.skip(8);
      cursor.offset(is64Bit);
    }
  } else {
    abbreviationsAt = cursor.offset(is64Bit);
    addressBytes = cursor.u8();
  }
  if (addressBytes !== 8 && addressBytes !== 4) {
    throw new ElfError('unsupported', `addresses of ${addressBytes} bytes`);
  }
  return {
    offset,
    end,
    rootAt: offset + cursor.at,
    abbreviationsAt,
    version,
    is64Bit,
    addressBytes,
  };
}

/** Reads a unit's header and root entry. Throws ElfError. */
export function readUnit(sections: DebugSections, offset: number): Unit {
  const header = readHeader(sections, offset);
  const root = readRoot(sections, header);
  const number = (attribute: number): number | undefined => root.get(attribute)?.number;
  const unit = {
    ...header,
    root,
    // Where nothing is said, behind the header of the first contribution to the section.
    stringOffsetsBase: number(Attribute.StringOffsetsBase) ?? (header.is64Bit ? 16 : 8),
    addressBase: number(Attribute.AddressBase) ?? number(Attribute.GnuAddressBase) ?? 8,
    rangeListsBase: number(Attribute.RangeListsBase) ?? (header.is64Bit ? 20 : 12),
    lowPc: 0,
  };
  const lowPc = root.get(Attribute.LowPc);
  return { ...unit, lowPc: lowPc === undefined ? 0 : addressOf(sections, unit, lowPc) };
}

function readRoot(sections: DebugSections, header: Header): Map<number, Value> {
  const left = header.end - header.rootAt;
  for (let length = 512; ; length *= 8) {
    const bytes = sections.read('.debug_info', header.rootAt, Math.min(length, left));
    try {
      return readEntry(sections, header, new Cursor(bytes));
    } catch (error) {
      if (length >= left || !(error instanceof ElfError)) throw error;
    }
  }
}

/** The attributes of the entry at the cursor. */
function readEntry(sections: DebugSections, header: Header, cursor: Cursor): Map<number, Value> {
  const values = new Map<number, Value>();
  const code = cursor.unsigned();
  if (code === 0) return values;
  const shape = readAbbreviations(sections, header.abbreviationsAt, code).get(code);
  if (shape === undefined) {
    throw new ElfError('malformed', 'an entry of unknown shape in the debug information');
  }
  return readAttributes(cursor, shape.attributes, header);
}

export function readAttributes(
  cursor: Cursor,
  attributes: readonly number[],
  encoding: Encoding,
): Map<number, Value> {
  const values = new Map<number, Value>();
  for (let i = 0; i < attributes.length; i += 3) {
    const form = attributes[i + 1];
    if (form === Form.String) values.set(attributes[i], { form, number: 0, text: cursor.string() });
    else {
      const number = readValue(cursor, form, attributes[i + 2], encoding);
      values.set(attributes[i], { form, number });
    }
  }
  return values;
}

/** The offset of one unit after the other. Throws ElfError at one that is broken. */
export function* unitOffsets(sections: DebugSections): Generator<number, void, void> {
  const size = sections.size('.debug_info');
  for (let offset = 0; offset < size; ) {
    const { end } = readExtent(sections, offset);
    yield offset;
    offset = end;
  }
}

/** Whether the unit's code is described in another file (.dwo). */
export function isSplit({ root }: Unit): boolean {
  return root.has(Attribute.DwoName) || root.has(Attribute.GnuDwoName);
}

function isConstant(form: number): boolean {
  switch (form) {
    case Form.Data1:
    case Form.Data2:
    case Form.Data4:
    case Form.Data8:
    case Form.Udata:
    case Form.Sdata:
    case Form.ImplicitConst:
      return true;
    default:
      return false;
  }
}

type AddressContext = Pick<Unit, 'addressBase' | 'addressBytes'>;

/** The address that a value of one of the address forms stands for. */
export function addressOf(sections: DebugSections, unit: AddressContext, value: Value): number {
  return value.form === Form.Addr ? value.number : indexedAddress(sections, unit, value.number);
}

function indexedAddress(sections: DebugSections, unit: AddressContext, index: number): number {
  const at = unit.addressBase + index * unit.addressBytes;
  const cursor = new Cursor(sections.window('.debug_addr', at, unit.addressBytes));
  return unit.addressBytes === 8 ? cursor.u64() : cursor.u32();
}

/** The text of a value of one of the string forms; undefined where it is in a file that several debug files share. */
export function textOf(sections: DebugSections, unit: Unit, value: Value): string | undefined {
  switch (value.form) {
    case Form.String:
      return value.text;
    case Form.Strp:
      return sections.string('.debug_str', value.number);
    case Form.LineStrp:
      return sections.string('.debug_line_str', value.number);
    case Form.Strx:
    case Form.Strx1:
    case Form.Strx2:
    case Form.Strx3:
    case Form.Strx4:
    case Form.GnuStrIndex: {
      const bytes = unit.is64Bit ? 8 : 4;
      const at = unit.stringOffsetsBase + value.number * bytes;
      const offset = new Cursor(sections.window('.debug_str_offsets', at, bytes)).offset(
        unit.is64Bit,
      );
      return sections.string('.debug_str', offset);
    }
    default:
      return undefined;
  }
}

/** Where in .debug_info an entry is that a value refers to; undefined where that is in another file. */
export function referenceOf(unit: Unit, value: Value): number | undefined {
  switch (value.form) {
    case Form.Ref1:
    case Form.Ref2:
    case Form.Ref4:
    case Form.Ref8:
    case Form.RefUdata:
      return unit.offset + value.number;
    case Form.RefAddr:
      return value.number;
    default:
      return undefined;
  }
}

/** Code ranges as pairs of start and end. */
export class RangeList {
  readonly pairs: number[] = [];

  push(start: number, end: number): void {
    if (end <= start) return;
    this.pairs.push(start, end);
    // Many entries may share one list, so that the section's size bounds nothing.
    if (this.pairs.length > 2 * MAX_RANGES) {
      throw new ElfError('too-large', 'a unit with too many code ranges');
    }
  }
}

/** Adds the code ranges of an entry that has these values to `list`. Throws ElfError. */
export function addRanges(
  sections: DebugSections,
  unit: Unit,
  lowPc: Value | undefined,
  highPc: Value | undefined,
  ranges: Value | undefined,
  list: RangeList,
): void {
  if (ranges !== undefined) {
    if (unit.version >= 5) addRangeList(sections, unit, rangeListAt(sections, unit, ranges), list);
    else addOldRangeList(sections, unit, ranges.number, list);
  } else if (lowPc !== undefined && highPc !== undefined) {
    const start = addressOf(sections, unit, lowPc);
    const end = isConstant(highPc.form) ? start + highPc.number : addressOf(sections, unit, highPc);
    list.push(start, end);
  }
}

function rangeListAt(sections: DebugSections, unit: Unit, value: Value): number {
  if (value.form !== Form.Rnglistx) return value.number;
  const bytes = unit.is64Bit ? 8 : 4;
  const at = unit.rangeListsBase + value.number * bytes;
  const window = sections.window('.debug_rnglists', at, bytes);
  return unit.rangeListsBase + new Cursor(window).offset(unit.is64Bit);
}

/** Calls `readOne` for one entry after the other until it says that the list ends. */
function walkList(
  sections: DebugSections,
  name: '.debug_ranges' | '.debug_rnglists',
  start: number,
  readOne: (cursor: Cursor) => boolean,
): void {
  const longest = 32;
  const size = sections.size(name);
  for (let at = start; ; ) {
    const window = sections.window(name, at, Math.min(4096, size - at));
    // `readOne` may make the sections move their windows: this one is ours.
    const cursor = new Cursor(window);
    const stop = at + window.length >= size ? window.length : window.length - longest;
    do {
      if (!readOne(cursor)) return;
    } while (cursor.at < stop);
    at += cursor.at;
  }
}

function addOldRangeList(
  sections: DebugSections,
  unit: Unit,
  offset: number,
  list: RangeList,
): void {
  let base = unit.lowPc;
  const is64Bit = unit.addressBytes === 8;
  const highest = is64Bit ? 2 ** 64 : 0xffffffff;
  walkList(sections, '.debug_ranges', offset, (cursor) => {
    const start = is64Bit ? cursor.u64() : cursor.u32();
    const end = is64Bit ? cursor.u64() : cursor.u32();
    if (start === 0 && end === 0) return false;
    // (The largest address rounds up to 2^64.)
    if (start === highest) base = end;
    else list.push(base + start, base + end);
    return true;
  });
}

function addRangeList(sections: DebugSections, unit: Unit, offset: number, list: RangeList): void {
  let base = unit.lowPc;
  const address = (cursor: Cursor): number =>
    unit.addressBytes === 8 ? cursor.u64() : cursor.u32();
  const indexed = (cursor: Cursor): number => indexedAddress(sections, unit, cursor.unsigned());
  walkList(sections, '.debug_rnglists', offset, (cursor) => {
    const kind = cursor.u8();
    switch (kind) {
      case RangeEntry.End:
        return false;
      case RangeEntry.BaseIndexed:
        base = indexed(cursor);
        return true;
      case RangeEntry.StartEndIndexed:
        list.push(indexed(cursor), indexed(cursor));
        return true;
      case RangeEntry.StartLengthIndexed: {
        const start = indexed(cursor);
        list.push(start, start + cursor.unsigned());
        return true;
      }
      case RangeEntry.OffsetPair: {
        const start = base + cursor.unsigned();
        list.push(start, base + cursor.unsigned());
        return true;
      }
      case RangeEntry.Base:
        base = address(cursor);
        return true;
      case RangeEntry.StartEnd: {
        const start = address(cursor);
        list.push(start, address(cursor));
        return true;
      }
      case RangeEntry.StartLength: {
        const start = address(cursor);
        list.push(start, start + cursor.unsigned());
        return true;
      }
      default:
        throw new ElfError('malformed', `a code range of unknown kind ${kind}`);
    }
  });
}
