/**
 * Reads little-endian numbers and LEB128 from untrusted bytes. Nothing throws: a read past `limit` answers 0, sets
 * `overrun` and stays there, so that loops end and callers check once.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  at = 0;
  limit: number;
  overrun = false;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.limit = bytes.length;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** From `at` up to `limit`, which must be in the bytes. */
  seek(at: number, limit: number): void {
    this.at = at;
    this.limit = limit;
    this.overrun = at > limit;
  }

  u8(): number {
    const at = this.at;
    if (at >= this.limit) return this.#overrun();
    this.at = at + 1;
    return this.bytes[at];
  }

  u16(): number {
    const at = this.at;
    if (at + 2 > this.limit) return this.#overrun();
    this.at = at + 2;
    return this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.at;
    if (at + 4 > this.limit) return this.#overrun();
    this.at = at + 4;
    return this.#view.getUint32(at, true);
  }

  s16(): number {
    return (this.u16() << 16) >> 16;
  }

  s32(): number {
    return this.u32() | 0;
  }

  /** As a double: exact for what fits in 53 bits, which addresses and sizes do. */
  u64(): number {
    const low = this.u32();
    return this.u32() * 2 ** 32 + low;
  }

  s64(): number {
    const low = this.u32();
    return this.s32() * 2 ** 32 + low;
  }

  uleb(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return this.#overrun();
  }

  sleb(): number {
    const first = this.u8();
    if (first < 0x80) return (first << 25) >> 25;
    let value = first & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return byte & 0x40 ? value - scale : value;
    }
    return this.#overrun();
  }

  skip(bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.limit - this.at)) this.#overrun();
    else this.at += bytes;
  }

  #overrun(): number {
    this.overrun = true;
    this.at = this.limit;
    return 0;
  }
}
