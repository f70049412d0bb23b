/** The demangled names of one module, numbered as they were asked for: what has been sent is known by its number. */
import { threadId } from 'node:worker_threads';
import { U32List } from '@/profile/u32-list';
import { ByteSink } from './byte-sink';
import type { FrameColumns, SentNames } from './protocol';

/** Others than those of another worker in this process, which may have come before. */
let generations = threadId * 2 ** 32;

export class NameList {
  readonly generation = ++generations;
  readonly #text = new ByteSink(0);
  readonly #ends = new U32List();
  /** As in FrameColumns, of all. */
  #extents = new Float64Array(128);

  /** Appends what `write` appends to the sink; returns its number. `extent`: of the code that has this name. */
  add(
    write: (sink: ByteSink) => void,
    extent: readonly [start: number, end: number] = [Number.NaN, Number.NaN],
  ): number {
    write(this.#text);
    const name = this.#ends.push(this.#text.length);
    if (2 * name >= this.#extents.length) {
      const grown = new Float64Array(this.#extents.length * 2);
      grown.set(this.#extents);
      this.#extents = grown;
    }
    this.#extents.set(extent, 2 * name);
    return name;
  }

  /** Those from this number on, as in FrameColumns: a copy. */
  from(first: number): Pick<FrameColumns, 'nameText' | 'nameEnds' | 'nameExtents'> {
    const ends = this.#ends.values;
    const start = first === 0 ? 0 : ends[first - 1];
    const nameEnds = ends.slice(first, this.#ends.length);
    for (let i = 0; i < nameEnds.length; i++) nameEnds[i] -= start;
    return {
      nameText: this.#text.bytes.slice(start, this.#text.length),
      nameEnds,
      nameExtents: this.#extents.slice(2 * first, 2 * this.#ends.length),
    };
  }

  get all(): SentNames {
    return { generation: this.generation, count: this.#ends.length };
  }

  /** Of the text. */
  get length(): number {
    return this.#text.length;
  }

  /** What it takes in memory. */
  get bytes(): number {
    return this.#text.bytes.length + this.#ends.values.byteLength + this.#extents.byteLength;
  }
}
