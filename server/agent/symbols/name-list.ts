/** The demangled names of one module, numbered as they were asked for: what has been sent is known by its number. */
import { threadId } from 'node:worker_threads';
import { U32List } from '@/profile/u32-list';
import { ByteSink } from './byte-sink';
import type { SentNames } from './protocol';

/** Others than those of another worker in this process, which may have come before. */
let generations = threadId * 2 ** 32;

export class NameList {
  readonly generation = ++generations;
  readonly #text = new ByteSink(0);
  readonly #ends = new U32List();

  /** Appends what `write` appends to the sink; returns its number. */
  add(write: (sink: ByteSink) => void): number {
    write(this.#text);
    return this.#ends.push(this.#text.length);
  }

  copyTo(sink: ByteSink, name: number): void {
    const start = name === 0 ? 0 : this.#ends.values[name - 1];
    sink.appendFrom(this.#text, start, this.#ends.values[name]);
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
    return this.#text.bytes.length + this.#ends.values.byteLength;
  }
}
