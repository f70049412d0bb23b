/** The page's copy of the worker's labels: columns that grow as the worker sends more. */
import type { LabelIndex, LabelKind, LabelRows, Labels } from '@/profile/labels';

export class ReceivedLabels implements Labels {
  text: string[] = [];
  module: string[] = [];
  kind: LabelKind[] = [];
  inlined: boolean[] = [];
  named: boolean[] = [];
  outOfLine: LabelIndex[] = [];

  get length(): number {
    return this.text.length;
  }

  /** Takes the rows' arrays, where they are the first. Throws RangeError where labels between these and the new ones are missing. */
  append(rows: LabelRows): void {
    if (rows.base !== this.length)
      throw new RangeError(`labels continue at ${rows.base}, expected ${this.length}`);
    if (this.length === 0) {
      const { text, module, kind, inlined, named, outOfLine } = rows;
      Object.assign(this, { text, module, kind, inlined, named, outOfLine });
      return;
    }
    for (let i = 0; i < rows.text.length; i++) {
      this.text.push(rows.text[i]);
      this.module.push(rows.module[i]);
      this.kind.push(rows.kind[i]);
      this.inlined.push(rows.inlined[i]);
      this.named.push(rows.named[i]);
      this.outOfLine.push(rows.outOfLine[i]);
    }
  }
}
