/** Who will probably wake a thread that is blocked: whoever ended most of the waits like this one before. */
import { frameName } from './names';
import type { Profile } from './profile';
import { FrameKind, NONE, type StackIndex, ThreadState } from './schema';

/** A wait that goes on. */
export interface OpenWait {
  readonly pid: number;
  readonly tid: number;
  /** Functions of the kernel, from the root: where it sleeps. */
  readonly kernelStack: readonly string[];
}

/** Which waits a guess is made from: the nearest kind of which there are any. */
export type WakerBasis =
  /** Of the same thread, at the same place in the kernel. */
  | 'same-place'
  /** Of other threads of its process, at the same place. */
  | 'same-process'
  /** Of the same thread, wherever it waited. */
  | 'same-thread';

export type Waker =
  | {
      readonly kind: 'thread';
      readonly pid: number;
      readonly tid: number;
      readonly process: string;
      readonly thread: string;
    }
  /** A timer, a disk, a network card. */
  | { readonly kind: 'interrupt' };

export interface ProbableWaker {
  readonly waker: Waker;
  /** Of the waits that the guess is made from, 0..1; those whose end nobody saw are among them. */
  readonly share: number;
  /** How many these are, as those that were drawn stand for. */
  readonly waits: number;
  readonly basis: WakerBasis;
}

/** How many waits were ended by whom, by thread (-1: an interrupt, -2: not known). */
type Tally = Map<number, number>;
/** By thread or process. */
type Tallies = Map<number, Tally>;
const INTERRUPT = -1;
const UNKNOWN = -2;
const TIDS = 2 ** 32;

/** One for each of `open`, undefined where no wait is known that tells anything. */
export function probableWakers(
  profile: Profile,
  open: readonly OpenWait[],
): (ProbableWaker | undefined)[] {
  if (open.length === 0) return [];
  const { thread, stack, weight, durationNs, waitClass, wakerThread, wakerStack } =
    profile.waits.columns;
  const threadOf = threadNumbers(profile);
  const pidOf = (row: number): number => Math.floor(threadOf[row] / TIDS);
  const places = new Places(profile, open);
  const wantedThreads = new Set(open.map(numberOf));
  const wantedPids = new Set(open.map(({ pid }) => pid));
  const byThread: Tallies = new Map();
  const threadsByPlace = Array.from({ length: places.count }, (): Tallies => new Map());
  const processesByPlace = Array.from({ length: places.count }, (): Tallies => new Map());
  for (let row = 0; row < profile.waits.length; row++) {
    if (waitClass[row] <= ThreadState.Throttled || durationNs[row] <= 0) continue;
    const number = threadOf[thread[row]];
    const pid = pidOf(thread[row]);
    if (!wantedPids.has(pid)) continue;
    const waker =
      wakerThread[row] !== NONE
        ? threadOf[wakerThread[row]]
        : wakerStack[row] === NONE
          ? UNKNOWN
          : INTERRUPT;
    const waits = weight[row] / durationNs[row];
    if (wantedThreads.has(number)) add(byThread, number, waker, waits);
    const place = places.of(stack[row]);
    if (place === NONE) continue;
    add(processesByPlace[place], pid, waker, waits);
    if (wantedThreads.has(number)) add(threadsByPlace[place], number, waker, waits);
  }
  const lastRow = new Map<number, number>();
  for (let row = 0; row < threadOf.length; row++) lastRow.set(threadOf[row], row);
  return open.map((wait) => {
    const place = places.ofWait(wait);
    const number = numberOf(wait);
    const found =
      likeliest(threadsByPlace[place].get(number), 'same-place') ??
      likeliest(processesByPlace[place].get(wait.pid), 'same-process') ??
      likeliest(byThread.get(number), 'same-thread');
    if (found === undefined) return undefined;
    const { waker, ...rest } = found;
    if (waker === INTERRUPT) return { ...rest, waker: { kind: 'interrupt' } };
    const { process, name } = profile.threads.columns;
    const row = lastRow.get(waker) as number;
    return {
      ...rest,
      waker: {
        kind: 'thread',
        pid: Math.floor(waker / TIDS),
        tid: waker % TIDS,
        process: profile.string(profile.processes.columns.name[process[row]]),
        thread: profile.string(name[row]),
      },
    };
  });
}

const numberOf = ({ pid, tid }: OpenWait): number => pid * TIDS + tid;

/** pid and tid in one number, by row of the profile's threads. */
function threadNumbers({ threads, processes }: Profile): Float64Array {
  const { tid, process } = threads.columns;
  const { pid } = processes.columns;
  const numbers = new Float64Array(threads.length);
  for (let row = 0; row < numbers.length; row++) numbers[row] = pid[process[row]] * TIDS + tid[row];
  return numbers;
}

function add(tallies: Tallies, key: number, waker: number, waits: number): void {
  let tally = tallies.get(key);
  if (tally === undefined) {
    tally = new Map();
    tallies.set(key, tally);
  }
  tally.set(waker, (tally.get(waker) ?? 0) + waits);
}

function likeliest(
  tally: Tally | undefined,
  basis: WakerBasis,
): { waker: number; share: number; waits: number; basis: WakerBasis } | undefined {
  if (tally === undefined) return undefined;
  let [best, most, all] = [UNKNOWN, 0, 0];
  for (const [waker, waits] of tally) {
    all += waits;
    if (waker !== UNKNOWN && waits > most) [best, most] = [waker, waits];
  }
  return best === UNKNOWN ? undefined : { waker: best, share: most / all, waits: all, basis };
}

/** The places in the kernel at which threads are blocked now, by number, and which stacks of waits are at one of them. */
class Places {
  readonly #profile: Profile;
  readonly #numbers = new Map<string, number>();
  readonly #ofStack = new Map<StackIndex, number>();

  constructor(profile: Profile, open: readonly OpenWait[]) {
    this.#profile = profile;
    for (const { kernelStack } of open) {
      const text = kernelStack.join('\n');
      if (!this.#numbers.has(text)) this.#numbers.set(text, this.#numbers.size);
    }
  }

  get count(): number {
    return this.#numbers.size;
  }

  ofWait({ kernelStack }: OpenWait): number {
    return this.#numbers.get(kernelStack.join('\n')) as number;
  }

  /** NONE where nobody is blocked there now. */
  of(stack: StackIndex): number {
    const known = this.#ofStack.get(stack);
    if (known !== undefined) return known;
    const place = this.#numbers.get(this.#kernelPart(stack)) ?? NONE;
    this.#ofStack.set(stack, place);
    return place;
  }

  /** Names of the kernel's frames at the leaf of a stack, from the root. */
  #kernelPart(stack: StackIndex): string {
    const { stacks, frames } = this.#profile;
    const names: string[] = [];
    for (let at = stack; at !== NONE; at = stacks.columns.parent[at]) {
      const frame = stacks.columns.frame[at];
      if (frames.columns.kind[frame] !== FrameKind.Kernel) break;
      names.push(frameName(this.#profile, frame));
    }
    return names.reverse().join('\n');
  }
}
