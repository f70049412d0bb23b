/**
 * Which boxes of a call tree are seen, and where.
 *
 *   range [start, end) of the root's total fills the width:
 *
 *   row 0   |············ all ············|      weight ->
 *   row 1   |····· a ·····|···· b ····|···|
 *   row 2   |·· c ··|              ^ start of b = end of a
 *
 * Zooming is another range: a node's ancestors then reach over both edges, and all is drawn by one rule.
 */
import type { CallTree, NodeIndex } from '@/profile/call-tree';
import { resized } from '@/profile/resized';

export interface WeightRange {
  readonly start: number;
  readonly end: number;
}

export interface Viewport {
  readonly width: number;
  readonly height: number;
  /** From the top of all rows, in pixels. */
  readonly scrollTop: number;
  readonly rowHeight: number;
  readonly orientation: 'icicle' | 'flame';
  /** Of the whole graph, at least `height`: a flame's first row is at its bottom. */
  readonly contentHeight: number;
}

/** Boxes as columns; the first `length` values count. `node` is NO_NODE for a run of boxes too narrow to tell apart. */
export interface Boxes {
  length: number;
  node: Uint32Array;
  /** Left edge and width in pixels, not cut at the viewport's edges. */
  x: Float64Array;
  width: Float64Array;
  /** Depth in the tree. */
  row: Uint32Array;
}

export const NO_NODE = 0xffffffff;
/** Narrower boxes, in pixels, are drawn together, and nothing is drawn of what is below them. */
const MIN_WIDTH = 0.5;

export function emptyBoxes(capacity = 1024): Boxes {
  return {
    length: 0,
    node: new Uint32Array(capacity),
    x: new Float64Array(capacity),
    width: new Float64Array(capacity),
    row: new Uint32Array(capacity),
  };
}

/** The first row's index that can be seen, and the last. */
export function visibleRows({
  scrollTop,
  height,
  rowHeight,
  orientation,
  contentHeight,
}: Viewport): [first: number, last: number] {
  const top = orientation === 'icicle' ? scrollTop : contentHeight - scrollTop - height;
  return [Math.max(0, Math.floor(top / rowHeight)), Math.floor((top + height - 1) / rowHeight)];
}

/** Top edge of a row, in pixels from the viewport's top. */
export function rowTop(
  row: number,
  { scrollTop, rowHeight, orientation, contentHeight }: Viewport,
): number {
  const fromTop =
    orientation === 'icicle' ? row * rowHeight : contentHeight - (row + 1) * rowHeight;
  return fromTop - scrollTop;
}

/**
 * Lays out what is seen into `boxes`, which is used again. Costs time in proportion to what is seen: subtrees outside of
 * the width, below the last visible row or too narrow are passed over whole.
 */
export function layOut(
  tree: CallTree,
  range: WeightRange,
  viewport: Viewport,
  boxes: Boxes,
): Boxes {
  const { depth, total, subtreeEnd } = tree;
  boxes.length = 0;
  if (!(range.end > range.start)) return boxes;
  const scale = viewport.width / (range.end - range.start);
  const [firstRow, lastRow] = visibleRows(viewport);
  /** By depth: where the next box of that row starts, as a weight. */
  const next: number[] = [0];
  /** By depth: the end, in pixels, of the last run of narrow boxes. */
  const narrowEnd: number[] = [];
  for (let node = 0; node < tree.length; ) {
    const row = depth[node];
    const start = next[row];
    const weight = total[node];
    next[row] = start + weight;
    const x = (start - range.start) * scale;
    const width = weight * scale;
    if (x >= viewport.width || x + width <= 0) {
      node = subtreeEnd[node];
      continue;
    }
    if (width < MIN_WIDTH) {
      if (row >= firstRow && row <= lastRow) pushNarrow(boxes, narrowEnd, row, x, width);
      node = subtreeEnd[node];
      continue;
    }
    if (row >= firstRow && row <= lastRow) push(boxes, node, x, width, row);
    next[row + 1] = start;
    node = row >= lastRow ? subtreeEnd[node] : node + 1;
  }
  return boxes;
}

