/** Growable columns: one table of a profile. */
import { resized } from './resized';
import {
  type ColumnArray,
  type Columns,
  type ColumnType,
  columnArray,
  type Row,
  SCHEMA,
  type TableName,
} from './schema';

type LooseColumns = Record<string, ColumnArray<ColumnType>>;

export class Table<T extends TableName> {
  readonly name: T;
  #length = 0;
  #capacity: number;
  #columns: LooseColumns = {};

  constructor(name: T, capacity = 64) {
    this.name = name;
    this.#capacity = Math.max(1, capacity);
    for (const [column, type] of Object.entries(SCHEMA[name])) {
      this.#columns[column] = columnArray(type, this.#capacity);
    }
  }

  get length(): number {
    return this.#length;
  }

  /** The columns as they are now. They are longer than `length`, and are replaced when the table grows: don't keep them. */
  get columns(): Columns<T> {
    return this.#columns as Columns<T>;
  }

  /** Appends a row and returns its index. */
  push(row: Row<T>): number {
    const index = this.#length;
    this.#reserve(index + 1);
    for (const column in this.#columns) this.#columns[column][index] = row[column as keyof Row<T>];
    this.#length = index + 1;
    return index;
  }

  /** Appends rows `start` (inclusive) to `end` (exclusive) of `source`. */
  pushRange(source: Columns<T>, start: number, end: number): void {
    this.#reserve(this.#length + end - start);
    for (const column in this.#columns) {
      this.#columns[column].set(
        (source as LooseColumns)[column].subarray(start, end),
        this.#length,
      );
    }
    this.#length += end - start;
  }

  /** Takes `columns`, each of exactly `length` values, as they are, without a copy: they are all its rows. */
  take(columns: Columns<T>, length: number): void {
    this.#columns = { ...(columns as LooseColumns) };
    this.#length = length;
    this.#capacity = length;
  }

  /** Forgets all rows, and keeps the room that they took. */
  clear(): void {
    this.#length = 0;
  }

  /** Gives back the room for more rows. */
  trim(): void {
    if (this.#capacity === this.#length) return;
    this.#capacity = this.#length;
    for (const column in this.#columns)
      this.#columns[column] = resized(this.#columns[column], this.#length);
  }

  #reserve(length: number): void {
    if (length > this.#capacity)
      this.#resize(Math.max(length, Math.ceil(this.#capacity * 1.5), 64));
  }

  #resize(capacity: number): void {
    this.#capacity = capacity;
    for (const [column, type] of Object.entries(SCHEMA[this.name])) {
      const resized = columnArray(type, capacity);
      resized.set(this.#columns[column].subarray(0, this.#length));
      this.#columns[column] = resized;
    }
  }
}
