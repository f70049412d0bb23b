/** The user stacks of a profile, and what can be said of them: how many are complete, and whether known calls are in them. */
import { hasName } from '@/profile/names';
import type { Profile } from '@/profile/profile';
import { type FrameIndex, FrameKind, NONE, type StackIndex } from '@/profile/schema';

export interface UserFrame {
  /** Function name; '' where it is not known. */
  readonly name: string;
  /** Path of the file that the code is from. */
  readonly module: string;
}

export interface UserStack {
  /** From the root; functions that were inlined are left out. */
  readonly frames: readonly UserFrame[];
  /** Why the stack does not go to its root; undefined where it does. */
  readonly stop: string | undefined;
  readonly samples: number;
}

/** `count` of `of`, and the least share that this is compatible with. */
export interface ShareBound {
  readonly count: number;
  readonly of: number;
  /** Of Wilson's score interval, at Z standard errors. */
  readonly lowerBound: number;
}

/** Standard errors between a share that was measured and its bound: one in 740 bounds is above the true share. */
const Z = 3;

/** The lower bound of a share that was found to be `count` of `of`; 0 for nothing of nothing. Source: Wilson, 1927. */
export function shareBound(count: number, of: number): ShareBound {
  if (of === 0) return { count, of, lowerBound: 0 };
  const share = count / of;
  const centre = share + Z ** 2 / (2 * of);
  const spread = Z * Math.sqrt((share * (1 - share)) / of + Z ** 2 / (4 * of ** 2));
  return { count, of, lowerBound: (centre - spread) / (1 + Z ** 2 / of) };
}

/**
 * The user stacks of the samples from these processes in [fromNs, toNs) of CLOCK_MONOTONIC. Samples that have none are
 * counted as a stack without frames.
 */
export function userStacks(
  profile: Profile,
  pids: ReadonlySet<number>,
  fromNs = 0,
  toNs = Number.POSITIVE_INFINITY,
): UserStack[] {
  const { samples, threads, processes } = profile;
  const counts = new Map<StackIndex, number>();
  for (let i = 0; i < samples.length; i++) {
    const timeNs = samples.columns.timeNs[i];
    if (timeNs < fromNs || timeNs >= toNs) continue;
    const pid = processes.columns.pid[threads.columns.process[samples.columns.thread[i]]];
    if (!pids.has(pid)) continue;
    const stack = samples.columns.stack[i];
    counts.set(stack, (counts.get(stack) ?? 0) + 1);
  }
  return Array.from(counts, ([stack, count]) => readStack(profile, stack, count));
}

function readStack(profile: Profile, stack: StackIndex, samples: number): UserStack {
  const frames: UserFrame[] = [];
  let stop = stack === NONE ? 'no stack' : undefined;
  for (let at = stack; at !== NONE; at = profile.stacks.columns.parent[at]) {
    const frame = physicalFrame(profile, profile.stacks.columns.frame[at]);
    const { functionName } = profile.frames.columns;
    const name = hasName(profile, frame) ? textOf(profile, functionName[frame]) : '';
    const kind = profile.frames.columns.kind[frame];
    if (kind === FrameKind.Stop) stop = name;
    else if (kind !== FrameKind.Kernel) {
      const mapping = profile.frames.columns.mapping[frame];
      const module =
        mapping === NONE ? '' : textOf(profile, profile.mappings.columns.path[mapping]);
      frames.push({ name, module });
    }
  }
  return { frames: frames.reverse(), stop, samples };
}

/** The function that is really there, of a chain of functions that were inlined into each other. */
function physicalFrame(profile: Profile, innermost: FrameIndex): FrameIndex {
  let frame = innermost;
  for (let outer = frame; outer !== NONE; outer = profile.frames.columns.inlinedInto[frame]) {
    frame = outer;
  }
  return frame;
}

const textOf = (profile: Profile, index: number): string =>
  index === NONE ? '' : profile.string(index);

/** The share of samples whose stack goes to its root. */
export function completeShare(stacks: readonly UserStack[]): ShareBound {
  return shareOf(stacks, ({ stop }) => stop === undefined);
}

