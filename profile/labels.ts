/**
 * Labels: what the nodes of call trees are called. A label is one integer, and keeps its index for the life of its
 * table, also when symbols come late, so that it can be sent to a page once (`since`).
 */
import { giveBack, resized } from './resized';
import { FrameKind, NONE } from './schema';
import { U32List } from './u32-list';

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

/** Labels as columns, each by label. They are longer than `length`, and replaced when labels come: not to be kept. */
export interface Labels {
  readonly length: number;
  /** LabelKind */
  readonly kind: Uint8Array;
  /** 1 or 0, as are the next. */
  readonly inlined: Uint8Array;
  readonly named: Uint8Array;
  /** The label of the same function where it was not inlined; the label itself for all others. */
  readonly outOfLine: Uint32Array;
  textOf(label: LabelIndex): string;
  moduleOf(label: LabelIndex): string;
}

/** The labels from `base` on: plain data, as messages between threads carry it. Columns are exactly as long as there are labels. */
export interface LabelRows {
  readonly base: LabelIndex;
  /** All texts one after the other, and where each ends: thousands of strings would each be made anew by who receives them. */
  readonly text: string;
  readonly textEnd: Uint32Array<ArrayBuffer>;
  /** The modules that there are in these rows, and which is whose. */
  readonly modules: readonly string[];
  readonly module: Uint32Array<ArrayBuffer>;
  readonly kind: Uint8Array<ArrayBuffer>;
  readonly inlined: Uint8Array<ArrayBuffer>;
  readonly named: Uint8Array<ArrayBuffer>;
  readonly outOfLine: Uint32Array<ArrayBuffer>;
}

/** What is known of labels but their texts. */
export abstract class LabelColumns implements Labels {
  kind = new Uint8Array(0);
  inlined = new Uint8Array(0);
  named = new Uint8Array(0);
  outOfLine = new Uint32Array(0);
  /** Which of the modules. */
  protected module = new Uint32Array(0);
  protected readonly modules: string[] = [];
  readonly #indexOfModule = new Map<string, number>();

  abstract readonly length: number;
  abstract textOf(label: LabelIndex): string;

  moduleOf(label: LabelIndex): string {
    return this.modules[this.module[label]];
  }

  protected indexOfModule(module: string): number {
    let index = this.#indexOfModule.get(module);
    if (index === undefined) {
      index = this.modules.push(module) - 1;
      this.#indexOfModule.set(module, index);
    }
    return index;
  }

  /** Room for so many labels. */
  protected get room(): number {
    return this.kind.length;
  }

  protected resize(room: number): void {
    this.kind = resized(this.kind, room);
    this.inlined = resized(this.inlined, room);
    this.named = resized(this.named, room);
    this.outOfLine = resized(this.outOfLine, room);
    this.module = resized(this.module, room);
  }

  protected reserve(length: number): void {
    if (length > this.room) this.resize(Math.max(length, this.room * 2, 64));
  }
}

export class LabelTable extends LabelColumns {
  readonly #texts: string[] = [];
  /** The first label of each text, and by label the next of the same text, NONE after the last. */
  #byText = new Map<string, LabelIndex>();
  #nextOfText = new U32List();
  /** By label: its place in the order of names. */
  #ranks: Uint32Array = new Uint32Array(0);

  get length(): number {
    return this.#texts.length;
  }

  textOf(label: LabelIndex): string {
    return this.#texts[label];
  }

  intern(label: Label): LabelIndex {
    if (this.#nextOfText.length < this.length) this.#index();
    const first = this.#byText.get(label.text) ?? NONE;
    for (let at = first; at !== NONE; at = this.#nextOfText.values[at])
      if (this.#is(at, label)) return at;
    const twin = label.inlined ? this.intern({ ...label, inlined: false }) : this.length;
    const index = this.length;
    this.#push(label, twin);
    this.#index();
    return index;
  }

  /** Gives back the room for more, and what finds labels by their texts: it is made again when there is one to intern. */
  trim(): void {
    this.#byText = new Map();
    this.#nextOfText = new U32List();
    this.resize(this.length);
  }

  /** Makes the last labels known by their texts. */
  #index(): void {
    for (let label = this.#nextOfText.length; label < this.length; label++) {
      const text = this.#texts[label];
      this.#nextOfText.push(this.#byText.get(text) ?? NONE);
      this.#byText.set(text, label);
    }
  }

  /** The labels from `base` on, copied. */
  since(base: LabelIndex): LabelRows {
    const { length } = this;
    const texts = this.#texts.slice(base);
    const textEnd = new Uint32Array(texts.length);
    const modules: string[] = [];
    const ownOf = new Map<number, number>();
    const module = this.module.slice(base, length);
    for (let i = 0, end = 0; i < texts.length; i++) {
      end += texts[i].length;
      textEnd[i] = end;
      let own = ownOf.get(module[i]);
      if (own === undefined) {
        own = modules.push(this.modules[module[i]]) - 1;
        ownOf.set(module[i], own);
      }
      module[i] = own;
    }
    return {
      base,
      text: texts.join(''),
      textEnd,
      modules,
      module,
      kind: this.kind.slice(base, length),
      inlined: this.inlined.slice(base, length),
      named: this.named.slice(base, length),
      outOfLine: this.outOfLine.slice(base, length),
    };
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
    this.#ranks = resized(this.#ranks, length);
    for (let rank = 0; rank < length; rank++) this.#ranks[order[rank]] = rank;
    giveBack(old, added, order);
    return this.#ranks;
  }

  #is(index: LabelIndex, { kind, inlined, named, module }: Label): boolean {
    return (
      this.kind[index] === kind &&
      (this.inlined[index] === 1) === inlined &&
      (this.named[index] === 1) === named &&
      this.moduleOf(index) === module
    );
  }

  #compare(a: LabelIndex, b: LabelIndex): number {
    const texts = this.#texts;
    if (texts[a] !== texts[b]) return texts[a] < texts[b] ? -1 : 1;
    const moduleA = this.moduleOf(a);
    const moduleB = this.moduleOf(b);
    if (moduleA !== moduleB) return moduleA < moduleB ? -1 : 1;
    const { kind, inlined } = this;
    if (kind[a] !== kind[b]) return kind[a] - kind[b];
    return inlined[a] === inlined[b] ? a - b : inlined[a] - inlined[b];
  }

  #push(label: Label, twin: LabelIndex): void {
    const index = this.#texts.push(label.text) - 1;
    this.reserve(this.length);
    this.kind[index] = label.kind;
    this.inlined[index] = label.inlined ? 1 : 0;
    this.named[index] = label.named ? 1 : 0;
    this.outOfLine[index] = twin;
    this.module[index] = this.indexOfModule(label.module);
  }
}
