/** What was lost, by reason: counted by BPF, and by the agent itself. */
import type { Loss } from '@/profile/chunk';
import { LOSS_REASONS } from '@/profile/status';

/** Since the start, by reason. Reasons that are not named have lost nothing. */
type Counts = Readonly<Record<string, number>>;

/** Reading the counters takes longer than cutting a chunk. */
const READ_EVERY_NS = 0.9e9;

export class LossLedger {
  readonly #read: () => readonly Counts[];
  readonly #own = { 'stack-unknown': 0, 'mapping-event-ring-full': 0 };
  #reported: Counts = {};
  #readNs = 0;

  /** `read`: the counters of others. */
  constructor(read: () => readonly Counts[]) {
    this.#read = read;
  }

  /** As of the last reading. */
  get total(): Counts {
    return this.#reported;
  }

  count(reason: 'stack-unknown' | 'mapping-event-ring-full', count = 1): void {
    this.#own[reason] += count;
  }

  /** Those since the last reading; none before it is time for the next, unless they are the last. */
  take(nowNs: number, isLast: boolean): Loss[] {
    if (!isLast && nowNs - this.#readNs < READ_EVERY_NS) return [];
    this.#readNs = nowNs;
    const before = this.#reported;
    const counts = [...this.#read(), this.#own as Counts];
    this.#reported = Object.fromEntries(
      Object.keys(LOSS_REASONS).map((reason) => [
        reason,
        counts.reduce((sum, of) => sum + (of[reason] ?? 0), 0),
      ]),
    );
    return Object.entries(this.#reported)
      .map(([reason, count]) => ({ reason, count: count - (before[reason] ?? 0) }))
      .filter(({ count }) => count > 0);
  }
}
