/** A growable list of u32 in one typed array. */
export class U32List {
  /** Longer than `length`, and replaced when the list grows: not to be kept. */
  values: Uint32Array;
  length = 0;

  constructor(capacity = 64) {
    this.values = new Uint32Array(Math.max(1, capacity));
  }

  push(value: number): number {
    if (this.length === this.values.length) this.#grow(Math.max(64, this.length * 2));
    this.values[this.length] = value;
    return this.length++;
  }

  /** Makes room for `length` values at least: exactly that where there were none, doubled where there were some. */
  reserve(length: number): void {
    if (length <= this.values.length) return;
    this.#grow(this.length === 0 ? length : Math.max(length, this.length * 2));
  }

  /** Gives back the room for more. */
  trim(): void {
    if (this.values.length > this.length) this.values = this.values.slice(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  #grow(capacity: number): void {
    const grown = new Uint32Array(capacity);
    grown.set(this.values.subarray(0, this.length));
    this.values = grown;
  }
}
