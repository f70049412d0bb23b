/** A growable list of u32 in one typed array. */
export class U32List {
  /** Longer than `length`, and replaced when the list grows: not to be kept. */
  values: Uint32Array;
  length = 0;

  constructor(capacity = 64) {
    this.values = new Uint32Array(Math.max(1, capacity));
  }

  push(value: number): number {
    if (this.length === this.values.length) {
      const grown = new Uint32Array(this.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.values[this.length] = value;
    return this.length++;
  }

  clear(): void {
    this.length = 0;
  }
}
