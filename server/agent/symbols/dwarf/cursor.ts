/** Reads numbers and strings one after the other; throws ElfError at the end of the bytes. */
import { ElfError } from '../../elf/elf-file';

export class Cursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  /** Moves on by `count` bytes. */
  skip(count: number): void {
    this.#advance(count);
  }

  #advance(count: number): number {
    const from = this.at;
    if (!(count >= 0 && from + count <= this.bytes.length)) {
      throw new ElfError('malformed', 'debug information is cut short');
    }
    this.at = from + count;
    return from;
  }

  u8(): number {
    return this.bytes[this.#advance(1)];
  }

  i8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u24(): number {
    const at = this.#advance(3);
    return this.bytes[at] | (this.bytes[at + 1] << 8) | (this.bytes[at + 2] << 16);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Exact below 2^53, else near enough to be seen as out of any range. */
  u64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** An offset: 4 bytes, or 8 in the 64-bit format. */
  offset(is64Bit: boolean): number {
    return is64Bit ? this.u64() : this.u32();
  }

  /** An unsigned LEB128 number. */
  unsigned(): number {
    const { bytes } = this;
    let byte = bytes[this.at];
    // Nearly all are below 128.
    if (byte < 0x80) {
      this.at++;
      return byte;
    }
    let value = 0;
    let factor = 1;
    do {
      byte = this.u8();
      value += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte >= 0x80);
    return value;
  }

  /** A signed LEB128 number. */
  signed(): number {
    let value = 0;
    let factor = 1;
    let byte: number;
    do {
      byte = this.u8();
      value += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte >= 0x80);
    return byte & 0x40 ? value - factor : value;
  }

  /** A zero-terminated string. */
  string(): string {
    const start = this.at;
    this.skipString();
    return Buffer.from(
      this.bytes.buffer,
      this.bytes.byteOffset + start,
      this.at - 1 - start,
    ).toString('utf8');
  }

  skipString(): void {
    const { bytes } = this;
    let at = this.at;
    while (at < bytes.length && bytes[at] !== 0) at++;
    if (at >= bytes.length) throw new ElfError('malformed', 'debug information is cut short');
    this.at = at + 1;
  }
}
