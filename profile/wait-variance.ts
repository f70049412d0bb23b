/** How far the weights of a derived profile's nodes may be from the truth, by the rule by which waits are drawn. */
import { buildCallTree } from './call-tree';
import type { FunctionTable } from './functions';
import { PairTable } from './pair-table';
import type { Profile } from './profile';
import { partWithin } from './sample-spans';
import { NONE } from './schema';
import { selectedWaits, type WaitSelection } from './waits';
import { ALL_TIME, type StackWeights } from './weights';

/** Variance of the weights, by node, in ns²; 0 where all waits were long enough to be always taken. */
export interface NodeVariance {
  readonly self: Float64Array<ArrayBuffer>;
  readonly total: Float64Array<ArrayBuffer>;
}

/**
 * Of the nodes of the tree that `buildCallTree` makes of `weights`, which are those of `selection` in a derived profile. A
 * wait of length d that is drawn with probability d / w and then weighs w adds w (w - d), times the square of the part that is
 * in the range; a sample of CPU time, which is there or not, the square of its weight. `isCut`: samples are cut at the range's
 * edges, as WindowWeights does where they have a length; else each counts whole when it ends.
 */
export function weightVariance(
  profile: Profile,
  functions: FunctionTable,
  selection: WaitSelection,
  weights: StackWeights,
  isCut: boolean,
): NodeVariance {
  const entries = new PairTable(weights.length);
  for (let entry = 0; entry < weights.length; entry++)
    entries.set(weights.process[entry], weights.stack[entry], entry);
  const ofWaits = new Float64Array(weights.length);
  const hasWaits = new Uint8Array(weights.length);
  const { timeNs, durationNs, weight, thread, stack } = profile.waits.columns;
  const { process } = profile.threads.columns;
  const { startNs, endNs } = selection.range ?? ALL_TIME;
  const range = { startNs: Math.max(startNs, profile.startNs), endNs };
  const partOf = (row: number): number =>
    isCut
      ? partWithin(timeNs[row], durationNs[row], range)
      : Number(timeNs[row] >= startNs && timeNs[row] < endNs);
  for (const row of selectedWaits(profile, { ...selection, range: undefined })) {
    const part = partOf(row);
    const entry = part === 0 ? NONE : entries.get(process[thread[row]], stack[row]);
    if (entry === NONE) continue;
    hasWaits[entry] = 1;
    ofWaits[entry] += part ** 2 * weight[row] * Math.max(0, weight[row] - durationNs[row]);
  }
  // Stacks of waits end in what was waited for: no sample of CPU time has one of them.
  const variance = ofWaits.map((sum, entry) =>
    hasWaits[entry] === 1 || weights.samples[entry] === 0
      ? sum
      : weights.weight[entry] ** 2 / weights.samples[entry],
  );
  // The same entries make the same nodes.
  const { length, process: processes, stack: stacks, samples } = weights;
  const { self, total } = buildCallTree(profile, functions, {
    length,
    process: processes,
    stack: stacks,
    weight: variance,
    samples,
  });
  return { self, total };
}
