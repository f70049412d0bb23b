/** The tables that are filled now, and those before as long as samples may name stacks that only they know. */
import { Merger } from '@/profile/merge';
import { NONE, type StackIndex } from '@/profile/schema';
import { Epoch } from './epoch';
import type { KernelText } from './kernel-text';
import type { Processes } from './processes';
import type { StackId } from './record-reader';
import type { Stacks } from './stacks';

/** Readings of the ring after which it holds no sample from before the new tables. */
const KEPT_TICKS = 2;

interface Previous {
  readonly stacks: Stacks;
  readonly translate: Merger;
  readonly endNs: number;
  ticksLeft: number;
}

export class Epochs {
  readonly #processes: Processes;
  readonly #kernel: KernelText;
  #current: Epoch;
  #previous: Previous | undefined;

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
    const { stacks, builder } = this.#current;
    const known = stacks.combine(kernel, user);
    if (known !== undefined || this.#previous === undefined) return known;
    const { stacks: before, translate } = this.#previous;
    // Of a wait, the kernel's part may have been sent for the old tables, and the user's for the new ones.
    const frames =
      stacks.kernel(kernel) ?? before.kernel(kernel)?.map((frame) => translate.frame(frame));
    let stack = stacks.user(user) ?? translated(before.user(user), translate);
    if (frames === undefined || stack === undefined) return undefined;
    for (const frame of frames) stack = builder.stack(stack, frame);
    return stack;
  }

  /**
   * To be called at each tick. Begins new tables where the old ones have grown too large: whether all stacks must be sent again.
   * `namedForNs`: how long after it was sent a stack may still be named by something else than samples in the ring.
   */
  bound(nowNs: number, namedForNs = 0): boolean {
    const previous = this.#previous;
    if (previous !== undefined && --previous.ticksLeft <= 0 && nowNs - previous.endNs >= namedForNs)
      this.#previous = undefined;
    const epoch = this.#current;
    if (!epoch.isTooLarge(nowNs)) return false;
    this.#current = new Epoch(this.#processes, this.#kernel, nowNs);
    // Samples that are in the ring already name stacks that were sent for the old tables.
    const translate = new Merger(this.#current.builder, epoch.builder.profile);
    this.#previous = { stacks: epoch.stacks, translate, endNs: nowNs, ticksLeft: KEPT_TICKS };
    return true;
  }
}

const translated = (stack: StackIndex | undefined, translate: Merger): StackIndex | undefined =>
  stack === undefined || stack === NONE ? stack : translate.stack(stack);
