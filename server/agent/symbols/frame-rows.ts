/** Collects the distinct frames of one answer as columns; see FrameColumns. */
import { isAscii } from 'node:buffer';
import { U32List } from '@/profile/u32-list';
import { ByteSink } from './byte-sink';
import { NameList } from './name-list';
import { type FrameColumns, NONE } from './protocol';

export class FrameRows {
  readonly #text = new ByteSink();
  readonly #textEnds = new U32List();
  readonly #textIndices = new Map<string, number>();
  readonly #rows = new Map<string, number>();
  readonly #functionName = new U32List();
  /** Rows that are known by more than their function's name, and what is known of each. */
  readonly #detailed = new U32List();
  readonly #file = new U32List();
  readonly #line = new U32List();
  readonly #outer = new U32List();
  readonly #kernelModule = new U32List();
  /** Rows, and the start and end of each. */
  readonly #extents: (readonly [row: number, start: number, end: number])[] = [];

  /** A new row for a frame with this name. */
  append(functionName: string, kernelModule?: string): number {
    this.#text.appendText(functionName);
    const row = this.#functionName.push(this.#textEnds.push(this.#text.length));
    if (kernelModule !== undefined) this.#detail(row, NONE, 0, NONE, this.#textOf(kernelModule));
    return row;
  }

  /** The row of a frame in source code; `line` is 0 where unknown, `outer` the row that it is inlined into or NONE. */
  add(functionName: string, file: string | undefined, line: number, outer: number): number {
    const name = this.#textOf(functionName);
    const fileIndex = file === undefined ? NONE : this.#textOf(file);
    const key = `${name} ${fileIndex} ${line} ${outer}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.#functionName.push(name);
      this.#detail(row, fileIndex, line, outer, NONE);
      this.#rows.set(key, row);
    }
    return row;
  }

  /** All addresses from `start` to `end` (exclusive) have this row. */
  setExtent(row: number, start: number, end: number): void {
    this.#extents.push([row, start, end]);
  }

  /**
   * The answer, of which nothing is shared with anything else. Of the module's names, if frames have some, those from
   * `firstName` on come with it.
   */
  finish(frame: Uint32Array, names = new NameList(), firstName = 0): FrameColumns {
    const rows = this.#functionName.length;
    const column = ({ values, length }: U32List): Uint32Array => values.subarray(0, length);
    const detail = ({ values }: U32List, others: number): Uint32Array => {
      if (this.#detailed.length === 0) return new Uint32Array(0);
      const ofRows = new Uint32Array(rows).fill(others);
      for (let i = 0; i < this.#detailed.length; i++) ofRows[this.#detailed.values[i]] = values[i];
      return ofRows;
    };
    return {
      text: this.#text.bytes.subarray(0, this.#text.length),
      textEnds: column(this.#textEnds),
      functionName: column(this.#functionName),
      file: detail(this.#file, NONE),
      line: detail(this.#line, 0),
      outer: detail(this.#outer, NONE),
      kernelModule: detail(this.#kernelModule, NONE),
      extents: this.#extentColumn(rows),
      frame,
      firstName,
      ...names.from(firstName),
    };
  }

  #extentColumn(rows: number): Float64Array {
    if (this.#extents.length === 0) return new Float64Array(0);
    const column = new Float64Array(rows * 2).fill(Number.NaN);
    for (const [row, start, end] of this.#extents) column.set([start, end], row * 2);
    return column;
  }

  #detail(row: number, file: number, line: number, outer: number, kernelModule: number): void {
    this.#detailed.push(row);
    this.#file.push(file);
    this.#line.push(line);
    this.#outer.push(outer);
    this.#kernelModule.push(kernelModule);
  }

  #textOf(text: string): number {
    let index = this.#textIndices.get(text);
    if (index === undefined) {
      this.#text.appendText(text);
      index = this.#textEnds.push(this.#text.length);
      this.#textIndices.set(text, index);
    }
    return index;
  }
}

/** Texts that lie one behind the other, each decoded when it is asked for. */
export class FrameTexts {
  readonly #text: Buffer;
  readonly #isAscii: boolean;
  readonly #ends: Uint32Array;

  constructor(text: Uint8Array<ArrayBuffer>, ends: Uint32Array) {
    this.#text = Buffer.from(text.buffer, text.byteOffset, text.length);
    this.#isAscii = isAscii(this.#text);
    this.#ends = ends;
  }

  at(index: number): string {
    const start = index === 0 ? 0 : this.#ends[index - 1];
    // Nearly all names are ASCII, and then there is nothing to decode.
    return this.#isAscii
      ? this.#text.toString('latin1', start, this.#ends[index])
      : this.#text.toString('utf8', start, this.#ends[index]);
  }
}
