/** Puts functions in the order of their names, so that nobody has to compare names when they are sorted by weight: a list of its own, for which the one that was given is used up. */
import type { FunctionList } from '@/profile/function-list';
import type { LabelTable } from '@/profile/labels';
import { giveBack } from '@/profile/resized';

// Several times a second, where the engine has not compiled much of it yet: loops, for a call per row costs far more then.
export function byName(list: FunctionList, labels: LabelTable): FunctionList {
  const ranks = labels.ranks();
  // Row + 1 at its label's rank: ranks are all different.
  const rowAtRank = new Uint32Array(labels.length);
  for (let row = 0; row < list.length; row++) rowAtRank[ranks[list.label[row]]] = row + 1;
  const rows = new Uint32Array(list.length);
  for (let rank = 0, at = 0; at < rows.length; rank++) {
    if (rowAtRank[rank] !== 0) rows[at++] = rowAtRank[rank] - 1;
  }
  const label = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) label[at] = list.label[rows[at]];
  const pick = (column: Float64Array): Float64Array<ArrayBuffer> => {
    const picked = new Float64Array(rows.length);
    for (let at = 0; at < rows.length; at++) picked[at] = column[rows[at]];
    return picked;
  };
  const [self, total] = [pick(list.self), pick(list.total)];
  const weighsSamples = list.selfSamples === list.self;
  const selfSamples = weighsSamples ? self : pick(list.selfSamples);
  const totalSamples = weighsSamples ? total : pick(list.totalSamples);
  giveBack(rowAtRank, rows, list.label, list.self, list.total, list.selfSamples, list.totalSamples);
  return { length: label.length, label, self, total, selfSamples, totalSamples };
}
