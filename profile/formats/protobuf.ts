/** An encoder for protocol buffers: what pprof needs of it. */

/** Wire types. */
const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

export class ProtobufWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  readonly #encoder = new TextEncoder();

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, capacity));
  }

  get length(): number {
    return this.#length;
  }

  /** What was written so far; valid until the next write. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** A varint field; a value of 0, the default, is not written. Integers from -2^63 to 2^64 - 1; numbers up to 2^53. */
  integer(field: number, value: number | bigint): void {
    if (value === 0 || value === 0n) return;
    this.#tag(field, WIRE_VARINT);
    this.#varint(value);
  }

  boolean(field: number, value: boolean): void {
    this.integer(field, value ? 1 : 0);
  }

  /** A string field, written also where it is empty: it may be an element of a list. */
  string(field: number, text: string): void {
    this.#tag(field, WIRE_BYTES);
    const encoded = this.#encoder.encode(text);
    this.#varint(encoded.length);
    this.#append(encoded);
  }

  /** A message field. */
  message(field: number, message: ProtobufWriter): void {
    this.#tag(field, WIRE_BYTES);
    this.#varint(message.length);
    this.#append(message.bytes());
  }

  /** A list of varints in the packed form. */
  packed(field: number, values: ProtobufWriter): void {
    if (values.length > 0) this.message(field, values);
  }

  /** A bare varint, as an element of a packed list. */
  element(value: number | bigint): void {
    this.#varint(value);
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number | bigint): void {
    this.#reserve(10);
    if (typeof value === 'bigint' || value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      this.#bytes[this.#length++] = Number(rest);
      return;
    }
    let rest = value;
    // Bitwise operators cut to 32 bits: larger ones are divided.
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128))
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  #append(from: Uint8Array): void {
    this.#reserve(from.length);
    this.#bytes.set(from, this.#length);
    this.#length += from.length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.bytes());
    this.#bytes = grown;
  }
}
