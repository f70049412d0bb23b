/** Of the rows that a chunk adds to a table, some. */
import type { Increment } from './chunk';
import { type ColumnArray, type Columns, type ColumnType, type EventTable, SCHEMA } from './schema';

/** The rows that `keeps`; the increment itself where that is all of them. */
export function rowsWhere<T extends EventTable>(
  name: T,
  increment: Increment<T>,
  keeps: (row: number) => boolean,
): Increment<T> {
  const { base, length } = increment;
  const kept = Uint32Array.from({ length }, (_, row) => row).filter(keeps);
  if (kept.length === length) return increment;
  const columns = increment.columns as unknown as Record<string, ColumnArray<ColumnType>>;
  const pick = (column: ColumnArray<ColumnType>): ColumnArray<ColumnType> => {
    const picked = column.slice(0, kept.length);
    kept.forEach((from, to) => {
      picked[to] = column[from];
    });
    return picked;
  };
  return {
    base,
    length: kept.length,
    columns: Object.fromEntries(
      Object.keys(SCHEMA[name]).map((column) => [column, pick(columns[column])]),
    ) as unknown as Columns<T>,
  };
}
