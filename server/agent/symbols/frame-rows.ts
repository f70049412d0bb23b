/** Collects the distinct frames of one answer as columns; see FrameColumns. */
import { type FrameColumns, NONE } from './protocol';

export class FrameRows {
  readonly #strings: string[] = [];
  readonly #stringIndices = new Map<string, number>();
  readonly #rows = new Map<string, number>();
  readonly #functionName: number[] = [];
  readonly #file: number[] = [];
  readonly #line: number[] = [];
  readonly #outer: number[] = [];
  readonly #kernelModule: number[] = [];

  /** A new row for a frame that is known by its name alone: for callers that know which names they have added. */
  append(functionName: string, kernelModule?: string): number {
    this.#file.push(NONE);
    this.#line.push(0);
    this.#outer.push(NONE);
    this.#kernelModule.push(kernelModule === undefined ? NONE : this.#string(kernelModule));
    return this.#functionName.push(this.#strings.push(functionName) - 1) - 1;
  }

  /** The row of a frame in source code; `line` is 0 where unknown, `outer` the row that it is inlined into or NONE. */
  add(functionName: string, file: string | undefined, line: number, outer: number): number {
    const name = this.#string(functionName);
    const fileIndex = file === undefined ? NONE : this.#string(file);
    const key = `${name} ${fileIndex} ${line} ${outer}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.#functionName.push(name) - 1;
      this.#file.push(fileIndex);
      this.#line.push(line);
      this.#outer.push(outer);
      this.#kernelModule.push(NONE);
      this.#rows.set(key, row);
    }
    return row;
  }

  /** The answer; `frame[i]` is the row of the request's address i, or NONE. */
  finish(frame: Uint32Array): FrameColumns {
    return {
      strings: this.#strings,
      functionName: Uint32Array.from(this.#functionName),
      file: Uint32Array.from(this.#file),
      line: Uint32Array.from(this.#line),
      outer: Uint32Array.from(this.#outer),
      kernelModule: Uint32Array.from(this.#kernelModule),
      frame,
    };
  }

  #string(text: string): number {
    let index = this.#stringIndices.get(text);
    if (index === undefined) {
      index = this.#strings.push(text) - 1;
      this.#stringIndices.set(text, index);
    }
    return index;
  }
}
