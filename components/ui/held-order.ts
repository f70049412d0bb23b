import type { RowKey } from './use-roving-rows';

/** The order is that of the numbers shown, or, while it is held, that of before: who aims at a row must hit it. */
export class HeldOrder<Row> {
  /** As they came last, and as they were shown. */
  #sorted: readonly Row[] = [];
  #shown: readonly Row[] = [];
  #keyOf: (row: Row) => RowKey = () => '';
  #what: readonly unknown[] = [];
  /** While it is held: the places of rows, of which some may be free. */
  #places: Map<RowKey, number> | undefined;
  /** Whose they are; undefined: free. */
  #keys: (RowKey | undefined)[] = [];

  /**
   * The rows in the order to show. While it is held, those that are new come last.
   * @param sorted in the order of now
   * @param keyOf what a row is known by in the next rows, too
   * @param what the order is of: where that is another, it is not held
   */
  rows(
    sorted: readonly Row[],
    keyOf: (row: Row) => RowKey,
    isHeld: boolean,
    what: readonly unknown[] = [],
  ): readonly Row[] {
    if (!isHeld || what.some((part, i) => part !== this.#what[i])) {
      this.#shown = sorted;
      this.#places = undefined;
    } else if (sorted !== this.#sorted) this.#shown = this.#inPlace(sorted, keyOf);
    this.#sorted = sorted;
    this.#keyOf = keyOf;
    this.#what = what;
    return this.#shown;
  }

  /** Of 50,000 rows few come and go at a time: the map of places is kept, not made anew. */
  #inPlace(rows: readonly Row[], keyOf: (row: Row) => RowKey): readonly Row[] {
    // Not too many free places.
    if (this.#places === undefined || this.#keys.length > 2 * rows.length + 64) {
      const shown = this.#shown.map(this.#keyOf);
      this.#places = new Map(shown.map((key, place) => [key, place]));
      this.#keys = shown;
    }
    const places = this.#places;
    const keys = this.#keys;
    const placed = new Array<Row | undefined>(keys.length).fill(undefined);
    for (const row of rows) {
      const key = keyOf(row);
      const place = places.get(key);
      if (place !== undefined) placed[place] = row;
      else {
        places.set(key, placed.length);
        placed.push(row);
        keys.push(key);
      }
    }
    placed.forEach((row, place) => {
      const key = keys[place];
      if (row !== undefined || key === undefined) return;
      // It is new if it comes back.
      places.delete(key);
      keys[place] = undefined;
    });
    return placed.filter((row) => row !== undefined);
  }
}
