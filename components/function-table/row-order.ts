/** Which functions are shown in what order, and how they stay in their places under the pointer. */
import type { FunctionList } from '@/profile/function-list';
import type { LabelIndex, Labels } from '@/profile/labels';
import { heaviestFirst } from './heaviest-first';

export type FunctionOrder = 'self' | 'total' | 'name';

/** Rows of a function list that are in the order of names, as those of an analysis are. */
export function orderedRows(
  list: FunctionList,
  { by, nameOf }: Pick<OrderKey, 'by' | 'nameOf'>,
): Uint32Array<ArrayBuffer> {
  if (by === 'name') return rowsByName(list, nameOf);
  const [first, second] = by === 'self' ? [list.self, list.total] : [list.total, list.self];
  return heaviestFirst(list.length, first, second);
}

function rowsByName(
  list: FunctionList,
  nameOf: (label: LabelIndex) => string,
): Uint32Array<ArrayBuffer> {
  const names = Array.from(list.label, nameOf);
  const rows = Uint32Array.from({ length: list.length }, (_, row) => row);
  // Code units: the names that come together by it are those that look alike.
  return rows.sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
}

/** What the order is of: another makes all else void. */
export interface OrderKey {
  readonly labels: Labels;
  readonly by: FunctionOrder;
  /** The search's text. */
  readonly search: string;
  /** What functions are called on the screen. */
  nameOf(label: LabelIndex): string;
}

/** The order is that of the numbers shown, except under the pointer, where rows stay in their places: who aims at one must hit it. */
export class HeldOrder {
  #key: OrderKey | undefined;
  #labels: readonly LabelIndex[] | Uint32Array = [];

  /** The rows to show. `matches`, by label: 1 for those to be shown; undefined for all. */
  rows(
    list: FunctionList,
    key: OrderKey,
    matches: Uint8Array | undefined,
    isHeld: boolean,
  ): Uint32Array<ArrayBuffer> {
    const old = this.#key;
    const isSame =
      old?.labels === key.labels &&
      old.by === key.by &&
      old.search === key.search &&
      old.nameOf === key.nameOf;
    const rows = isHeld && isSame ? this.#inPlace(list, key.labels.length) : orderedRows(list, key);
    this.#key = key;
    this.#labels = rows.map((row) => list.label[row]);
    return matches === undefined ? rows : rows.filter((row) => matches[list.label[row]] === 1);
  }

  /** Rows in the order of before; functions that are new come last. */
  #inPlace(list: FunctionList, labelCount: number): Uint32Array<ArrayBuffer> {
    // Row + 1; 0 where the function is not in the list, or has its place already.
    const rowOf = new Uint32Array(labelCount);
    for (let row = 0; row < list.length; row++) rowOf[list.label[row]] = row + 1;
    const rows = new Uint32Array(list.length);
    let length = 0;
    for (const label of this.#labels) {
      if (rowOf[label] === 0) continue;
      rows[length++] = rowOf[label] - 1;
      rowOf[label] = 0;
    }
    for (let row = 0; row < list.length; row++)
      if (rowOf[list.label[row]] !== 0) rows[length++] = row;
    return rows;
  }
}
