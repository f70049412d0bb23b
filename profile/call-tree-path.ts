/**
 * Paths: how a link names a node of a call tree. A path is the texts of the labels from the root's child to the node.
 * Where siblings have the same text, an element is the text, a tab, and what tells them apart: module, kind, inlined.
 */
import type { CallTree, NodeIndex } from './call-tree';
import type { LabelIndex, Labels } from './labels';

/** The path of a node; empty for the root. */
export function pathOf(tree: CallTree, labels: Labels, node: NodeIndex): string[] {
  const path: string[] = [];
  for (let at = node; at !== 0; at = tree.parent[at]) path.push(element(tree, labels, at));
  return path.reverse();
}

/** The node of a path, or its deepest ancestor that the tree has: at worst 0, the root. */
export function findNode(tree: CallTree, labels: Labels, path: readonly string[]): NodeIndex {
  let node: NodeIndex = 0;
  for (const step of path) {
    const child = findChild(tree, labels, node, step);
    if (child === undefined) return node;
    node = child;
  }
  return node;
}

function findChild(
  tree: CallTree,
  labels: Labels,
  node: NodeIndex,
  step: string,
): NodeIndex | undefined {
  let sameText: NodeIndex | undefined;
  const text = step.split('\t', 1)[0];
  for (let child = node + 1; child < tree.subtreeEnd[node]; child = tree.subtreeEnd[child]) {
    const label = tree.label[child];
    if (labels.textOf(label) === step || fullElement(labels, label) === step) return child;
    if (labels.textOf(label) === text) sameText ??= child;
  }
  // Its namesakes are gone, or came later: the text is still the best that is known.
  return sameText;
}

function element(tree: CallTree, labels: Labels, node: NodeIndex): string {
  const label = tree.label[node];
  const text = labels.textOf(label);
  const parent = tree.parent[node];
  // Siblings are sorted by text: namesakes are next to each other, and the one before is the only one to search for.
  const next = tree.subtreeEnd[node];
  const hasNext = next < tree.subtreeEnd[parent] && labels.textOf(tree.label[next]) === text;
  return hasNext || hasPrevious(tree, labels, node) ? fullElement(labels, label) : text;
}

function hasPrevious(tree: CallTree, labels: Labels, node: NodeIndex): boolean {
  if (node - 1 === tree.parent[node]) return false;
  // The node before, in depth-first order, is below the previous sibling.
  let at = node - 1;
  while (tree.parent[at] !== tree.parent[node]) at = tree.parent[at];
  return labels.textOf(tree.label[at]) === labels.textOf(tree.label[node]);
}

function fullElement(labels: Labels, label: LabelIndex): string {
  const inlined = labels.inlined[label] ? ' inlined' : '';
  return `${labels.textOf(label)}\t${labels.moduleOf(label)}\t${labels.kind[label]}${inlined}`;
}
