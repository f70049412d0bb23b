/** The tables that are filled now, and those before as long as samples may name stacks that only they know. */
import { Merger } from '@/profile/merge';
import type { StackIndex } from '@/profile/schema';
import { Epoch } from './epoch';
import type { KernelText } from './kernel-text';
import type { Processes } from './processes';
import type { StackId } from './record-reader';

/** Readings of the ring after which it holds no sample from before the new tables. */
const KEPT_TICKS = 2;

export class Epochs {
  readonly #processes: Processes;
  readonly #kernel: KernelText;
  #current: Epoch;
  #previous: { readonly epoch: Epoch; readonly translate: Merger; ticksLeft: number } | undefined;

  constructor(processes: Processes, kernel: KernelText, nowNs: number) {
    this.#processes = processes;
    this.#kernel = kernel;
    this.#current = new Epoch(processes, kernel, nowNs);
  }

  get current(): Epoch {
    return this.#current;
  }

  /** The row of a stack in the current tables; undefined where it is not known. */
  stackOf(kernel: StackId, user: StackId): StackIndex | undefined {
    const own = combined(this.#current, kernel, user);
    if (own !== undefined || this.#previous === undefined) return own;
    const { epoch, translate } = this.#previous;
    const before = combined(epoch, kernel, user);
    return before === undefined ? undefined : translate.stack(before);
  }

  /** To be called at each tick. Begins new tables where the old ones have grown too large: whether all stacks must be sent again. */
  bound(nowNs: number): boolean {
    if (this.#previous !== undefined && --this.#previous.ticksLeft === 0)
      this.#previous = undefined;
    const epoch = this.#current;
    if (!epoch.isTooLarge(nowNs)) return false;
    this.#current = new Epoch(this.#processes, this.#kernel, nowNs);
    // Samples that are in the ring already name stacks that were sent for the old tables.
    const translate = new Merger(this.#current.builder, epoch.builder.profile);
    this.#previous = { epoch, translate, ticksLeft: KEPT_TICKS };
    return true;
  }
}

function combined({ stacks }: Epoch, kernel: StackId, user: StackId): StackIndex | undefined {
  if (!stacks.has(kernel.low, kernel.high) || !stacks.has(user.low, user.high)) return undefined;
  return stacks.combine(kernel.low, kernel.high, user.low, user.high);
}
