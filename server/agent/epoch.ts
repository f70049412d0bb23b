/** One profile's tables, all that holds indices into them, and when it is time to begin new ones. */
import { ProfileBuilder } from '@/profile/builder';
import type { Processes } from './processes';
import { Rows } from './rows';
import { Stacks } from './stacks';

/** How old tables are when they have what goes on all the time; what comes later is mostly of processes that come and go. */
const SETTLED_NS = 60e9;
/** Smaller ones are never begun anew, in the units of `Profile.size`. */
const BOUNDED_FROM = 50_000;
const MAX_STACKS = 120_000;
const MAX_FRAMES = 60_000;
const MAX_THREADS = 100_000;
/** Each process has stacks of its own in the kernel's eyes; on a machine that starts many, they are the most. */
const MAX_RAW_STACKS = 150_000;

export class Epoch {
  readonly builder = new ProfileBuilder();
  readonly cpuType = this.builder.sampleType('cpu', 'nanoseconds');
  readonly rows = new Rows(this.builder);
  readonly stacks: Stacks;
  readonly #growth: Growth;

  constructor(
    processes: Processes,
    kernel: { readonly textStart: number; readonly buildId: string },
    nowNs: number,
  ) {
    this.stacks = new Stacks(this.builder, processes, kernel);
    this.#growth = new Growth(nowNs);
  }

  /** To be asked at each tick: whether new tables are to be begun, so that memory stays level. */
  isTooLarge(nowNs: number): boolean {
    const { profile } = this.builder;
    return (
      this.#growth.hasDoubled(profile.size + this.stacks.size, nowNs) ||
      profile.stacks.length > MAX_STACKS ||
      profile.frames.length > MAX_FRAMES ||
      profile.threads.length > MAX_THREADS ||
      this.stacks.size > MAX_RAW_STACKS
    );
  }
}

/** Tells when tables hold mostly what has ended: when they have doubled since they had settled. */
export class Growth {
  readonly #beganNs: number;
  #settledSize: number | undefined;

  constructor(nowNs: number) {
    this.#beganNs = nowNs;
  }

  /** `size`: now. While the tables settle, the answer is no. */
  hasDoubled(size: number, nowNs: number): boolean {
    if (this.#settledSize === undefined || nowNs - this.#beganNs < SETTLED_NS)
      this.#settledSize = size;
    return size > Math.max(BOUNDED_FROM, 2 * this.#settledSize);
  }
}