function pushNarrow(
  boxes: Boxes,
  narrowEnd: number[],
  row: number,
  x: number,
  width: number,
): void {
  const end = narrowEnd[row];
  if (end !== undefined && x < end) return;
  const drawn = Math.max(1, width);
  narrowEnd[row] = x + drawn;
  push(boxes, NO_NODE, x, drawn, row);
}

function push(boxes: Boxes, node: number, x: number, width: number, row: number): void {
  const index = boxes.length++;
  if (index >= boxes.node.length) grow(boxes);
  boxes.node[index] = node;
  boxes.x[index] = x;
  boxes.width[index] = width;
  boxes.row[index] = row;
}

function grow(boxes: Boxes): void {
  const capacity = boxes.node.length * 2;
  boxes.node = resized(boxes.node, capacity);
  boxes.x = resized(boxes.x, capacity);
  boxes.width = resized(boxes.width, capacity);
  boxes.row = resized(boxes.row, capacity);
}

/** The range that a node covers. */
export function rangeOf(tree: CallTree, node: NodeIndex): WeightRange {
  const path: NodeIndex[] = [];
  for (let at = node; at !== 0; at = tree.parent[at]) path.push(at);
  let start = 0;
  let parent: NodeIndex = 0;
  for (const step of path.reverse()) {
    for (let sibling = parent + 1; sibling !== step; sibling = tree.subtreeEnd[sibling])
      start += tree.total[sibling];
    parent = step;
  }
  return { start, end: start + tree.total[node] };
}

/**
 * The range on the way between two, at `t` of 0..1: its width grows by the same factor in the same time, and one point
 * stays where it is, so that all of a zoom is equally fast.
 */
export function rangeBetween(from: WeightRange, to: WeightRange, t: number): WeightRange {
  if (t <= 0) return from;
  if (t >= 1) return to;
  const [fromWidth, toWidth] = [from.end - from.start, to.end - to.start];
  const isPan = Math.abs(Math.log(toWidth / fromWidth)) < 1e-3 || !(fromWidth > 0 && toWidth > 0);
  const width = isPan
    ? fromWidth + (toWidth - fromWidth) * t
    : fromWidth * (toWidth / fromWidth) ** t;
  const way = isPan ? t : (width - fromWidth) / (toWidth - fromWidth);
  const start = from.start + (to.start - from.start) * way;
  return { start, end: start + width };
}

/** Where a node's box is, in pixels of the viewport, however narrow it is and whether seen or not. */
export function boxOf(
  tree: CallTree,
  node: NodeIndex,
  shown: WeightRange,
  viewport: Viewport,
): { readonly x: number; readonly width: number; readonly top: number } {
  const { start, end } = rangeOf(tree, node);
  const scale = viewport.width / Math.max(Number.MIN_VALUE, shown.end - shown.start);
  return {
    x: (start - shown.start) * scale,
    width: (end - start) * scale,
    top: rowTop(tree.depth[node], viewport),
  };
}

/** The number of rows that a zoom shows: those of the node's ancestors, its own, and those below it. */
export function rowCount(tree: CallTree, zoomed: NodeIndex): number {
  if (zoomed === 0) return tree.maxDepth + 1;
  let deepest = 0;
  for (let node = zoomed; node < tree.subtreeEnd[zoomed]; node++)
    if (tree.depth[node] > deepest) deepest = tree.depth[node];
  return deepest + 1;
}

/** The index of the box at a point of the viewport, -1 for none. */
export function boxAt(boxes: Boxes, viewport: Viewport, x: number, y: number): number {
  for (let i = 0; i < boxes.length; i++) {
    if (x < boxes.x[i] || x >= boxes.x[i] + boxes.width[i]) continue;
    const top = rowTop(boxes.row[i], viewport);
    if (y >= top && y < top + viewport.rowHeight) return i;
  }
  return -1;
}
