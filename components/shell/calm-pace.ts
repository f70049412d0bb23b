/** When numbers that are read, not watched, are shown anew: seldom enough to be read, but at once after what the user did. */

/** How often. What changes four times a second can't be read, and costs as much as the flame graph itself. */
const SHOWN_EVERY_MS = 1000;
/** So long after the key has changed everything is shown as it comes: the answer may take a moment. */
const QUICK_MS = 1000;

export class CalmPace<T> {
  #shown: { readonly value: T } | undefined;
  #key: readonly unknown[] = [];
  #shownAtMs = 0;
  #quickUntilMs = 0;

  /**
   * What to show of a value that is `newest` now. `key`: what the user chose; where one of it changes, so does what is
   * shown. `isCalm`: false to show all as it comes.
   */
  show(newest: T, key: readonly unknown[], isCalm: boolean, nowMs: number): T {
    const isSameKey =
      key.length === this.#key.length && key.every((one, i) => one === this.#key[i]);
    if (!isSameKey) this.#quickUntilMs = nowMs + QUICK_MS;
    this.#key = key;
    if (this.#shown !== undefined && this.#shown.value === newest) return newest;
    const isQuick = this.#shown === undefined || !isCalm || nowMs < this.#quickUntilMs;
    if (!isQuick && this.dueInMs(nowMs) > 0) return (this.#shown as { readonly value: T }).value;
    this.#shown = { value: newest };
    this.#shownAtMs = nowMs;
    return newest;
  }

  /** In how many milliseconds the newest value is to be shown, if no newer one comes before. */
  dueInMs(nowMs: number): number {
    // A little early: updates come at a pace of their own, and just missing one means waiting for the next.
    return Math.max(0, this.#shownAtMs + SHOWN_EVERY_MS * 0.9 - nowMs);
  }
}
