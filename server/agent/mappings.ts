/** The executable mappings of one address space. */
import type { Module } from './modules';

export interface Mapping {
  readonly start: number;
  readonly end: number;
  /** Of `start` in the module's file, in bytes. */
  readonly fileOffset: number;
  readonly module: Module;
}

/** Mappings that don't overlap, by address. Immutable, so that a forked child can share its parent's. */
export class MappingTable {
  static readonly EMPTY = new MappingTable([]);
  readonly #byStart: readonly Mapping[];
  /** Found last: a frame's caller is mostly in the same mapping. */
  #last: Mapping | undefined;

  private constructor(byStart: readonly Mapping[]) {
    this.#byStart = byStart;
  }

  static of(mappings: Iterable<Mapping>): MappingTable {
    return new MappingTable([...mappings].sort((a, b) => a.start - b.start));
  }

  get isEmpty(): boolean {
    return this.#byStart.length === 0;
  }

  /** All mappings, by address. */
  [Symbol.iterator](): Iterator<Mapping> {
    return this.#byStart[Symbol.iterator]();
  }

  /** The mapping that holds an address, or undefined. */
  find(address: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && last.start <= address && address < last.end) return last;
    let low = 0;
    let high = this.#byStart.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#byStart[middle].start <= address) low = middle + 1;
      else high = middle;
    }
    const mapping = this.#byStart[low - 1];
    if (mapping === undefined || address >= mapping.end) return undefined;
    this.#last = mapping;
    return mapping;
  }

  /** Whether each of the first `count` addresses is in a mapping. */
  holds(addresses: Float64Array, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.find(addresses[i]) === undefined) return false;
    return true;
  }

  /**
   * With one more mapping, which replaces what was mapped in its range:
   *
   *   before   |---- a ----|      |-- b --|
   *   new            |------ n ------|
   *   after    |- a -|------ n ------|- b -|
   */
  with(mapping: Mapping): MappingTable {
    const kept: Mapping[] = [];
    for (const old of this.#byStart) {
      if (old.end <= mapping.start || old.start >= mapping.end) {
        kept.push(old);
        continue;
      }
      if (old.start < mapping.start) kept.push({ ...old, end: mapping.start });
      if (old.end > mapping.end) {
        kept.push({
          ...old,
          start: mapping.end,
          fileOffset: old.fileOffset + mapping.end - old.start,
        });
      }
    }
    kept.push(mapping);
    return MappingTable.of(kept);
  }
}
