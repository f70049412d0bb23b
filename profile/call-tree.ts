/**
 * Call trees: what a flame graph draws. A tree is a few typed arrays, one value per node, in depth-first order (a node,
 * then its children with all that is below them), so that a subtree is a range and no node is an object:
 *
 *     all ─┬─ a ─── b              node         0    1  2  3  4
 *          └─ c ─── d              label        all  a  b  c  d
 *                                  subtreeEnd   5    3  3  5  5
 *
 * The subtree of node i is [i, subtreeEnd[i]); its first child is i + 1 where that is smaller than subtreeEnd[i], and the
 * next sibling of a child c is subtreeEnd[c]. Children are sorted by name, so that boxes keep their place when weights
 * change.
 */
import type { FunctionTable } from './functions';
import type { LabelIndex } from './labels';
import { isImport } from './names';
import type { Profile } from './profile';
import { giveBack } from './resized';
import { NONE } from './schema';
import { UnorderedTree } from './unordered-tree';
import type { StackWeights } from './weights';

export type NodeIndex = number & { readonly __table?: 'nodes' };

/** What stands between the root and the functions: processes by name and pid, processes by name, nothing. */
export type GroupBy = 'process' | 'process-name' | 'none';

export interface CallTree {
  /** Number of nodes, at least 1: node 0 is the root and stands for all samples. */
  readonly length: number;
  /** NONE for the root. */
  readonly parent: Uint32Array<ArrayBuffer>;
  /** 0 for the root. */
  readonly depth: Uint32Array<ArrayBuffer>;
  /** Rows of the function table's labels. */
  readonly label: Uint32Array<ArrayBuffer>;
  readonly subtreeEnd: Uint32Array<ArrayBuffer>;
  /** Weight of the samples that end in the node, in the sample type's unit (CPU: nanoseconds). */
  readonly self: Float64Array<ArrayBuffer>;
  /** The same of the node and all below it. */
  readonly total: Float64Array<ArrayBuffer>;
  /** Number of samples that end in the node; where weights are numbers of samples, the same array as `self`. */
  readonly selfSamples: Float64Array<ArrayBuffer>;
  /** Number of samples that end in the node or below it; the same array as `total` there. */
  readonly totalSamples: Float64Array<ArrayBuffer>;
  /** The deepest node's depth. */
  readonly maxDepth: number;
}

/** The tree's buffers, to be moved to another thread and not copied. */
export function transferables(tree: CallTree): ArrayBuffer[] {
  const { parent, depth, label, subtreeEnd, self, total, selfSamples, totalSamples } = tree;
  const columns = [parent, depth, label, subtreeEnd, self, total, selfSamples, totalSamples];
  return Array.from(new Set(columns), ({ buffer }) => buffer);
}

/**
 * The tree of the samples in `weights`; a sample without a stack ends in a node `[stack lost]`. Brings `functions` up to
 * date with the profile. Costs time in proportion to the entries of `weights` plus the tree's nodes.
 */
export function buildCallTree(
  profile: Profile,
  functions: FunctionTable,
  weights: StackWeights,
  groupBy: GroupBy = defaultGroupBy(profile),
): CallTree {
  functions.update();
  const { pathOfStack, pathParent, pathLabel } = functions;
  const tree = new UnorderedTree(
    functions.rootLabel,
    Math.min(functions.pathCount + 1, Math.max(1 << 16, 8 * weights.length)),
    weights.samples === weights.weight,
  );
  // A path's node in the current group. Nodes are numbered upwards, so smaller ones than the group's are of earlier groups.
  const nodeOfPath = new Uint32Array(functions.pathCount);

  for (const { label, entries } of entriesByGroup(functions, weights, groupBy)) {
    const group = label === NONE ? 0 : tree.add(0, label);
    let lost = NONE;
    for (const entry of entries) {
      const stack = weights.stack[entry];
      let node: NodeIndex;
      if (stack === NONE) {
        if (lost === NONE) lost = tree.add(group, functions.lostLabel);
        node = lost;
      } else {
        let path = pathOfStack[stack];
        node = nodeOfPath[path];
        if (node <= group) {
          node = tree.add(group, pathLabel[path]);
          nodeOfPath[path] = node;
          // Its callers, up to the first that has a node.
          for (let child = node; pathParent[path] !== NONE; ) {
            path = pathParent[path];
            const known = nodeOfPath[path];
            if (known > group) {
              tree.setParent(child, known);
              break;
            }
            const caller = tree.add(group, pathLabel[path]);
            nodeOfPath[path] = caller;
            tree.setParent(child, caller);
            child = caller;
          }
        }
      }
      tree.addSamples(node, weights.weight[entry], weights.samples[entry]);
    }
  }
  giveBack(nodeOfPath);
  return tree.ordered(functions.labels.ranks());
}

/** Processes, where the profile knows any. */
export function defaultGroupBy(profile: Profile): GroupBy {
  return isImport(profile) ? 'none' : 'process';
}

interface EntryGroup {
  /** The group's node; NONE where the root stands for it. */
  readonly label: LabelIndex;
  readonly entries: Uint32Array;
}

/** The entries with samples, by the label of the group that they belong to. */
function* entriesByGroup(
  functions: FunctionTable,
  weights: StackWeights,
  groupBy: GroupBy,
): Generator<EntryGroup> {
  const entries = new Uint32Array(weights.length);
  const groupOf = new Uint32Array(weights.length);
  const groupOfLabel = new Map<LabelIndex, number>();
  const sizes: number[] = [];
  let length = 0;
  let lastProcess = NONE;
  let group = 0;
  for (let entry = 0; entry < weights.length; entry++) {
    if (weights.samples[entry] === 0) continue;
    const process = weights.process[entry];
    if (process !== lastProcess) {
      lastProcess = process;
      const label =
        groupBy === 'none' ? NONE : functions.processLabel(process, groupBy === 'process');
      group = groupOfLabel.get(label) ?? groupOfLabel.size;
      if (group === groupOfLabel.size) {
        groupOfLabel.set(label, group);
        sizes.push(0);
      }
    }
    entries[length] = entry;
    groupOf[length++] = group;
    sizes[group]++;
  }
  // Counting sort: groups one after another, each with its entries in their order.
  const sorted = new Uint32Array(length);
  const ends: number[] = [];
  let end = 0;
  for (const size of sizes) {
    ends.push(end);
    end += size;
  }
  for (let i = 0; i < length; i++) sorted[ends[groupOf[i]]++] = entries[i];
  giveBack(entries, groupOf);
  for (const [label, index] of groupOfLabel) {
    yield { label, entries: sorted.subarray(ends[index] - sizes[index], ends[index]) };
  }
  giveBack(sorted);
}
