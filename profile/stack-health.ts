/**
 * How stacks ended, in total and per process: which share reached the root of its thread, and why and in whose code the
 * others did not.
 */
import { STACK_LOST } from './names';
import type { Profile } from './profile';
import { FrameKind, NONE, type StackIndex } from './schema';
import { U32List } from './u32-list';
import type { StackWeights } from './weights';

export interface StackFailure {
  /** Why unwinding stopped, such as 'no frame pointer'; STACK_LOST where a sample came without a stack. */
  readonly reason: string;
  /** The file in whose code it stopped; '' where the reason is not one of a file. */
  readonly module: string;
  readonly samples: number;
}

export interface ProcessHealth {
  readonly pid: number;
  /** Of the newest program image among those with samples. */
  readonly name: string;
  readonly samples: number;
  readonly brokenSamples: number;
  /** Most frequent first. */
  readonly failures: readonly StackFailure[];
}

export interface StackHealth {
  readonly samples: number;
  readonly brokenSamples: number;
  /** Most frequent first. */
  readonly failures: readonly StackFailure[];
  /** With broken stacks, most of them first; at most MAX_PROCESSES. */
  readonly processes: readonly ProcessHealth[];
  /** All that have broken stacks. */
  readonly brokenProcesses: number;
}

export const MAX_PROCESSES = 100;

/**
 * The end of each stack of a profile: the frame of kind Stop at its root, NONE for whole ones. Stacks never change, so
 * each is looked at once.
 */
export class StackEnds {
  readonly profile: Profile;
  readonly #ends = new U32List();

  constructor(profile: Profile) {
    this.profile = profile;
  }

  /** By stack: its Stop frame, or NONE. As of the call, longer than needed, and not to be kept. */
  all(): Uint32Array {
    const { parent, frame } = this.profile.stacks.columns;
    const { kind } = this.profile.frames.columns;
    for (let stack: StackIndex = this.#ends.length; stack < this.profile.stacks.length; stack++) {
      const caller = parent[stack];
      const own = kind[frame[stack]] === FrameKind.Stop ? frame[stack] : NONE;
      this.#ends.push(caller === NONE || own !== NONE ? own : this.#ends.values[caller]);
    }
    return this.#ends.values;
  }

  /** Forgets them: they are soon found again. */
  trim(): void {
    this.#ends.clear();
    this.#ends.trim();
  }
}

/** The health of the stacks that `weights` has. It costs one look at each of its entries. */
export function stackHealth(ends: StackEnds, weights: StackWeights): StackHealth {
  const { profile } = ends;
  const endOf = ends.all();
  const { pid } = profile.processes.columns;
  const total = new Sums();
  const byPid = new Map<number, Sums>();
  for (let i = 0; i < weights.length; i++) {
    const samples = weights.samples[i];
    if (samples === 0) continue;
    const stack = weights.stack[i];
    const end = stack === NONE ? LOST : endOf[stack];
    const process = weights.process[i];
    let own = byPid.get(pid[process]);
    if (own === undefined) {
      own = new Sums();
      byPid.set(pid[process], own);
    }
    own.newest = Math.max(own.newest, process);
    own.add(end, samples);
    total.add(end, samples);
  }
  const broken = Array.from(byPid)
    .filter(([, { brokenSamples }]) => brokenSamples > 0)
    .sort(([a, x], [b, y]) => y.brokenSamples - x.brokenSamples || a - b);
  return {
    samples: total.samples,
    brokenSamples: total.brokenSamples,
    failures: total.failures(profile),
    processes: broken.slice(0, MAX_PROCESSES).map(([id, sums]) => ({
      pid: id,
      name: profile.string(profile.processes.columns.name[sums.newest]),
      samples: sums.samples,
      brokenSamples: sums.brokenSamples,
      failures: sums.failures(profile),
    })),
    brokenProcesses: broken.length,
  };
}

/** Like an end, where the stack itself is missing: no frame has this index. */
const LOST = NONE - 1;

class Sums {
  samples = 0;
  brokenSamples = 0;
  /** The newest of the process's program images. */
  newest = 0;
  readonly #byEnd = new Map<number, number>();

  add(end: number, samples: number): void {
    this.samples += samples;
    if (end === NONE) return;
    this.brokenSamples += samples;
    this.#byEnd.set(end, (this.#byEnd.get(end) ?? 0) + samples);
  }

  failures(profile: Profile): StackFailure[] {
    const { functionName } = profile.frames.columns;
    return Array.from(this.#byEnd, ([end, samples]) => ({
      ...(end === LOST
        ? { reason: STACK_LOST, module: '' }
        : parseStop(profile.string(functionName[end]))),
      samples,
    })).sort((a, b) => b.samples - a.samples || (stopKey(a) < stopKey(b) ? -1 : 1));
  }
}

const stopKey = ({ reason, module }: StackFailure): string => `${reason}\0${module}`;

/** `[unwinding stopped: REASON in MODULE]`, `[REASON]` */
function parseStop(text: string): { readonly reason: string; readonly module: string } {
  const [, reason = text, module = ''] =
    /^\[(?:unwinding stopped: )?(.*?)(?: in (.*))?\]$/s.exec(text) ?? [];
  return { reason, module };
}
