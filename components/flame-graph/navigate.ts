/** Where keys lead in a call tree. */
import type { CallTree, NodeIndex } from '@/profile/call-tree';

/** 'in' is away from the root, to the heaviest child: what one most likely wants to see next. */
export type Step = 'in' | 'out' | 'previous' | 'next';

/** Of a box that fills the width, some pixels. */
const VISIBLY_WIDER = 1.005;

/**
 * Where a step leads from a node; the node itself where there is nothing. It stays with what a zoom shows: the zoomed
 * node, its ancestors, and what is below it.
 */
export function step(tree: CallTree, node: NodeIndex, zoomed: NodeIndex, to: Step): NodeIndex {
  if (!isWithin(tree, node, zoomed) && !isWithin(tree, zoomed, node)) return zoomed;
  const isAbove = node !== zoomed && isWithin(tree, zoomed, node);
  switch (to) {
    case 'out':
      return node === 0 ? 0 : tree.parent[node];
    case 'in':
      return isAbove ? childTowards(tree, node, zoomed) : heaviestChild(tree, node);
    case 'next':
      return isAbove || node === zoomed ? node : nextSibling(tree, node);
    case 'previous':
      return isAbove || node === zoomed ? node : previousSibling(tree, node);
  }
}

/** Whether a node is `ancestor` or below it. */
export function isWithin(tree: CallTree, node: NodeIndex, ancestor: NodeIndex): boolean {
  return node >= ancestor && node < tree.subtreeEnd[ancestor];
}

/** The next node to zoom out to: the nearest ancestor that is wider, the root where that is as wide, for others look the same. */
export function zoomedOut(tree: CallTree, node: NodeIndex): NodeIndex {
  let at = node;
  while (at !== 0) {
    at = tree.parent[at];
    if (tree.total[at] > tree.total[node] * VISIBLY_WIDER)
      return tree.total[0] > tree.total[at] * VISIBLY_WIDER ? at : 0;
  }
  return 0;
}

function heaviestChild(tree: CallTree, node: NodeIndex): NodeIndex {
  let best = node;
  for (let child = node + 1; child < tree.subtreeEnd[node]; child = tree.subtreeEnd[child]) {
    if (best === node || tree.total[child] > tree.total[best]) best = child;
  }
  return best;
}

function childTowards(tree: CallTree, node: NodeIndex, below: NodeIndex): NodeIndex {
  let child = node + 1;
  while (!isWithin(tree, below, child)) child = tree.subtreeEnd[child];
  return child;
}

function nextSibling(tree: CallTree, node: NodeIndex): NodeIndex {
  const sibling = tree.subtreeEnd[node];
  return sibling < tree.subtreeEnd[tree.parent[node]] ? sibling : node;
}

function previousSibling(tree: CallTree, node: NodeIndex): NodeIndex {
  let sibling = tree.parent[node] + 1;
  if (sibling === node) return node;
  while (tree.subtreeEnd[sibling] !== node) sibling = tree.subtreeEnd[sibling];
  return sibling;
}
