/**
 * Keeps the memory that Hearth takes below the user's budget by the one thing that can be given up while nothing is measured less:
 * how far back live views reach.
 */

/** What live views reach back to. */
export interface History {
  /** What it takes now. */
  readonly bytes: number;
  /** What of that can be given up. */
  readonly oldBytes: number;
  /** What it may take. */
  readonly maxBytes: number;
  limitBytes(maxBytes: number): void;
}

/** To give up less does not help. */
const LEAST_BYTES = 8e6;
/** Readings, one a second: the mean of so many counts, and so many pass until what was given up is seen to be gone. */
const MEAN_OF = 15;
const SETTLING = 15;
const CALM = 60;
/** It must not lead to the next step down. */
const HEADROOM = 0.8;

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

export class MemoryBudget {
  budgetBytes: number;
  readonly #history: History;
  readonly #mostBytes: number;
  #readings: number[] = [];
  #toSkip = 0;
  #calm = 0;

  constructor(budgetBytes: number, history: History) {
    this.budgetBytes = budgetBytes;
    this.#history = history;
    this.#mostBytes = history.maxBytes;
  }

  /** Takes what Hearth uses, about once a second. Returns what was changed, in words; undefined: nothing. */
  read(usedBytes: number): string | undefined {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return undefined;
    }
    this.#readings = [...this.#readings, usedBytes].slice(-MEAN_OF);
    if (this.#readings.length < MEAN_OF) return undefined;
    const used = this.#readings.reduce((sum, bytes) => sum + bytes, 0) / MEAN_OF;
    const { bytes, oldBytes, maxBytes } = this.#history;
    if (used > this.budgetBytes) {
      this.#calm = 0;
      // Else what takes the memory is something else.
      if (oldBytes < LEAST_BYTES) return undefined;
      this.#limitHistory(bytes - oldBytes / 2);
      return `live views hold ${mb(this.#history.maxBytes)} at most, and go back less far: Hearth took ${mb(used)} of memory, the budget is ${mb(this.budgetBytes)}`;
    }
    const hasRoom = maxBytes < this.#mostBytes && used + maxBytes < this.budgetBytes * HEADROOM;
    this.#calm = hasRoom ? this.#calm + 1 : 0;
    if (this.#calm < CALM) return undefined;
    this.#limitHistory(Math.min(this.#mostBytes, maxBytes * 2));
    return `live views hold ${mb(this.#history.maxBytes)} at most, and go back further: Hearth took ${mb(used)} of memory, the budget is ${mb(this.budgetBytes)}`;
  }

  #limitHistory(bytes: number): void {
    this.#history.limitBytes(Math.round(bytes));
    this.#readings = [];
    this.#toSkip = SETTLING;
    this.#calm = 0;
  }
}
