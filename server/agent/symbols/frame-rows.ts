/** Collects the distinct frames of one answer as columns; see FrameColumns. */
import { U32List } from '@/profile/u32-list';
import { ByteSink } from './byte-sink';
import { type FrameColumns, NONE } from './protocol';

export class FrameRows {
  readonly #text: ByteSink;
  readonly #textEnds = new U32List();
  readonly #textIndices = new Map<string, number>();
  readonly #rows = new Map<string, number>();
  readonly #functionName = new U32List();
  readonly #file = new U32List();
  readonly #line = new U32List();
  readonly #outer = new U32List();
  readonly #kernelModule = new U32List();

  /** For the answer to a request with so many addresses. */
  constructor(addresses: number) {
    this.#text = new ByteSink(addresses * 40);
  }

  /**
   * A new row for a frame that is known by its name alone, which starts at `from` and ends at the next zero: for callers
   * that know which names they have added.
   */
  appendBytes(bytes: Uint8Array, from: number): number {
    this.#text.appendUntilZero(bytes, from);
    return this.#append(this.#textEnds.push(this.#text.length), NONE);
  }

  /** The same with a name that is text. */
  append(functionName: string, kernelModule?: string): number {
    this.#text.appendText(functionName);
    const name = this.#textEnds.push(this.#text.length);
    return this.#append(name, kernelModule === undefined ? NONE : this.#textOf(kernelModule));
  }

  /** The row of a frame in source code; `line` is 0 where unknown, `outer` the row that it is inlined into or NONE. */
  add(functionName: string, file: string | undefined, line: number, outer: number): number {
    const name = this.#textOf(functionName);
    const fileIndex = file === undefined ? NONE : this.#textOf(file);
    const key = `${name} ${fileIndex} ${line} ${outer}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.#append(name, NONE);
      this.#file.values[row] = fileIndex;
      this.#line.values[row] = line;
      this.#outer.values[row] = outer;
      this.#rows.set(key, row);
    }
    return row;
  }

  /** The answer, of which nothing is shared with anything else; `frame[i]` is the row of the request's address i, or NONE. */
  finish(frame: Uint32Array): FrameColumns {
    const column = ({ values, length }: U32List): Uint32Array => values.subarray(0, length);
    return {
      text: this.#text.bytes.subarray(0, this.#text.length),
      textEnds: column(this.#textEnds),
      functionName: column(this.#functionName),
      file: column(this.#file),
      line: column(this.#line),
      outer: column(this.#outer),
      kernelModule: column(this.#kernelModule),
      frame,
    };
  }

  #append(name: number, kernelModule: number): number {
    this.#file.push(NONE);
    this.#line.push(0);
    this.#outer.push(NONE);
    this.#kernelModule.push(kernelModule);
    return this.#functionName.push(name);
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
  readonly #ends: Uint32Array;

  constructor({ text, textEnds }: FrameColumns) {
    this.#text = Buffer.from(text.buffer, text.byteOffset, text.length);
    this.#ends = textEnds;
  }

  at(index: number): string {
    return this.#text.toString('utf8', index === 0 ? 0 : this.#ends[index - 1], this.#ends[index]);
  }
}
