/** What of each node of a derived profile's tree is waiting. */
import type { CallTree } from './call-tree';
import type { DerivedMode } from './derived-profile';
import { LabelKind, type Labels } from './labels';

/** By node, 0 (on CPU) to 1 (waiting). In off-wake trees the waiter's frames wait, and those of its waker do not. */
export function waitShares(tree: CallTree, labels: Labels, mode: DerivedMode): Float32Array {
  const { length, parent, label, self, total } = tree;
  const shares = new Float32Array(length);
  if (mode === 'off-wake') {
    shares[0] = 1;
    for (let node = 1; node < length; node++)
      shares[node] = labels.kind[label[node]] === LabelKind.Waker ? 0 : shares[parent[node]];
    return shares;
  }
  const waiting = new Float64Array(length);
  for (let node = length - 1; node > 0; node--) {
    if (labels.kind[label[node]] === LabelKind.Wait) waiting[node] += self[node];
    waiting[parent[node]] += waiting[node];
  }
  for (let node = 0; node < length; node++)
    shares[node] = total[node] > 0 ? waiting[node] / total[node] : 0;
  return shares;
}
