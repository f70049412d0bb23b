/** Collects the distinct frames of one answer as columns; see FrameColumns. */
import { isAscii } from 'node:buffer';
import { U32List } from '@/profile/u32-list';
import { ByteSink } from './byte-sink';
import type { NameList } from './name-list';
import { type FrameColumns, NONE } from './protocol';

/** Of text, at first: most names have been sent before, and V8 collects garbage for memory that is not even written. */
const TEXT_BYTES = 4096;
const MAX_CAPACITY = 128 * 1024;

export class FrameRows {
  readonly #text: ByteSink;
  readonly #textEnds: U32List;
  readonly #textIndices = new Map<string, number>();
  readonly #rows = new Map<string, number>();
  readonly #functionName: U32List;
  readonly #name: U32List;
  readonly #knownNames: number;
  /** Rows that are known by more than their function's name, and what is known of each. */
  readonly #detailed = new U32List();
  readonly #file = new U32List();
  readonly #line = new U32List();
  readonly #outer = new U32List();
  readonly #kernelModule = new U32List();
  /** Rows, and the start and end of each. */
  readonly #extents: (readonly [row: number, start: number, end: number])[] = [];

  /** For the answer to a request with so many addresses, of one who knows the module's names below `knownNames`. */
  constructor(addresses: number, knownNames = 0) {
    const capacity = Math.min(addresses, MAX_CAPACITY);
    this.#text = new ByteSink(TEXT_BYTES);
    this.#textEnds = new U32List(capacity);
    this.#functionName = new U32List(capacity);
    this.#name = new U32List(capacity);
    this.#knownNames = knownNames;
  }

  /** A new row for a frame with this name of a module: for callers that know which names they have added. */
  appendName(names: NameList, name: number): number {
    this.#name.push(name);
    if (name < this.#knownNames) return this.#functionName.push(NONE);
    names.copyTo(this.#text, name);
    return this.#functionName.push(this.#textEnds.push(this.#text.length));
  }

  /** The same with a name that is text. */
  append(functionName: string, kernelModule?: string): number {
    this.#text.appendText(functionName);
    this.#name.push(NONE);
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
      this.#name.push(NONE);
      this.#detail(row, fileIndex, line, outer, NONE);
      this.#rows.set(key, row);
    }
    return row;
  }

  /** All addresses from `start` to `end` (exclusive) have this row. */
  setExtent(row: number, start: number, end: number): void {
    this.#extents.push([row, start, end]);
  }

  /** The answer, of which nothing is shared with anything else; `frame[i]` is the row of the request's address i, or NONE. */
  finish(frame: Uint32Array): FrameColumns {
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
      name: column(this.#name),
      file: detail(this.#file, NONE),
      line: detail(this.#line, 0),
      outer: detail(this.#outer, NONE),
      kernelModule: detail(this.#kernelModule, NONE),
      extents: this.#extentColumn(rows),
      frame,
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

/** The texts of an answer, each decoded when it is asked for. */
export class FrameTexts {
  readonly #text: Buffer;
  readonly #isAscii: boolean;
  readonly #ends: Uint32Array;

  constructor({ text, textEnds }: FrameColumns) {
    this.#text = Buffer.from(text.buffer, text.byteOffset, text.length);
    this.#isAscii = isAscii(this.#text);
    this.#ends = textEnds;
  }

  at(index: number): string {
    const start = index === 0 ? 0 : this.#ends[index - 1];
    // Nearly all names are ASCII, and then there is nothing to decode.
    return this.#isAscii
      ? this.#text.toString('latin1', start, this.#ends[index])
      : this.#text.toString('utf8', start, this.#ends[index]);
  }
}
