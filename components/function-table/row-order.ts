/** The orders in which functions are shown. */
import type { FunctionList } from '@/profile/function-list';
import type { LabelIndex } from '@/profile/labels';
import { heaviestFirst } from './heaviest-first';

export type FunctionOrder = 'self' | 'total' | 'name';

/** Rows of a function list that are in the order of names, as those of an analysis are. */
export function orderedRows(
  list: FunctionList,
  by: FunctionOrder,
  nameOf: (label: LabelIndex) => string,
): readonly number[] {
  if (by === 'name') return rowsByName(list, nameOf);
  const [first, second] = by === 'self' ? [list.self, list.total] : [list.total, list.self];
  const order = heaviestFirst(list.length, first, second);
  // Array.from would make an object for each.
  const rows = new Array<number>(order.length);
  for (let at = 0; at < rows.length; at++) rows[at] = order[at];
  return rows;
}

function rowsByName(list: FunctionList, nameOf: (label: LabelIndex) => string): readonly number[] {
  const names = Array.from(list.label, nameOf);
  const rows = names.map((_, row) => row);
  // Code units: the names that come together by it are those that look alike.
  return rows.sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
}
