/** A growable array of bytes, for text that is kept as it is in the file: UTF-8, never a JavaScript string. */
export class ByteSink {
  /** Longer than `length`, and replaced when the sink grows: not to be kept. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(Math.max(16, capacity));
  }

  /** Appends [from, to) of `source`, and returns where that starts. */
  append(source: Uint8Array, from = 0, to = source.length): number {
    const start = this.length;
    const count = to - from;
    this.#reserve(start + count);
    // Names are short: a loop is quicker than a view of the range.
    if (count < 256) for (let i = 0; i < count; i++) this.bytes[start + i] = source[from + i];
    else this.bytes.set(source.subarray(from, to), start);
    this.length = start + count;
    return start;
  }

  /** Appends text as UTF-8, and returns where that starts. */
  appendText(text: string): number {
    const start = this.length;
    this.#reserve(start + text.length * 3);
    this.length += Buffer.from(this.bytes.buffer).write(text, start, 'utf8');
    return start;
  }

  appendByte(value: number): void {
    this.#reserve(this.length + 1);
    this.bytes[this.length++] = value;
  }

  /** Appends a zero where the last byte is none. */
  terminate(): void {
    if (this.length > 0 && this.bytes[this.length - 1] !== 0) this.appendByte(0);
  }

  /** The bytes, in memory of their own size. */
  take(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  #reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(length, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
