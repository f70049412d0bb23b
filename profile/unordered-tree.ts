/** A call tree while it is being built: nodes in the order in which they were found, children in no order. */
import type { CallTree } from './call-tree';
import type { LabelIndex } from './labels';
import { giveBack, resized } from './resized';
import { NONE } from './schema';

type Node = number;

export class UnorderedTree {
  #length = 0;
  #parent: Uint32Array;
  #label: Uint32Array;
  #self: Float64Array;
  /** The same as `#self` where weights are numbers of samples. */
  #selfSamples: Float64Array;

  /** Makes node 0, the root. `weighsSamples`: weights are numbers of samples, and are kept once. */
  constructor(rootLabel: LabelIndex, capacity: number, weighsSamples: boolean) {
    const room = Math.max(16, capacity);
    this.#parent = new Uint32Array(room);
    this.#label = new Uint32Array(room);
    this.#self = new Float64Array(room);
    this.#selfSamples = weighsSamples ? this.#self : new Float64Array(room);
    this.add(NONE, rootLabel);
  }

  add(parent: Node, label: LabelIndex): Node {
    if (this.#length === this.#parent.length) this.#grow();
    this.#parent[this.#length] = parent;
    this.#label[this.#length] = label;
    return this.#length++;
  }

  setParent(node: Node, parent: Node): void {
    this.#parent[node] = parent;
  }

  addSamples(node: Node, weight: number, samples: number): void {
    this.#self[node] += weight;
    if (!this.#weighsSamples) this.#selfSamples[node] += samples;
  }

  get #weighsSamples(): boolean {
    return this.#selfSamples === this.#self;
  }

  /**
   * The tree in depth-first order, siblings by `rankOfLabel`, with its totals. Siblings must differ in their labels. This
   * one is not to be used any more.
   */
  ordered(rankOfLabel: Uint32Array): CallTree {
    const length = this.#length;
    const { firstChild, nextSibling } = this.#siblingsByRank(rankOfLabel);
    const parent = new Uint32Array(length);
    const depth = new Uint32Array(length);
    const label = new Uint32Array(length);
    const subtreeEnd = new Uint32Array(length);
    const self = new Float64Array(length);
    const selfSamples = this.#weighsSamples ? self : new Float64Array(length);
    const place = new Uint32Array(length);
    let maxDepth = 0;

    // Without recursion: stacks may be deeper than JavaScript's own.
    let node: Node = 0;
    for (let at = 0; at < length; at++) {
      place[node] = at;
      label[at] = this.#label[node];
      self[at] = this.#self[node];
      if (selfSamples !== self) selfSamples[at] = this.#selfSamples[node];
      parent[at] = at === 0 ? NONE : place[this.#parent[node]];
      depth[at] = at === 0 ? 0 : depth[parent[at]] + 1;
      if (depth[at] > maxDepth) maxDepth = depth[at];
      if (firstChild[node] !== NONE) {
        node = firstChild[node];
        continue;
      }
      while (node !== 0 && nextSibling[node] === NONE) node = this.#parent[node];
      node = nextSibling[node];
    }
    giveBack(
      this.#parent,
      this.#label,
      this.#self,
      this.#selfSamples,
      firstChild,
      nextSibling,
      place,
    );

    const total = self.slice();
    const totalSamples = selfSamples === self ? total : selfSamples.slice();
    for (let at = length - 1; at >= 0; at--) {
      if (subtreeEnd[at] === 0) subtreeEnd[at] = at + 1;
      if (at === 0) break;
      const above = parent[at];
      total[above] += total[at];
      if (totalSamples !== total) totalSamples[above] += totalSamples[at];
      // Children come from the last to the first: the last one's end is the parent's.
      if (subtreeEnd[above] === 0) subtreeEnd[above] = subtreeEnd[at];
    }
    return {
      length,
      parent,
      depth,
      label,
      subtreeEnd,
      self,
      total,
      selfSamples,
      totalSamples,
      maxDepth,
    };
  }

  /** All nodes by rank (a counting sort), each put before its siblings so far, from the highest rank to the lowest. */
  #siblingsByRank(rankOfLabel: Uint32Array): {
    firstChild: Uint32Array;
    nextSibling: Uint32Array;
  } {
    const length = this.#length;
    const starts = new Uint32Array(rankOfLabel.length + 1);
    for (let node = 1; node < length; node++) starts[rankOfLabel[this.#label[node]] + 1]++;
    for (let rank = 1; rank < starts.length; rank++) starts[rank] += starts[rank - 1];
    const byRank = new Uint32Array(length - 1);
    for (let node = 1; node < length; node++)
      byRank[starts[rankOfLabel[this.#label[node]]]++] = node;
    const firstChild = new Uint32Array(length).fill(NONE);
    const nextSibling = new Uint32Array(length).fill(NONE);
    for (let i = byRank.length - 1; i >= 0; i--) {
      const node = byRank[i];
      const parent = this.#parent[node];
      nextSibling[node] = firstChild[parent];
      firstChild[parent] = node;
    }
    giveBack(starts, byRank);
    return { firstChild, nextSibling };
  }

  #grow(): void {
    const room = this.#parent.length * 2;
    this.#parent = resized(this.#parent, room);
    this.#label = resized(this.#label, room);
    const weighsSamples = this.#weighsSamples;
    this.#self = resized(this.#self, room);
    this.#selfSamples = weighsSamples ? this.#self : resized(this.#selfSamples, room);
  }
}
