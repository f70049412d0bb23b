/**
 * Labels: what the nodes of call trees are called. A label is one integer, and keeps its index for the life of its
 * table, also when symbols come late, so that it can be sent to a page once (`since`, `append`).
 */
import { FrameKind, NONE } from './schema';

/** A label's kind: that of its frames, or one of the nodes that are no code. */
export const LabelKind = { ...FrameKind, Process: 16, Root: 17, Lost: 18 } as const;
export type LabelKind = (typeof LabelKind)[keyof typeof LabelKind];

export type LabelIndex = number & { readonly __table?: 'labels' };

export interface Label {
  readonly text: string;
  /** As `moduleName` gives it; '' where there is none. */
  readonly module: string;
  readonly kind: LabelKind;
  /** The function was inlined into its parent. */
  readonly inlined: boolean;
  /** As `hasName`. */
  readonly named: boolean;
}

/** Labels as columns. Those of a `LabelTable` grow in place. */
export interface Labels {
  readonly length: number;
  readonly text: readonly string[];
  readonly module: readonly string[];
  readonly kind: readonly LabelKind[];
  readonly inlined: readonly boolean[];
  readonly named: readonly boolean[];
  /** The label of the same function where it was not inlined; the label itself for all others. */
  readonly outOfLine: readonly LabelIndex[];
}

/** The labels from `base` on: plain data, as messages between threads carry it. */
export interface LabelRows extends Omit<Labels, 'length'> {
  readonly base: LabelIndex;
}

export class LabelTable implements Labels {
  readonly text: string[] = [];
  readonly module: string[] = [];
  readonly kind: LabelKind[] = [];
  readonly inlined: boolean[] = [];
  readonly named: boolean[] = [];
  readonly outOfLine: LabelIndex[] = [];
  /** The first label of each text, and by label the next of the same text, NONE after the last. */
  #byText = new Map<string, LabelIndex>();
  #nextOfText: LabelIndex[] = [];
  /** By label: its place in the order of names. */
  #ranks: Uint32Array = new Uint32Array(0);

  get length(): number {
    return this.text.length;
  }

  intern(label: Label): LabelIndex {
    if (this.#nextOfText.length < this.length) this.#index();
    const first = this.#byText.get(label.text) ?? NONE;
    for (let at = first; at !== NONE; at = this.#nextOfText[at]) if (this.#is(at, label)) return at;
    const twin = label.inlined ? this.intern({ ...label, inlined: false }) : this.length;
    const index = this.length;
    this.#push(label, twin);
    this.#index();
    return index;
  }

  /** Gives back what finds labels by their texts: it is made again when there is one to intern. */
  trim(): void {
    this.#byText = new Map();
    this.#nextOfText = [];
  }

  /** Makes the last labels known by their texts. */
  #index(): void {
    for (let label = this.#nextOfText.length; label < this.length; label++) {
      const text = this.text[label];
      this.#nextOfText.push(this.#byText.get(text) ?? NONE);
      this.#byText.set(text, label);
    }
  }

  /** The labels from `base` on, copied. */
  since(base: LabelIndex): LabelRows {
    return {
      base,
      text: this.text.slice(base),
      module: this.module.slice(base),
      kind: this.kind.slice(base),
      inlined: this.inlined.slice(base),
      named: this.named.slice(base),
      outOfLine: this.outOfLine.slice(base),
    };
  }

  /** Appends what `since(this.length)` of the other thread's table gave; rows that are here already are passed over. */
  append(rows: LabelRows): void {
    if (rows.base > this.length)
      throw new RangeError(`labels continue at ${rows.base}, expected ${this.length}`);
    for (let i = this.length - rows.base; i < rows.text.length; i++) {
      this.intern({
        text: rows.text[i],
        module: rows.module[i],
        kind: rows.kind[i],
        inlined: rows.inlined[i],
        named: rows.named[i],
      });
    }
  }

  /**
   * Each label's place in the order of names (code units of the text, then module, kind, inlined): what siblings are
   * sorted by. Not to be kept: it changes when labels come.
   */
  ranks(): Uint32Array {
    const { length } = this;
    if (this.#ranks.length === length) return this.#ranks;
    const old = new Uint32Array(this.#ranks.length);
    for (let label = 0; label < old.length; label++) old[this.#ranks[label]] = label;
    const added = Uint32Array.from({ length: length - old.length }, (_, i) => old.length + i);
    added.sort((a, b) => this.#compare(a, b));
    const order = new Uint32Array(length);
    for (let to = 0, i = 0, j = 0; to < length; to++) {
      const takeOld = j === added.length || (i < old.length && this.#compare(old[i], added[j]) < 0);
      order[to] = takeOld ? old[i++] : added[j++];
    }
    this.#ranks = new Uint32Array(length);
    for (let rank = 0; rank < length; rank++) this.#ranks[order[rank]] = rank;
    return this.#ranks;
  }

  #is(index: LabelIndex, { kind, inlined, named, module }: Label): boolean {
    return (
      this.kind[index] === kind &&
      this.inlined[index] === inlined &&
      this.named[index] === named &&
      this.module[index] === module
    );
  }

  #compare(a: LabelIndex, b: LabelIndex): number {
    const { text, module, kind, inlined } = this;
    if (text[a] !== text[b]) return text[a] < text[b] ? -1 : 1;
    if (module[a] !== module[b]) return module[a] < module[b] ? -1 : 1;
    if (kind[a] !== kind[b]) return kind[a] - kind[b];
    return inlined[a] === inlined[b] ? a - b : inlined[a] ? 1 : -1;
  }

  #push(label: Label, twin: LabelIndex): void {
    this.text.push(label.text);
    this.module.push(label.module);
    this.kind.push(label.kind);
    this.inlined.push(label.inlined);
    this.named.push(label.named);
    this.outOfLine.push(twin);
  }
}
