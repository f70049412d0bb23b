/**
 * Pairs of u32, each with a row of its own: interning a million stacks without an object per stack. The hash table holds
 * rows only, 4 bytes a slot; what is compared are the columns, which are there anyway.
 */
import { resized } from './resized';
import { NONE } from './schema';
import { U32List } from './u32-list';

const MIN_SLOTS = 64;
/** Linear probing gets slow where more of the slots are taken. */
const MAX_LOAD = 0.6;

export class PairRows {
  readonly #first: U32List;
  readonly #second: U32List;
  /** Row + 1; 0 marks an empty slot. Empty as a whole after `trim`. */
  #slots: Uint32Array;
  #mask: number;

  /** `capacity`: rows for which there is room at first. */
  constructor(capacity = 32) {
    this.#slots = new Uint32Array(slotsFor(capacity));
    this.#mask = this.#slots.length - 1;
    this.#first = new U32List(capacity);
    this.#second = new U32List(capacity);
  }

  get length(): number {
    return this.#first.length;
  }

  /** The columns, longer than `length`, and not to be kept: they are replaced when rows are added. */
  get first(): Uint32Array {
    return this.#first.values;
  }

  get second(): Uint32Array {
    return this.#second.values;
  }

  /** The row of (a, b), which is added where there is none. */
  intern(a: number, b: number): number {
    const at = this.#find(a, b);
    if (this.#slots[at] !== 0) return this.#slots[at] - 1;
    const row = this.#first.push(a);
    this.#second.push(b);
    this.#slots[at] = row + 1;
    if (this.length > (this.#mask + 1) * MAX_LOAD) this.#rehash((this.#mask + 1) * 2);
    return row;
  }

  /** The row of (a, b), or NONE. */
  row(a: number, b: number): number {
    const found = this.#slots[this.#find(a, b)];
    return found === 0 ? NONE : found - 1;
  }

  /** Gives back the room for more rows, and the hash table, which is made again when it is asked. */
  trim(): void {
    this.#first.trim();
    this.#second.trim();
    this.#slots = resized(this.#slots, 0);
  }

  #find(a: number, b: number): number {
    if (this.#slots.length === 0) this.#rehash(slotsFor(this.length));
    const first = this.#first.values;
    const second = this.#second.values;
    let at = hashOf(a, b) & this.#mask;
    for (; ; at = (at + 1) & this.#mask) {
      const row = this.#slots[at] - 1;
      if (row < 0 || (first[row] === a >>> 0 && second[row] === b >>> 0)) return at;
    }
  }

  #rehash(slots: number): void {
    this.#mask = slots - 1;
    this.#slots = resized(this.#slots, slots).fill(0);
    const first = this.#first.values;
    const second = this.#second.values;
    for (let row = 0; row < this.length; row++) {
      let at = hashOf(first[row], second[row]) & this.#mask;
      while (this.#slots[at] !== 0) at = (at + 1) & this.#mask;
      this.#slots[at] = row + 1;
    }
  }
}

function slotsFor(rows: number): number {
  let slots = MIN_SLOTS;
  while (slots * MAX_LOAD < rows) slots *= 2;
  return slots;
}

/** Murmur3's finalizer over both halves: neighbouring indices must not probe into each other. */
function hashOf(a: number, b: number): number {
  let h = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0xc2b2ae35);
  return h ^ (h >>> 13);
}
