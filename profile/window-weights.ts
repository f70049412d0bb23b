/**
 * The weights of a window of time that moves, such as the last 60 s, four times a second: samples that come into the
 * window are added and those that leave it taken away, so that a step costs what has changed.
 */
import type { SampleOrder } from './sample-order';
import { partWithin, type SampleSpans } from './sample-spans';
import type { TimeRange } from './view';
import { ALL_TIME, type Selection, type StackWeights, WeightSums } from './weights';

const NOTHING: TimeRange = {
  startNs: Number.POSITIVE_INFINITY,
  endNs: Number.POSITIVE_INFINITY,
};

interface Part {
  /** Of the profile's samples, forgotten ones included. */
  readonly row: number;
  readonly weight: number;
  readonly samples: number;
}

export class WindowWeights {
  readonly #order: SampleOrder;
  readonly #sums: WeightSums;
  #range: TimeRange = NOTHING;
  /** Rows of the profile, forgotten ones included, that were there at the last move. */
  #seenRows = 0;
  /** What the sums have more, or less, for samples with a length that cross the range's edges. */
  #parts: Part[] = [];

  /** Of `selection` all but the range. Make a new one for another selection, or another profile. */
  constructor(order: SampleOrder, selection: Selection) {
    this.#order = order;
    this.#sums = new WeightSums(order.profile, selection);
  }

  /**
   * Moves the window, forwards or back, and takes in what was added to the profile. The answer is the sum of exactly
   * the samples of `range` (undefined: of all time), of those with a length of the part that is in it; it changes in place with
   * the next move. Samples that the order has forgotten still count in a window that goes on containing them, such as one since
   * the start.
   */
  move(range: TimeRange = ALL_TIME): StackWeights {
    const order = this.#order;
    order.update();
    const rows = order.forgottenRows + order.length;
    const { startNs, endNs } = this.#range;
    if (rows === this.#seenRows && range.startNs === startNs && range.endNs === endNs)
      return this.#sums;
    const seen = Math.max(0, this.#seenRows - order.forgottenRows);
    this.#seenRows = rows;
    if (this.#cannotStep(range)) {
      this.#sums.clear();
      this.#range = NOTHING;
    } else this.#takeBack();
    this.#parts = [];
    this.#addNew(seen);
    this.#step(range);
    this.#range = range;
    if (order.spans !== undefined) this.#cut(order.spans, range);
    return this.#sums;
  }

  #takeBack(): void {
    const { forgottenRows } = this.#order;
    for (const { row, weight, samples } of this.#parts)
      this.#sums.addPart(row - forgottenRows, -weight, -samples);
  }

  /** Takes away what is before the range of samples that end in it, and adds what is in it of those that end later. */
  #cut(spans: SampleSpans, range: TimeRange): void {
    const order = this.#order;
    const { timeNs, weight } = order.profile.samples.columns;
    const after = order.firstAt(range.endNs);
    // Nothing is before all of time.
    const first = Number.isFinite(range.startNs) ? order.firstAt(range.startNs) : after;
    for (let position = first; position < order.length; position++) {
      const row = order.rowAt(position);
      const beganNs = timeNs[row] - spans.at(row);
      const isAfter = position >= after;
      if (isAfter ? beganNs >= range.endNs : beganNs >= range.startNs) continue;
      const inside = partWithin(timeNs[row], spans.at(row), range);
      // It has no length, or the range has none.
      if (isAfter ? inside === 0 : spans.at(row) <= 0) continue;
      const insideNs = Math.round(weight[row] * inside);
      const part = {
        row: row + order.forgottenRows,
        weight: isAfter ? insideNs : insideNs - weight[row],
        samples: isAfter ? 1 : 0,
      };
      this.#sums.addPart(row, part.weight, part.samples);
      this.#parts.push(part);
    }
  }

  /** Gives back the room for more. */
  trim(): void {
    this.#sums.trim();
  }

  /** Whether what has to leave is no longer there to be taken away, or most of the window is another. */
  #cannotStep({ startNs, endNs }: TimeRange): boolean {
    const old = this.#range;
    const { forgottenRows } = this.#order;
    if (this.#parts.some(({ row }) => row < forgottenRows)) return true;
    if (startNs >= old.endNs || endNs <= old.startNs) return true;
    const forgotten = this.#order.forgottenUntilNs;
    return (
      (startNs > old.startNs && forgotten >= old.startNs) ||
      (endNs < old.endNs && forgotten >= endNs)
    );
  }

  /** Rows that came since the last move, and belong into the window where it still stands. */
  #addNew(seen: number): void {
    const times = this.#order.profile.samples.columns.timeNs;
    const { startNs, endNs } = this.#range;
    for (let row = seen; row < this.#order.length; row++) {
      if (times[row] >= startNs && times[row] < endNs) this.#sums.add(row);
    }
  }

  #step(to: TimeRange): void {
    const from = this.#range === NOTHING ? { startNs: to.startNs, endNs: to.startNs } : this.#range;
    this.#apply(to.startNs, Math.min(from.startNs, to.endNs), true);
    this.#apply(from.startNs, Math.min(to.startNs, from.endNs), false);
    this.#apply(Math.max(from.endNs, to.startNs), to.endNs, true);
    this.#apply(Math.max(to.endNs, from.startNs), from.endNs, false);
  }

  /** Adds or takes away the samples of [startNs, endNs), none where that is empty. */
  #apply(startNs: number, endNs: number, isAdded: boolean): void {
    if (!(startNs < endNs)) return;
    const end = this.#order.firstAt(endNs);
    for (let position = this.#order.firstAt(startNs); position < end; position++) {
      const row = this.#order.rowAt(position);
      if (isAdded) this.#sums.add(row);
      else this.#sums.subtract(row);
    }
  }
}
