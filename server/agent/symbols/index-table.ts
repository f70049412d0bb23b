/** Numbers by numbers, for as many entries as are known beforehand: much quicker than a Map. */
const FREE = 0xffffffff;

export class IndexTable {
  readonly #mask: number;
  /** Keys and values, interleaved: both are in one line of the CPU's cache. */
  readonly #entries: Uint32Array;

  /** For up to `entries` keys, each smaller than 2^32 - 1. */
  constructor(entries: number) {
    let size = 4;
    while (size < entries * 2) size *= 2;
    this.#mask = size - 1;
    this.#entries = new Uint32Array(size * 2).fill(FREE);
  }

  /** The value of a key, or undefined. */
  get(key: number): number | undefined {
    const at = this.#find(key);
    return this.#entries[at] === FREE ? undefined : this.#entries[at + 1];
  }

  set(key: number, value: number): void {
    const at = this.#find(key);
    this.#entries[at] = key;
    this.#entries[at + 1] = value;
  }

  /** Where the key is, or where it belongs. */
  #find(key: number): number {
    const entries = this.#entries;
    let slot = (Math.imul(key, 0x9e3779b1) >>> 7) & this.#mask;
    while (entries[2 * slot] !== key && entries[2 * slot] !== FREE) slot = (slot + 1) & this.#mask;
    return 2 * slot;
  }
}
