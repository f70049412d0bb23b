/** Gives out ranges of an array, best fit first, and joins those that come back. */
export class RangeAllocator {
  readonly capacity: number;
  /** Free ranges by their start; no two touch. */
  #starts: number[];
  #sizes: number[];
  #free: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#starts = capacity > 0 ? [0] : [];
    this.#sizes = capacity > 0 ? [capacity] : [];
    this.#free = capacity;
  }

  /** One with the same ranges, to try something out on. */
  copy(): RangeAllocator {
    const copy = new RangeAllocator(this.capacity);
    copy.#starts = [...this.#starts];
    copy.#sizes = [...this.#sizes];
    copy.#free = this.#free;
    return copy;
  }

  /** In all free ranges together. */
  get free(): number {
    return this.#free;
  }

  get largestFree(): number {
    return this.#sizes.reduce((largest, size) => Math.max(largest, size), 0);
  }

  /** The start of `size` > 0 elements; undefined where no free range is that large. */
  allocate(size: number): number | undefined {
    let best = -1;
    for (let i = 0; i < this.#sizes.length; i++) {
      if (this.#sizes[i] >= size && (best < 0 || this.#sizes[i] < this.#sizes[best])) best = i;
    }
    if (best < 0) return undefined;
    const start = this.#starts[best];
    this.#free -= size;
    if (this.#sizes[best] === size) {
      this.#starts.splice(best, 1);
      this.#sizes.splice(best, 1);
    } else {
      this.#starts[best] += size;
      this.#sizes[best] -= size;
    }
    return start;
  }

  /** What `allocate` gave out, whole. */
  release(start: number, size: number): void {
    let after = 0;
    let high = this.#starts.length;
    while (after < high) {
      const middle = (after + high) >>> 1;
      if (this.#starts[middle] < start) after = middle + 1;
      else high = middle;
    }
    this.#free += size;
    const joinsBefore = after > 0 && this.#starts[after - 1] + this.#sizes[after - 1] === start;
    const joinsAfter = after < this.#starts.length && start + size === this.#starts[after];
    if (joinsBefore && joinsAfter) {
      this.#sizes[after - 1] += size + this.#sizes[after];
      this.#starts.splice(after, 1);
      this.#sizes.splice(after, 1);
    } else if (joinsBefore) {
      this.#sizes[after - 1] += size;
    } else if (joinsAfter) {
      this.#starts[after] = start;
      this.#sizes[after] += size;
    } else {
      this.#starts.splice(after, 0, start);
      this.#sizes.splice(after, 0, size);
    }
  }
}
