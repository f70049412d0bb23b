/** When to compute: soon, but a few times a second at most, never ahead of the page, and leaving time for the rest. */

const MIN_INTERVAL_MS = 190;

export type Urgency = 'soon' | 'now';

export class UpdatePace {
  readonly #compute: () => boolean;
  #isStarted = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextAtMs = 0;
  /** The page has not taken the last result yet; what changes meanwhile is in the next. */
  #isUntaken = false;
  #due: Urgency | undefined;

  /** `compute` says whether there was anything new. */
  constructor(compute: () => boolean) {
    this.#compute = compute;
  }

  /** There is something to compute from, or more of it. */
  start(): void {
    const isFirst = !this.#isStarted;
    this.#isStarted = true;
    this.request(isFirst ? 'now' : 'soon');
  }

  /** Something has changed. 'now' is for what the user did. Before the start it means nothing. */
  request(urgency: Urgency): void {
    if (!this.#isStarted) return;
    if (this.#isUntaken) {
      if (this.#due !== 'now') this.#due = urgency;
      return;
    }
    if (urgency === 'now') {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#nextAtMs = 0;
    }
    this.#timer ??= setTimeout(this.#run, Math.max(0, this.#nextAtMs - performance.now()));
  }

  /** The page has taken the last result. */
  taken(): void {
    this.#isUntaken = false;
    const due = this.#due;
    this.#due = undefined;
    if (due !== undefined) this.request(due);
  }

  readonly #run = (): void => {
    this.#timer = undefined;
    const startMs = performance.now();
    this.#isUntaken = this.#compute();
    const tookMs = performance.now() - startMs;
    // No more than half of the time: chunks have to be taken in as well.
    this.#nextAtMs = startMs + Math.max(MIN_INTERVAL_MS, tookMs * 2);
  };
}
