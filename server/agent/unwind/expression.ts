/**
 * The few shapes of DWARF expressions that call frame information really has: `register + offset`,
 * `*(register + offset) + offset2`, and the linker's expression for procedure linkage tables. Others are Unknown; none is
 * evaluated in general.
 */
import type { ByteReader } from './byte-reader';

export const Shape = { Unknown: 0, Sum: 1, Dereferenced: 2, Plt: 3 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

const Op = {
  Deref: 0x06,
  Const1u: 0x08,
  Const1s: 0x09,
  Const2u: 0x0a,
  Const2s: 0x0b,
  Const4u: 0x0c,
  Const4s: 0x0d,
  Constu: 0x10,
  Consts: 0x11,
  And: 0x1a,
  Minus: 0x1c,
  Plus: 0x22,
  PlusUconst: 0x23,
  Shl: 0x24,
  Ge: 0x2a,
  Lit0: 0x30,
  Lit31: 0x4f,
  Breg0: 0x70,
  Breg31: 0x8f,
  Bregx: 0x92,
} as const;

/** What an expression was recognized as. One object, written over by the next `recognize`. */
export class Expression {
  shape: Shape = Shape.Unknown;
  register = 0;
  /** In bytes; for a Plt, the offset in a 16-byte entry from which on 8 bytes more are on the stack. */
  offset = 0;
  /** Added after the memory was read. */
  offset2 = 0;

  /** Reads an expression of `length` bytes and moves the reader behind it. */
  recognize(reader: ByteReader, length: number, instructionPointer: number): void {
    const end = reader.at + length;
    this.shape = Shape.Unknown;
    if (!(end <= reader.limit)) {
      reader.skip(length);
      return;
    }
    const limit = reader.limit;
    reader.limit = end;
    if (this.#isPlt(reader, instructionPointer)) {
      this.shape = Shape.Plt;
      this.register = 7;
      this.offset = reader.bytes[end - 5] - Op.Lit0;
    } else {
      this.shape = this.#sum(reader);
    }
    reader.overrun = false;
    reader.at = end;
    reader.limit = limit;
  }

  /** `rsp + 8 + ((rip & 15) >= n ? 8 : 0)`; every linker writes it in these bytes, n depending on the kind of PLT. */
  #isPlt({ bytes, at, limit }: ByteReader, instructionPointer: number): boolean {
    return (
      limit - at === 11 &&
      bytes[at] === Op.Breg0 + 7 &&
      bytes[at + 1] === 8 &&
      bytes[at + 2] === Op.Breg0 + instructionPointer &&
      bytes[at + 3] === 0 &&
      bytes[at + 4] === Op.Lit0 + 15 &&
      bytes[at + 5] === Op.And &&
      bytes[at + 6] >= Op.Lit0 &&
      bytes[at + 6] <= Op.Lit0 + 15 &&
      bytes[at + 7] === Op.Ge &&
      bytes[at + 8] === Op.Lit0 + 3 &&
      bytes[at + 9] === Op.Shl &&
      bytes[at + 10] === Op.Plus
    );
  }

  #sum(reader: ByteReader): Shape {
    const first = reader.u8();
    if (first >= Op.Breg0 && first <= Op.Breg31) this.register = first - Op.Breg0;
    else if (first === Op.Bregx) this.register = reader.uleb();
    else return Shape.Unknown;
    let sum = reader.sleb();
    let shape: Shape = Shape.Sum;
    this.offset2 = 0;
    while (reader.at < reader.limit) {
      const op = reader.u8();
      if (op === Op.Deref) {
        if (shape === Shape.Dereferenced) return Shape.Unknown;
        shape = Shape.Dereferenced;
        this.offset = sum;
        sum = 0;
      } else if (op === Op.PlusUconst) {
        sum += reader.uleb();
      } else {
        const constant = readConstant(reader, op);
        if (constant === undefined) return Shape.Unknown;
        const operator = reader.u8();
        if (operator === Op.Plus) sum += constant;
        else if (operator === Op.Minus) sum -= constant;
        else return Shape.Unknown;
      }
    }
    if (shape === Shape.Sum) this.offset = sum;
    else this.offset2 = sum;
    return reader.overrun ? Shape.Unknown : shape;
  }
}

function readConstant(reader: ByteReader, op: number): number | undefined {
  if (op >= Op.Lit0 && op <= Op.Lit31) return op - Op.Lit0;
  switch (op) {
    case Op.Const1u:
      return reader.u8();
    case Op.Const1s:
      return (reader.u8() << 24) >> 24;
    case Op.Const2u:
      return reader.u16();
    case Op.Const2s:
      return reader.s16();
    case Op.Const4u:
      return reader.u32();
    case Op.Const4s:
      return reader.s32();
    case Op.Constu:
      return reader.uleb();
    case Op.Consts:
      return reader.sleb();
    default:
      return undefined;
  }
}
