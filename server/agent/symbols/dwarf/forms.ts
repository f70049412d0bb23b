/** How attribute values are encoded. */
import { ElfError } from '../../elf/elf-file';
import type { Cursor } from './cursor';

export const Form = {
  Addr: 0x01,
  Block2: 0x03,
  Block4: 0x04,
  Data2: 0x05,
  Data4: 0x06,
  Data8: 0x07,
  String: 0x08,
  Block: 0x09,
  Block1: 0x0a,
  Data1: 0x0b,
  Flag: 0x0c,
  Sdata: 0x0d,
  Strp: 0x0e,
  Udata: 0x0f,
  RefAddr: 0x10,
  Ref1: 0x11,
  Ref2: 0x12,
  Ref4: 0x13,
  Ref8: 0x14,
  RefUdata: 0x15,
  Indirect: 0x16,
  SecOffset: 0x17,
  Exprloc: 0x18,
  FlagPresent: 0x19,
  Strx: 0x1a,
  Addrx: 0x1b,
  RefSup4: 0x1c,
  StrpSup: 0x1d,
  Data16: 0x1e,
  LineStrp: 0x1f,
  RefSig8: 0x20,
  ImplicitConst: 0x21,
  Loclistx: 0x22,
  Rnglistx: 0x23,
  RefSup8: 0x24,
  Strx1: 0x25,
  Strx2: 0x26,
  Strx3: 0x27,
  Strx4: 0x28,
  Addrx1: 0x29,
  Addrx2: 0x2a,
  Addrx3: 0x2b,
  Addrx4: 0x2c,
  GnuAddrIndex: 0x1f01,
  GnuStrIndex: 0x1f02,
  GnuRefAlt: 0x1f20,
  GnuStrpAlt: 0x1f21,
} as const;

/** What the encoding of a unit's values depends on. */
export interface Encoding {
  readonly version: number;
  readonly is64Bit: boolean;
  readonly addressBytes: number;
}

/**
 * Reads one value as a number: an address, offset, index, constant or flag as it stands; for strings and blocks in
 * place, where they start. The cursor is behind the value then.
 */
export function readValue(
  cursor: Cursor,
  form: number,
  constant: number,
  encoding: Encoding,
): number {
  switch (form) {
    case Form.Addr:
      return encoding.addressBytes === 8 ? cursor.u64() : cursor.u32();
    case Form.Data1:
    case Form.Flag:
    case Form.Ref1:
    case Form.Strx1:
    case Form.Addrx1:
      return cursor.u8();
    case Form.Data2:
    case Form.Ref2:
    case Form.Strx2:
    case Form.Addrx2:
      return cursor.u16();
    case Form.Strx3:
    case Form.Addrx3:
      return cursor.u24();
    case Form.Data4:
    case Form.Ref4:
    case Form.RefSup4:
    case Form.Strx4:
    case Form.Addrx4:
      return cursor.u32();
    case Form.Data8:
    case Form.Ref8:
    case Form.RefSig8:
    case Form.RefSup8:
      return cursor.u64();
    case Form.Sdata:
      return cursor.signed();
    case Form.Udata:
    case Form.RefUdata:
    case Form.Strx:
    case Form.Addrx:
    case Form.Loclistx:
    case Form.Rnglistx:
    case Form.GnuAddrIndex:
    case Form.GnuStrIndex:
      return cursor.unsigned();
    case Form.Strp:
    case Form.LineStrp:
    case Form.SecOffset:
    case Form.StrpSup:
    case Form.GnuRefAlt:
    case Form.GnuStrpAlt:
      return cursor.offset(encoding.is64Bit);
    case Form.RefAddr:
      // In version 2 it was as long as an address.
      return encoding.version === 2 && encoding.addressBytes === 8
        ? cursor.u64()
        : cursor.offset(encoding.is64Bit);
    case Form.FlagPresent:
      return 1;
    case Form.ImplicitConst:
      return constant;
    case Form.Indirect:
      return readIndirect(cursor, encoding);
    default:
      return skipBytes(cursor, form);
  }
}

function readIndirect(cursor: Cursor, encoding: Encoding): number {
  const form = cursor.unsigned();
  if (form === Form.Indirect || form === Form.ImplicitConst) {
    throw new ElfError('malformed', 'a form that refers to itself in the debug information');
  }
  return readValue(cursor, form, 0, encoding);
}

/** Moves over what is not a number; returns where it started. */
function skipBytes(cursor: Cursor, form: number): number {
  const start = cursor.at;
  switch (form) {
    case Form.String:
      cursor.skipString();
      break;
    case Form.Block1:
      cursor.skip(cursor.u8());
      break;
    case Form.Block2:
      cursor.skip(cursor.u16());
      break;
    case Form.Block4:
      cursor.skip(cursor.u32());
      break;
    case Form.Block:
    case Form.Exprloc:
      cursor.skip(cursor.unsigned());
      break;
    case Form.Data16:
      cursor.skip(16);
      break;
    default:
      throw new ElfError('unsupported', `form 0x${form.toString(16)} in the debug information`);
  }
  return start;
}

/** The bytes that a form always takes, undefined where that depends on the value. */
export function fixedBytes(form: number, encoding: Encoding): number | undefined {
  const offsetBytes = encoding.is64Bit ? 8 : 4;
  switch (form) {
    case Form.Addr:
      return encoding.addressBytes;
    case Form.Data1:
    case Form.Flag:
    case Form.Ref1:
    case Form.Strx1:
    case Form.Addrx1:
      return 1;
    case Form.Data2:
    case Form.Ref2:
    case Form.Strx2:
    case Form.Addrx2:
      return 2;
    case Form.Strx3:
    case Form.Addrx3:
      return 3;
    case Form.Data4:
    case Form.Ref4:
    case Form.RefSup4:
    case Form.Strx4:
    case Form.Addrx4:
      return 4;
    case Form.Data8:
    case Form.Ref8:
    case Form.RefSig8:
    case Form.RefSup8:
      return 8;
    case Form.Data16:
      return 16;
    case Form.Strp:
    case Form.LineStrp:
    case Form.SecOffset:
    case Form.StrpSup:
    case Form.GnuRefAlt:
    case Form.GnuStrpAlt:
      return offsetBytes;
    case Form.FlagPresent:
    case Form.ImplicitConst:
      return 0;
    default:
      return undefined;
  }
}
