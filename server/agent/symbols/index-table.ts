/** Numbers by numbers, for as many entries as are known beforehand: much quicker than a Map. */
const FREE = 0xffffffff;

export class IndexTable {
  readonly #mask: number;
  readonly #keys: Uint32Array;
  readonly #values: Uint32Array;

  /** For up to `entries` keys, each smaller than 2^32 - 1. */
  constructor(entries: number) {
    let size = 4;
    while (size < entries * 2) size *= 2;
    this.#mask = size - 1;
    this.#keys = new Uint32Array(size).fill(FREE);
    this.#values = new Uint32Array(size);
  }

  /** The value of a key, or undefined. */
  get(key: number): number | undefined {
    const at = this.#find(key);
    return this.#keys[at] === FREE ? undefined : this.#values[at];
  }

  set(key: number, value: number): void {
    const at = this.#find(key);
    this.#keys[at] = key;
    this.#values[at] = value;
  }

  /** Where the key is, or where it belongs. */
  #find(key: number): number {
    const keys = this.#keys;
    let at = (Math.imul(key, 0x9e3779b1) >>> 7) & this.#mask;
    while (keys[at] !== key && keys[at] !== FREE) at = (at + 1) & this.#mask;
    return at;
  }
}
