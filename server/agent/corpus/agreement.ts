/** Whether two profilers that watched the same program at the same time say the same of it. */
import type { UserFrame, UserStack } from './user-stacks';

/** One function's inclusive time, as a share of all samples of each profiler. */
export interface Opinion {
  readonly name: string;
  readonly share: number;
  readonly otherShare: number;
  /** The difference of the two in its own standard errors. */
  readonly standardErrors: number;
}

/** The name under which both profilers know a function; '' where there is none. */
export type NameOf = (frame: UserFrame) => string;

/**
 * The stacks as far as an unwinder sees them that goes by tables alone: JIT compilers write none, so the callers of their
 * code are hidden from it.
 */
export function seenByTables(stacks: readonly UserStack[]): UserStack[] {
  return stacks.map((stack) => {
    const last = stack.frames.findLastIndex(({ module }) => module.startsWith('[anon'));
    return { ...stack, frames: stack.frames.slice(last + 1) };
  });
}

/** Samples in which each function is; functions without a name are left out. */
function inclusiveSamples(
  stacks: readonly UserStack[],
  nameOf: NameOf,
): { samples: number; byName: Map<string, number> } {
  const byName = new Map<string, number>();
  let samples = 0;
  for (const stack of stacks) {
    samples += stack.samples;
    const names = new Set(stack.frames.map(nameOf));
    names.delete('');
    for (const name of names) byName.set(name, (byName.get(name) ?? 0) + stack.samples);
  }
  return { samples, byName };
}

/**
 * The `count` functions with most inclusive time by the first profiler, and what the second says of them.
 */
export function compareProfilers(
  stacks: readonly UserStack[],
  others: readonly UserStack[],
  count: number,
  nameOf: NameOf,
): Opinion[] {
  const one = inclusiveSamples(stacks, nameOf);
  const other = inclusiveSamples(others, nameOf);
  return [...one.byName]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, samples]) => {
      const share = samples / one.samples;
      const otherShare = (other.byName.get(name) ?? 0) / other.samples;
      // Of the share under the assumption that there is one: with it, a share of 0 or 1 has an error as well.
      const pooled =
        (samples + (other.byName.get(name) ?? 0) + 1) / (one.samples + other.samples + 2);
      const error = Math.sqrt(pooled * (1 - pooled) * (1 / one.samples + 1 / other.samples));
      return { name, share, otherShare, standardErrors: Math.abs(share - otherShare) / error };
    });
}
