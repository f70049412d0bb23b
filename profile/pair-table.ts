/**
 * A hash table from pairs of u32 to u32, open addressing with linear probing in one typed array: no object per entry,
 * which is what makes interning a million stacks cheap.
 */
import { NONE } from './schema';

export class PairTable {
  /** Triples (a, b, value); value NONE marks an empty slot. */
  #slots: Uint32Array;
  #mask: number;
  #size = 0;

  constructor(capacity = 64) {
    let slots = 64;
    while (slots * 0.6 < capacity) slots *= 2;
    this.#mask = slots - 1;
    this.#slots = new Uint32Array(slots * 3).fill(NONE);
  }

  get size(): number {
    return this.#size;
  }

  /** The value of (a, b), or NONE. */
  get(a: number, b: number): number {
    return this.#slots[this.#find(a, b) + 2];
  }

  /** Sets the value of (a, b); `value` must not be NONE. */
  set(a: number, b: number, value: number): void {
    if (this.#size >= (this.#mask + 1) * 0.6) this.#grow();
    const slot = this.#find(a, b);
    if (this.#slots[slot + 2] === NONE) this.#size++;
    this.#put(slot, a, b, value);
  }

  /** The value of (a, b), which is `value` from now on where it had none. */
  add(a: number, b: number, value: number): number {
    if (this.#size >= (this.#mask + 1) * 0.6) this.#grow();
    const slot = this.#find(a, b);
    const known = this.#slots[slot + 2];
    if (known !== NONE) return known;
    this.#size++;
    this.#put(slot, a, b, value);
    return value;
  }

  #put(slot: number, a: number, b: number, value: number): void {
    this.#slots[slot] = a;
    this.#slots[slot + 1] = b;
    this.#slots[slot + 2] = value;
  }

  #find(a: number, b: number): number {
    // Murmur3's finalizer over both halves: neighbouring indices must not probe into each other.
    let h = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0xc2b2ae35);
    h ^= h >>> 13;
    for (let i = h & this.#mask; ; i = (i + 1) & this.#mask) {
      const slot = i * 3;
      if (this.#slots[slot + 2] === NONE) return slot;
      if (this.#slots[slot] === a >>> 0 && this.#slots[slot + 1] === b >>> 0) return slot;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const slots = (this.#mask + 1) * 2;
    this.#mask = slots - 1;
    this.#slots = new Uint32Array(slots * 3).fill(NONE);
    for (let i = 0; i < old.length; i += 3) {
      if (old[i + 2] === NONE) continue;
      this.#put(this.#find(old[i], old[i + 1]), old[i], old[i + 1], old[i + 2]);
    }
  }
}
