/** The page's copy of the worker's labels: columns that grow as the worker sends more. */
import { LabelColumns, type LabelIndex, type LabelRows } from '@/profile/labels';

export class ReceivedLabels extends LabelColumns {
  /** The texts that came first, most of all where a profile is opened: parts of one string, which take no memory until they are drawn. */
  #first = '';
  #firstEnd: Uint32Array = new Uint32Array(0);
  readonly #more: string[] = [];

  get length(): number {
    return this.#firstEnd.length + this.#more.length;
  }

  textOf(label: LabelIndex): string {
    const end = this.#firstEnd;
    return label < end.length
      ? this.#first.slice(end[label - 1] ?? 0, end[label])
      : this.#more[label - end.length];
  }

  /** Takes the rows' columns, where they are the first. Throws RangeError where labels between these and the new ones are missing. */
  append(rows: LabelRows): void {
    const { base, text, textEnd } = rows;
    if (base !== this.length)
      throw new RangeError(`labels continue at ${base}, expected ${this.length}`);
    const modules = rows.modules.map((module) => this.indexOfModule(module));
    if (base === 0) {
      this.#first = text;
      this.#firstEnd = textEnd;
      this.kind = rows.kind;
      this.inlined = rows.inlined;
      this.named = rows.named;
      this.outOfLine = rows.outOfLine;
      this.module = rows.module;
      return;
    }
    this.reserve(base + textEnd.length);
    this.kind.set(rows.kind, base);
    this.inlined.set(rows.inlined, base);
    this.named.set(rows.named, base);
    this.outOfLine.set(rows.outOfLine, base);
    for (let i = 0; i < textEnd.length; i++) {
      this.#more.push(text.slice(textEnd[i - 1] ?? 0, textEnd[i]));
      this.module[base + i] = modules[rows.module[i]];
    }
  }
}
