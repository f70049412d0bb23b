/**
 * Flattens symbols, which overlap in real files (aliases, labels inside of functions, cold parts), into disjoint
 * ranges, each with the one name that is best there, or none:
 *
 *   symbols   |---- memcpy (0x100) ----|            starts   0       0x20       0x40    0x100  0x110
 *                  |-- copy_tail --|         ->     names    memcpy  copy_tail  memcpy  none   puts
 *             |- __memcpy (weak, same) |
 */
import { NONE } from './protocol';
import { sortPairs } from './sorted-order';

/** Ranks of symbols, higher is better; ORed together. Without Sized, a symbol reaches to the next one at most. */
export const Rank = { Weak: 0, Local: 1, Global: 2, Function: 4, Sized: 8 } as const;

/** Columns of equal length, of which the first `length` values count. */
export interface SymbolColumns {
  /** The index and the start of each, interleaved: as they are sorted. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Exclusive; for symbols without a size, where they end at the latest. */
  readonly end: Uint32Array;
  readonly name: Uint32Array;
  readonly rank: Uint8Array;
}

export interface Ranges {
  /** Rising; each range ends where the next starts. */
  readonly starts: Uint32Array;
  /** NONE for a gap. */
  readonly names: Uint32Array;
}

/**
 * `preferName(a, b)` is negative where b is the better one of two names of equal rank for the same address. Sorts
 * `symbols.starts`, and changes where symbols without a size end.
 */
export function disjointRanges(
  symbols: SymbolColumns,
  length: number,
  preferName: (a: number, b: number) => number,
): Ranges {
  const sweep = new Sweep(symbols, length, preferName);
  sweep.run();
  return {
    starts: sweep.starts.slice(0, sweep.length),
    names: sweep.names.slice(0, sweep.length),
  };
}

class Sweep {
  readonly starts: Uint32Array;
  readonly names: Uint32Array;
  length = 0;
  readonly #symbols: SymbolColumns;
  readonly #count: number;
  readonly #preferName: (a: number, b: number) => number;
  /** The functions that are open at the sweep's position, innermost last; each ends before the one below it does. */
  readonly #open: number[] = [];
  /** Those that start at the sweep's position. */
  readonly #group: number[] = [];

  constructor(
    symbols: SymbolColumns,
    length: number,
    preferName: (a: number, b: number) => number,
  ) {
    this.#symbols = symbols;
    this.#count = length;
    sortPairs(symbols.starts, length);
    this.#preferName = preferName;
    this.starts = new Uint32Array(length * 2 + 1);
    this.names = new Uint32Array(length * 2 + 1);
  }

  run(): void {
    const { starts: sorted } = this.#symbols;
    const count = this.#count;
    for (let i = 0; i < count; ) {
      this.#closeUntil(sorted[2 * i + 1]);
      if (this.#open.length === 0) i = this.#addApart(i);
      if (i < count) i = this.#openAt(i);
    }
    this.#closeUntil(NONE);
  }

  /**
   * Adds a run of symbols with sizes that touch no other, but for those of the same code; most are so. Returns the index
   * of the first that is not. Small, because it must compile fast.
   */
  #addApart(from: number): number {
    const { starts: sorted, end: endOf, name: nameOf, rank: rankOf } = this.#symbols;
    const [starts, names] = [this.starts, this.names];
    const last = 2 * this.#count;
    let length = this.length;
    let i = 2 * from;
    while (i < last) {
      let symbol = sorted[i];
      if (!(rankOf[symbol] & Rank.Sized)) break;
      const start = sorted[i + 1];
      const end = endOf[symbol];
      let to = i + 2;
      let next = to < last ? sorted[to + 1] : NONE;
      while (next === start) {
        const alias = sorted[to];
        if (endOf[alias] !== end || !(rankOf[alias] & Rank.Sized)) break;
        if (this.#compare(symbol, alias) < 0) symbol = alias;
        to += 2;
        next = to < last ? sorted[to + 1] : NONE;
      }
      if (next < end) break;
      starts[length] = start;
      names[length] = nameOf[symbol];
      // Without a branch: V8 would compile this before it has seen both ways, and then a second time.
      starts[length + 1] = end;
      names[length + 1] = NONE;
      length += end < next ? 2 : 1;
      i = to;
    }
    this.length = length;
    return i / 2;
  }

  /** Functions that end up to `position` reveal what is below them, or a gap. */
  #closeUntil(position: number): void {
    const open = this.#open;
    const { end: endOf, name: nameOf } = this.#symbols;
    while (open.length > 0 && endOf[open[open.length - 1]] <= position) {
      const end = endOf[open.pop()!];
      if (open.length > 0) this.#emit(end, nameOf[open[open.length - 1]]);
      else if (end < position) this.#emit(end, NONE);
    }
  }

  /** Opens the symbols that start where that at `from` does; returns the index behind them. */
  #openAt(from: number): number {
    const { starts: sorted, end: endOf, name: nameOf, rank: rankOf } = this.#symbols;
    const open = this.#open;
    const start = sorted[2 * from + 1];
    let to = from + 1;
    while (to < this.#count && sorted[2 * to + 1] === start) to++;
    const group = this.#worstFirst(from, to);
    const best = group[group.length - 1];
    if (rankOf[best] & Rank.Sized) {
      for (const symbol of group) {
        if (!(rankOf[symbol] & Rank.Sized)) continue;
        // What ends no later than this one does is never seen again.
        while (open.length > 0 && endOf[open[open.length - 1]] <= endOf[symbol]) open.pop();
        open.push(symbol);
      }
    } else if (open.length === 0 || rankOf[best] & Rank.Function) {
      // Without a size: up to the next symbol, or with the function that it is in.
      let end = to < this.#count ? Math.min(endOf[best], sorted[2 * to + 1]) : endOf[best];
      if (open.length > 0 && end >= endOf[open[open.length - 1]]) end = endOf[open.pop()!];
      endOf[best] = end;
      open.push(best);
    } else {
      return to; // A mere label, which does not divide a function that has a size.
    }
    this.#emit(start, nameOf[best]);
    return to;
  }

  #emit(start: number, name: number): void {
    if (this.length > 0 && this.starts[this.length - 1] === start) this.length--;
    this.starts[this.length] = start;
    this.names[this.length++] = name;
  }

  /** The symbols `from` to `to` in order, which have one address, the one to show last. Good until the next call. */
  #worstFirst(from: number, to: number): readonly number[] {
    const group = this.#group;
    group.length = 0;
    for (let i = from; i < to; i++) group.push(this.#symbols.starts[2 * i]);
    // Aliases are few, and then this is quicker than a call to sort.
    if (group.length > 8) return group.sort((a, b) => this.#compare(a, b));
    for (let i = 1; i < group.length; i++) {
      const moved = group[i];
      let at = i;
      for (; at > 0 && this.#compare(group[at - 1], moved) > 0; at--) group[at] = group[at - 1];
      group[at] = moved;
    }
    return group;
  }

  #compare(a: number, b: number): number {
    const { rank, name } = this.#symbols;
    return rank[a] - rank[b] || this.#preferName(name[a], name[b]) || b - a;
  }
}
