/**
 * A profile's samples in the order of time. They come nearly, but not quite, in that order: those of a chunk's last
 * moments may come with the next. Windows over time (WindowWeights) share one of these.
 */
import type { Profile } from './profile';
import type { SampleSpans } from './sample-spans';

export class SampleOrder {
  readonly profile: Profile;
  /** How many rows were there at the last update. */
  #length = 0;
  /** Rows by time; undefined while rows and time have the same order, which costs no memory. */
  #rows: Uint32Array | undefined;
  #newestNs = Number.NEGATIVE_INFINITY;
  #forgottenRows = 0;
  #forgottenUntilNs = Number.NEGATIVE_INFINITY;

  constructor(
    profile: Profile,
    /** undefined: samples have no length. */
    readonly spans?: SampleSpans,
  ) {
    this.profile = profile;
    this.update();
  }

  /** Number of samples that are held. */
  get length(): number {
    return this.#length;
  }

  /** How many of the profile's rows were forgotten since the start. */
  get forgottenRows(): number {
    return this.#forgottenRows;
  }

  /** Time of the newest sample that was forgotten; -Infinity for none. */
  get forgottenUntilNs(): number {
    return this.#forgottenUntilNs;
  }

  /** The row of the profile's samples at a position in the order of time. */
  rowAt(position: number): number {
    return this.#rows === undefined ? position : this.#rows[position];
  }

  /** The first position whose sample is not before `timeNs`. */
  firstAt(timeNs: number): number {
    const times = this.profile.samples.columns.timeNs;
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (times[this.rowAt(middle)] < timeNs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes in the rows that were added to the profile. */
  update(): void {
    const { columns, length } = this.profile.samples;
    const times = columns.timeNs;
    const from = this.#length;
    if (length === from) return;
    let isInOrder = true;
    let newestNs = this.#newestNs;
    for (let row = from; row < length; row++) {
      if (times[row] < newestNs) isInOrder = false;
      else newestNs = times[row];
    }
    this.#newestNs = newestNs;
    if (this.#rows !== undefined || !isInOrder) this.#merge(from, length, isInOrder);
    this.#length = length;
  }

  /**
   * Drops the oldest rows of the profile's samples, as long as they are before `timeNs`. Rows get new indices by it. What
   * windows have summed stays, until they move past it. It copies the rows that stay: not for every update.
   */
  forgetBefore(timeNs: number): void {
    this.update();
    const { samples } = this.profile;
    const times = samples.columns.timeNs;
    let dropped = 0;
    for (; dropped < this.#length && times[dropped] < timeNs; dropped++) {
      this.#forgottenUntilNs = Math.max(this.#forgottenUntilNs, times[dropped]);
    }
    if (dropped === 0) return;
    const kept = Object.fromEntries(
      Object.entries(samples.columns).map(([name, column]) => [
        name,
        column.slice(dropped, this.#length),
      ]),
    ) as unknown as typeof samples.columns;
    samples.clear();
    samples.pushRange(kept, 0, this.#length - dropped);
    this.spans?.forget(dropped);
    this.#forgottenRows += dropped;
    this.#length = 0;
    this.#rows = undefined;
    this.#newestNs = Number.NEGATIVE_INFINITY;
    this.update();
  }

  /** Merges rows `from` to `length` into the order: the new ones by time, then into the end of those before. */
  #merge(from: number, length: number, isInOrder: boolean): void {
    const times = this.profile.samples.columns.timeNs;
    const added = Uint32Array.from({ length: length - from }, (_, i) => from + i);
    if (!isInOrder) added.sort((a, b) => times[a] - times[b] || a - b);
    const rows = this.#withRoom(from, length);
    let [before, next] = [from - 1, added.length - 1];
    for (let to = length - 1; next >= 0; to--) {
      const takeOld = before >= 0 && times[rows[before]] > times[added[next]];
      rows[to] = takeOld ? rows[before--] : added[next--];
    }
    this.#rows = rows;
  }

  #withRoom(from: number, length: number): Uint32Array {
    if (this.#rows !== undefined && this.#rows.length >= length) return this.#rows;
    const rows = new Uint32Array(Math.ceil(length * 1.5));
    if (this.#rows === undefined) for (let row = 0; row < from; row++) rows[row] = row;
    else rows.set(this.#rows.subarray(0, from));
    return rows;
  }
}
