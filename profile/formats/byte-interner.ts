/** Interns slices of bytes: equal slices get equal indices, and only the first of them is ever decoded to a string. */
import { resized } from '@/profile/resized';

export class ByteInterner {
  readonly #decoder = new TextDecoder();
  /** Index + 1 of the slice in each slot, 0 for an empty slot; linear probing. */
  #slots = new Uint32Array(1024);
  #hashes = new Uint32Array(512);
  /** Where slice i starts in the arena; it ends where the next one starts. */
  #starts = new Uint32Array(513);
  #arena = new Uint8Array(16_384);
  #length = 0;

  /** Number of different slices. */
  get length(): number {
    return this.#length;
  }

  /** The index of bytes [start, end), whose FNV-1a hash (see HASH_SEED) is `hash`. */
  intern(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    const wanted = hash >>> 0;
    let slot = Math.imul(wanted ^ (wanted >>> 15), 0x2c1b3c6d) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = this.#slots[slot] - 1;
      if (this.#hashes[index] === wanted && this.#equals(index, bytes, start, end)) return index;
    }
    return this.#add(slot, bytes, start, end, wanted);
  }

  /** The texts of all slices, in the order of their indices (UTF-8; what is not becomes U+FFFD). */
  *texts(): Generator<string> {
    const end = this.#starts[this.#length];
    const all = this.#decoder.decode(this.#arena.subarray(0, end));
    // One byte a character: slices of one string, which share its memory. A decoder's strings, each for itself, would
    // cost a browser more than the names.
    const isAscii = all.length === end && !all.includes('\ufffd');
    for (let index = 0; index < this.#length; index++) {
      const [from, to] = [this.#starts[index], this.#starts[index + 1]];
      yield isAscii ? all.slice(from, to) : this.#decoder.decode(this.#arena.subarray(from, to));
    }
  }

  #equals(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.#starts[index];
    if (this.#starts[index + 1] - at !== end - start) return false;
    for (let i = start, j = at; i < end; i++, j++) {
      if (this.#arena[j] !== bytes[i]) return false;
    }
    return true;
  }

  #add(slot: number, bytes: Uint8Array, start: number, end: number, hash: number): number {
    const index = this.#length++;
    const arenaStart = this.#starts[index];
    const arenaEnd = arenaStart + end - start;
    if (arenaEnd > this.#arena.length) {
      this.#arena = resized(this.#arena, Math.max(arenaEnd, this.#arena.length * 2));
    }
    this.#arena.set(bytes.subarray(start, end), arenaStart);
    if (index === this.#hashes.length) this.#growRows();
    this.#hashes[index] = hash;
    this.#starts[index + 1] = arenaEnd;
    this.#slots[slot] = index + 1;
    if (this.#length * 2 > this.#slots.length) this.#growSlots();
    return index;
  }

  #growRows(): void {
    const rows = this.#hashes.length * 2;
    this.#hashes = resized(this.#hashes, rows);
    this.#starts = resized(this.#starts, rows + 1);
  }

  #growSlots(): void {
    this.#slots = resized(this.#slots, this.#slots.length * 2).fill(0);
    const mask = this.#slots.length - 1;
    for (let index = 0; index < this.#length; index++) {
      const hash = this.#hashes[index];
      let slot = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = index + 1;
    }
  }
}

/** FNV-1a: `hash = Math.imul(hash ^ byte, HASH_PRIME)` from HASH_SEED on, for loops that look for the end of a slice. */
export const HASH_SEED = 0x811c9dc5;
export const HASH_PRIME = 0x01000193;
