/**
 * Where functions are of which a name was asked before: other addresses in them have the same name, without a question to
 * the worker, whose thread it costs more to wake than to look an address up. Only functions of which nothing but the name
 * can be known: where debug information says more, each address has an answer of its own.
 */
import type { SymbolizedFrame } from './protocol';
import { lastAtOrBelow } from './sorted-order';

/** Of all modules together; about 150 bytes each, the name included. When there are more, all are learned anew. */
const MAX_FUNCTIONS = 50_000;

/** Functions of one module: disjoint ranges [start, end) of file offsets, or of kernel addresses, rising. */
interface Ranges {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly frames: readonly SymbolizedFrame[];
}

const NONE_KNOWN: Ranges = { starts: new Float64Array(0), ends: new Float64Array(0), frames: [] };

/** A function that has just been named. */
export interface NamedFunction {
  readonly start: number;
  readonly end: number;
  readonly frame: SymbolizedFrame;
}

export class KnownFunctions {
  readonly #modules = new Map<string, Ranges>();
  #count = 0;

  /** What is at the address; undefined where that is not known. */
  find(key: string, address: number): SymbolizedFrame | undefined {
    const ranges = this.#modules.get(key);
    if (ranges === undefined) return undefined;
    const at = lastAtOrBelow(ranges.starts, address);
    return at >= 0 && address < ranges.ends[at] ? ranges.frames[at] : undefined;
  }

  /** Those that start where one does that is known take its place. False where others had to be forgotten for them. */
  add(key: string, functions: readonly NamedFunction[]): boolean {
    if (functions.length === 0) return true;
    const isFull = this.#count > 0 && this.#count + functions.length > MAX_FUNCTIONS;
    if (isFull) this.clear();
    const known = this.#modules.get(key) ?? NONE_KNOWN;
    const merged = merge(known, functions);
    this.#modules.set(key, merged);
    this.#count += merged.frames.length - known.frames.length;
    return !isFull;
  }

  /** Its names may be others now. */
  forget(key: string): void {
    this.#count -= this.#modules.get(key)?.frames.length ?? 0;
    this.#modules.delete(key);
  }

  clear(): void {
    this.#modules.clear();
    this.#count = 0;
  }
}

/** What is known is copied in one go: mostly it is far more than what is added. */
function merge(known: Ranges, functions: readonly NamedFunction[]): Ranges {
  const added = [...functions].sort((a, b) => a.start - b.start);
  const starts = new Float64Array(known.starts.length + added.length);
  const ends = new Float64Array(starts.length);
  const frames: SymbolizedFrame[] = [];
  let next = 0;
  const takeKnown = (end: number): void => {
    starts.set(known.starts.subarray(next, end), frames.length);
    ends.set(known.ends.subarray(next, end), frames.length);
    for (; next < end; next++) frames.push(known.frames[next]);
  };
  for (const [i, { start, end, frame }] of added.entries()) {
    if (i + 1 < added.length && added[i + 1].start === start) continue;
    const before = lastAtOrBelow(known.starts, start);
    const isKnown = before >= 0 && known.starts[before] === start;
    takeKnown(isKnown ? before : before + 1);
    if (isKnown) next++;
    starts[frames.length] = start;
    ends[frames.length] = end;
    frames.push(frame);
  }
  takeKnown(known.frames.length);
  return { starts: starts.slice(0, frames.length), ends: ends.slice(0, frames.length), frames };
}
