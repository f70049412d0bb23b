/** What of each node of a derived profile's tree is waiting. */
import type { CallTree } from './call-tree';
import type { DerivedMode } from './derived-profile';
import { LabelKind, type Labels } from './labels';
import { ThreadState, WAIT_NAMES } from './schema';

/** By node, 0 to 1. */
export interface WaitShares {
  /** Of the node's time, what was not on a CPU. */
  readonly waiting: Float32Array;
  /** What of that waited for a CPU, or for the quota of one. */
  readonly runnable: Float32Array;
}

const RUNNABLE: ReadonlySet<string> = new Set([
  WAIT_NAMES[ThreadState.Runnable],
  WAIT_NAMES[ThreadState.Throttled],
]);

const known = new WeakMap<CallTree, WaitShares>();

/** Of a tree whose mode is `mode`; worked out once. In off-wake trees the waiter's frames wait, and those of its waker do not. */
export function waitShares(tree: CallTree, labels: Labels, mode: DerivedMode): WaitShares {
  let shares = known.get(tree);
  if (shares === undefined) {
    shares = workOut(tree, labels, mode);
    known.set(tree, shares);
  }
  return shares;
}

function workOut(tree: CallTree, labels: Labels, mode: DerivedMode): WaitShares {
  const { length, parent, label, self, total } = tree;
  const shares = new Float32Array(length);
  const runnable = new Float32Array(length);
  if (mode === 'off-wake') {
    shares[0] = 1;
    for (let node = 1; node < length; node++)
      shares[node] = labels.kind[label[node]] === LabelKind.Waker ? 0 : shares[parent[node]];
    return { waiting: shares, runnable };
  }
  const waiting = new Float64Array(length);
  const forCpu = new Float64Array(length);
  for (let node = length - 1; node > 0; node--) {
    if (labels.kind[label[node]] === LabelKind.Wait) {
      waiting[node] += self[node];
      if (RUNNABLE.has(labels.textOf(label[node]))) forCpu[node] += self[node];
    }
    waiting[parent[node]] += waiting[node];
    forCpu[parent[node]] += forCpu[node];
  }
  for (let node = 0; node < length; node++) {
    shares[node] = total[node] > 0 ? waiting[node] / total[node] : 0;
    runnable[node] = total[node] > 0 ? forCpu[node] / total[node] : 0;
  }
  return { waiting: shares, runnable };
}
