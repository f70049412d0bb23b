/** The different rules of one table, numbered in the order in which they came. */
import { MAX_RULES, SPECIAL_RULES, SpecialRule, specialRules, UnsupportedReason } from './format';

export class RuleSet {
  #words = new Uint32Array(2048);
  #length = SPECIAL_RULES;
  /** Open addressing; index + 1 of a rule, 0 where free. */
  #slots = new Int32Array(2048);

  constructor() {
    this.#words.set(specialRules());
  }

  get length(): number {
    return this.#length;
  }

  /** The number of a rule; once all MAX_RULES are given out, that of "too many rules" for new ones. */
  intern(low: number, high: number): number {
    const words = this.#words;
    const mask = this.#slots.length - 1;
    for (let slot = hash(low, high) & mask; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot] - 1;
      if (index < 0) return this.#add(low, high, slot);
      if (words[index * 2] === low && words[index * 2 + 1] === high) return index;
    }
  }

  /** A copy, two words each. */
  toArray(): Uint32Array<ArrayBuffer> {
    return this.#words.slice(0, this.#length * 2);
  }

  #add(low: number, high: number, slot: number): number {
    if (this.#length === MAX_RULES) return SpecialRule.Unsupported + UnsupportedReason.TooManyRules;
    const index = this.#length++;
    if (index * 2 === this.#words.length) {
      const words = new Uint32Array(this.#words.length * 2);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words[index * 2] = low;
    this.#words[index * 2 + 1] = high;
    this.#slots[slot] = index + 1;
    if (this.#length * 2 > this.#slots.length) this.#rehash();
    return index;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let index = SPECIAL_RULES; index < this.#length; index++) {
      let slot = hash(this.#words[index * 2], this.#words[index * 2 + 1]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

function hash(low: number, high: number): number {
  const mixed = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
