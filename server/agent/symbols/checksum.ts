/**
 * A quick checksum of bytes that come in parts; how they are cut does not matter. It finds damage, not forgery: what it
 * is for is in a folder that is writable by nobody else.
 */
export class Checksum {
  #sum = 0x811c9dc5;
  /** Bytes that are no whole word yet. */
  #pending = 0;
  #bits = 0;

  add(bytes: Uint8Array): void {
    let at = 0;
    // Whole words where possible: byte by byte takes four times as long.
    if (this.#bits === 0 && bytes.byteOffset % 4 === 0) {
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
      let sum = this.#sum;
      for (let i = 0; i < words.length; i++) sum = mix(sum, words[i]);
      this.#sum = sum;
      at = words.length * 4;
    }
    for (; at < bytes.length; at++) {
      this.#pending |= bytes[at] << this.#bits;
      this.#bits += 8;
      if (this.#bits < 32) continue;
      this.#sum = mix(this.#sum, this.#pending);
      this.#pending = 0;
      this.#bits = 0;
    }
  }

  /** Of what was added until now. */
  get value(): number {
    return mix(mix(this.#sum, this.#pending), this.#bits) >>> 0;
  }
}

function mix(sum: number, word: number): number {
  const product = Math.imul(sum ^ word, 0x01000193);
  return product ^ (product >>> 15);
}
