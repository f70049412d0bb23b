/** Puts functions in the order of their names, so that nobody has to compare names when they are sorted by weight. */
import type { FunctionList } from '@/profile/function-list';
import type { LabelTable } from '@/profile/labels';

export function byName(list: FunctionList, labels: LabelTable): FunctionList {
  const ranks = labels.ranks();
  // Row + 1 at its label's rank: ranks are all different.
  const rowAtRank = new Uint32Array(labels.length);
  for (let row = 0; row < list.length; row++) rowAtRank[ranks[list.label[row]]] = row + 1;
  const rows = rowAtRank.filter((row) => row !== 0).map((row) => row - 1);
  const pick = (column: Float64Array): Float64Array<ArrayBuffer> =>
    Float64Array.from(rows, (row) => column[row]);
  const [self, total] = [pick(list.self), pick(list.total)];
  const weighsSamples = list.selfSamples === list.self;
  return {
    length: list.length,
    label: rows.map((row) => list.label[row]),
    self,
    total,
    selfSamples: weighsSamples ? self : pick(list.selfSamples),
    totalSamples: weighsSamples ? total : pick(list.totalSamples),
  };
}
