/** Functions by self and total, from a call tree: a flat profile. */
import type { CallTree } from './call-tree';
import { type LabelIndex, LabelKind, type Labels } from './labels';
import { giveBack, resized } from './resized';
import { NONE } from './schema';

/** One row per function, in no order that means anything. */
export interface FunctionList {
  readonly length: number;
  /** Labels that are not inlined: a function's inlined copies are counted with it. */
  readonly label: Uint32Array<ArrayBuffer>;
  /** Weight of the samples that end in the function. */
  readonly self: Float64Array<ArrayBuffer>;
  /** Weight of the samples that have the function in their stack; each counts once, however deep it recurses. */
  readonly total: Float64Array<ArrayBuffer>;
  /** Numbers of samples; as in the tree, the same arrays as `self` and `total` where weights are these. */
  readonly selfSamples: Float64Array<ArrayBuffer>;
  readonly totalSamples: Float64Array<ArrayBuffer>;
}

/**
 * The functions in a tree, or in the subtree of `root`. Frames of kind Stop and lost stacks are rows too; processes and
 * the root are not.
 */
export function functionList(tree: CallTree, labels: Labels, root = 0): FunctionList {
  const rowOf = new Uint32Array(labels.length).fill(NONE);
  // Per row: the end of the topmost subtree of the function that the walk is in. A node before it recurses.
  let coveredUntil = new Uint32Array(256);
  const weighsSamples = tree.selfSamples === tree.self;
  let columns = allocate(256, weighsSamples);
  let length = 0;
  for (let node = root; node < tree.subtreeEnd[root]; node++) {
    const label: LabelIndex = labels.outOfLine[tree.label[node]];
    const kind = labels.kind[label];
    if (kind === LabelKind.Root || kind === LabelKind.Process) continue;
    let row = rowOf[label];
    if (row === NONE) {
      if (length === columns.label.length) {
        columns = resize(columns, length * 2);
        coveredUntil = resized(coveredUntil, length * 2);
      }
      row = length++;
      rowOf[label] = row;
      columns.label[row] = label;
    }
    columns.self[row] += tree.self[node];
    if (!weighsSamples) columns.selfSamples[row] += tree.selfSamples[node];
    if (node >= coveredUntil[row]) {
      columns.total[row] += tree.total[node];
      if (!weighsSamples) columns.totalSamples[row] += tree.totalSamples[node];
      coveredUntil[row] = tree.subtreeEnd[node];
    }
  }
  giveBack(rowOf, coveredUntil);
  return { length, ...resize(columns, length) };
}

type FunctionColumns = Omit<FunctionList, 'length'>;

function allocate(length: number, weighsSamples: boolean): FunctionColumns {
  const [self, total] = [new Float64Array(length), new Float64Array(length)];
  return {
    label: new Uint32Array(length),
    self,
    total,
    selfSamples: weighsSamples ? self : new Float64Array(length),
    totalSamples: weighsSamples ? total : new Float64Array(length),
  };
}

function resize(columns: FunctionColumns, length: number): FunctionColumns {
  const [self, total] = [resized(columns.self, length), resized(columns.total, length)];
  const weighsSamples = columns.selfSamples === columns.self;
  return {
    label: resized(columns.label, length),
    self,
    total,
    selfSamples: weighsSamples ? self : resized(columns.selfSamples, length),
    totalSamples: weighsSamples ? total : resized(columns.totalSamples, length),
  };
}
