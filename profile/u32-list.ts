/** A growable list of u32 in one typed array. */
import { resized } from './resized';

export class U32List {
  /** Longer than `length`, and replaced when the list grows: not to be kept. */
  values: Uint32Array;
  length = 0;

  constructor(capacity = 64) {
    this.values = new Uint32Array(Math.max(1, capacity));
  }

  push(value: number): number {
    if (this.length === this.values.length)
      this.values = resized(this.values, Math.max(64, this.length * 2));
    this.values[this.length] = value;
    return this.length++;
  }

  /** Makes room for `length` values at least: exactly that where there were none, doubled where there were some. */
  reserve(length: number): void {
    if (length <= this.values.length) return;
    const room = this.length === 0 ? length : Math.max(length, this.length * 2);
    this.values = resized(this.values, room);
  }

  /** Gives back the room for more. */
  trim(): void {
    if (this.values.length > this.length) this.values = resized(this.values, this.length);
  }

  clear(): void {
    this.length = 0;
  }
}
