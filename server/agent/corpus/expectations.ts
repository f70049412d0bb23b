/** What the tests ask of the corpus's stacks. */
import { expect } from 'vitest';
import {
  brokenStacks,
  type CallChain,
  completeShare,
  knownCalls,
  rootFunctions,
  shareBound,
  type UserStack,
} from './user-stacks';

const LEAST_SHARE = 0.995;
const LEAST_SEEN = 5;

/** Where threads begin, by name or, where the file has no name for it, by file: stripped programs, and coroutines in libc. */
const ROOTS = /^(_start|_dl_start_user|_{0,2}clone3?|runtime\.[\w.]+|\/.*)$/;

/** At least 99.5% of the stacks go to their root, with three standard errors to spare, and that is where threads begin. */
export function expectWhole(title: string, stacks: readonly UserStack[], roots = ROOTS): void {
  const complete = completeShare(stacks);
  const broken = brokenStacks(stacks);
  console.info(`${title}: ${complete.count} of ${complete.of} stacks are complete`, ...broken);
  expect(complete.lowerBound, JSON.stringify({ complete, broken })).toBeGreaterThan(LEAST_SHARE);
  const found = [...rootFunctions(stacks)];
  const sum = (roots: typeof found): number => roots.reduce((total, [, count]) => total + count, 0);
  const rooted = shareBound(sum(found.filter(([name]) => roots.test(name))), sum(found));
  expect(rooted.lowerBound, JSON.stringify(found)).toBeGreaterThan(LEAST_SHARE);
}

/** The known calls are in the stacks whole and in order, as often as stacks have to be complete; none is never seen. */
export function expectKnownCalls(
  title: string,
  stacks: readonly UserStack[],
  chains: readonly CallChain[],
): void {
  const { whole, seen } = knownCalls(stacks, chains);
  expect(whole.lowerBound, JSON.stringify({ title, whole })).toBeGreaterThan(LEAST_SHARE);
  const rare = chains.filter((_, i) => seen[i] < LEAST_SEEN).map((chain) => chain.join(' > '));
  expect(rare, `${title}: ${seen}`).toEqual([]);
}
