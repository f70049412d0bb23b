/**
 * The rules that all loaded tables share, in the array that BPF reads: a few thousand serve a whole machine. Tables
 * number their rules themselves; `acquire` says which number here each of them has.
 */
import { MAX_RULES, SPECIAL_RULES, SpecialRule, specialRules, UnsupportedReason } from './format';

const TOO_MANY = SpecialRule.Unsupported + UnsupportedReason.TooManyRules;

export class RuleRegistry {
  readonly capacity: number;
  readonly #words: Uint32Array;
  readonly #numbers = new Map<bigint, number>();
  /** How many tables use the rule of that number. */
  readonly #uses: Uint32Array;
  /** Numbers that were used and are free again; and all from `#next` on are. */
  readonly #freed: number[] = [];
  #next = SPECIAL_RULES;
  #refused = 0;

  /** `words`: two a rule; a row can number MAX_RULES, so more of them stay unused. Holds the special rules at once. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.capacity = Math.min(MAX_RULES, words.length >>> 1);
    if (this.capacity < SPECIAL_RULES) throw new RangeError('no room for the special rules');
    this.#uses = new Uint32Array(this.capacity);
    words.set(specialRules());
  }

  /** Rules in use, the special ones among them. */
  get length(): number {
    return SPECIAL_RULES + this.#numbers.size;
  }

  /** How many rules of how many tables were answered with "too many rules" so far. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * The number of each of a table's rules, in its order. Where all are in use, new ones become the special rule "too many
   * rules", so that stacks end there and say why.
   */
  acquire(rules: Uint32Array): Uint16Array {
    const count = rules.length >>> 1;
    const numbers = new Uint16Array(count);
    for (let i = 0; i < count; i++) {
      numbers[i] = i < SPECIAL_RULES ? i : this.#acquireRule(rules[i * 2], rules[i * 2 + 1]);
    }
    return numbers;
  }

  /** Gives back what `acquire` answered. */
  release(numbers: Uint16Array): void {
    for (const number of numbers) {
      if (number < SPECIAL_RULES || --this.#uses[number] > 0) continue;
      this.#numbers.delete(key(this.#words[number * 2], this.#words[number * 2 + 1]));
      this.#freed.push(number);
    }
  }

  #acquireRule(low: number, high: number): number {
    const rule = key(low, high);
    let number = this.#numbers.get(rule);
    if (number === undefined) {
      number = this.#freed.pop();
      if (number === undefined) {
        if (this.#next === this.capacity) {
          this.#refused++;
          return TOO_MANY;
        }
        number = this.#next++;
      }
      this.#words[number * 2] = low;
      this.#words[number * 2 + 1] = high;
      this.#numbers.set(rule, number);
    }
    this.#uses[number]++;
    return number;
  }
}

const key = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low);