/** The share of samples that fulfil `holds`. */
export function shareOf(
  stacks: readonly UserStack[],
  holds: (stack: UserStack) => boolean,
): ShareBound {
  let count = 0;
  let of = 0;
  for (const stack of stacks) {
    of += stack.samples;
    if (holds(stack)) count += stack.samples;
  }
  return shareBound(count, of);
}

/** Why stacks end before their root, with the samples of each reason and the function in which it happened; most first. */
export function brokenStacks(stacks: readonly UserStack[]): [reason: string, samples: number][] {
  const reasons = new Map<string, number>();
  for (const { stop, frames, samples } of stacks) {
    if (stop === undefined) continue;
    const reason = `${stop} below ${frames[0]?.name || frames[0]?.module || 'nothing'}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + samples);
  }
  return [...reasons].sort(([, a], [, b]) => b - a);
}

/** Callers before callees; `...` stands for any frames between its neighbours. */
export type CallChain = readonly string[];

/** What is known of a program's calls, and how often its stacks say the same. */
export interface KnownCalls {
  /** Of the samples with a function in them that ends a chain: those in which the whole chain is, or another that ends there. */
  readonly whole: ShareBound;
  /** Samples of each chain, in the order of the chains. */
  readonly seen: readonly number[];
}

export function knownCalls(stacks: readonly UserStack[], chains: readonly CallChain[]): KnownCalls {
  const last = new Set(chains.map((chain) => chain[chain.length - 1]));
  const seen = chains.map(() => 0);
  const concerned = stacks.filter(({ frames }) =>
    frames.some(({ name }) => last.has(plainName(name))),
  );
  const whole = shareOf(concerned, (stack) => {
    const found = chains.map((chain) => hasCalls(stack, chain));
    found.forEach((isFound, i) => {
      if (isFound) seen[i] += stack.samples;
    });
    return found.includes(true);
  });
  return { whole, seen };
}

/**
 * Whether the calls are in the stack, in this order and with nothing between them, up to the innermost. Names match
 * without what demanglers put behind them.
 */
export function hasCalls(stack: UserStack, chain: CallChain): boolean {
  const names = stack.frames.map(({ name }) => plainName(name));
  const isAt = (from: number, link: number): boolean => {
    if (link === chain.length) return true;
    if (chain[link] === '...') {
      for (let at = from; at < names.length; at++) if (isAt(at, link + 1)) return true;
      return false;
    }
    return names[from] === chain[link] && isAt(from + 1, link + 1);
  };
  return names.some((_, from) => isAt(from, 0));
}

/**
 * A function's name without return type, parameters, template arguments, versions, clone suffixes (`.constprop.0`),
 * Rust's hashes, and what says that it is a thunk, so that names from different demanglers can be compared.
 */
export function plainName(name: string): string {
  let plain = '';
  let depth = 0;
  for (const character of name
    .replace(/\(anonymous namespace\)/g, 'anonymous')
    .replace(/@.*/, '')
    .replace(/^(non-virtual|virtual) thunk to |^\{virtual override thunk\(\{[^}]*\}, /, '')
    .replace(/operator(<<|>>|<=>|<|>|\(\))/g, 'operator')) {
    if (character === '(' && depth === 0 && plain !== '' && !plain.endsWith(' ')) break;
    if (character === '<') depth++;
    else if (character === '>') depth--;
    else if (depth === 0) plain += character;
  }
  plain = plain
    .replace(/(::)+/g, '::')
    .replace(/(\.(constprop|isra|part|cold|lto_priv)\b.*|::h[0-9a-f]{16})$/, '');
  return plain.slice(plain.lastIndexOf(' ') + 1);
}

/** The functions at the roots of complete stacks, with their samples. A process that is not in its program yet has none. */
export function rootFunctions(stacks: readonly UserStack[]): Map<string, number> {
  const roots = new Map<string, number>();
  for (const { stop, frames, samples } of stacks) {
    if (stop !== undefined || frames.length === 0) continue;
    const name = plainName(frames[0].name) || frames[0].module;
    roots.set(name, (roots.get(name) ?? 0) + samples);
  }
  return roots;
}
