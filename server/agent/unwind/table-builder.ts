/** Makes rows and pages of rules that come in ascending order of their addresses. */
import {
  FpRule,
  fpRuleOf,
  PAGE_SHIFT,
  RaRule,
  RuleKind,
  SpecialRule,
  UNSUPPORTED_REASONS,
  type UnwindCounts,
  type UnwindMachine,
  type UnwindTable,
} from './format';
import { MACHINES } from './machine';
import { RuleSet } from './rule-set';
import { UnwindError } from './unwind-error';

const PAGE_BYTES = 2 ** PAGE_SHIFT;
/** 4 GiB from the first to the last instruction: no program has more, but hostile files say so. */
export const MAX_PAGES = 2 ** 16;

export class TableBuilder {
  readonly rules = new RuleSet();
  readonly #maxRows: number;
  readonly #origin: number;
  #rows: Uint32Array<ArrayBuffer>;
  #rowCount = 0;
  #pages = new Uint32Array(64);
  #pageCount = 0;
  #basePage = 0;
  /** First address of the last page. */
  #pageStart = 0;
  /** Where `begin` was, and the last row, both from the last page's start; -1: no row that could be written over. */
  #base = 0;
  #lastLow = -1;
  #lastRule: number = SpecialRule.NoRow;

  /**
   * `origin`: what the addresses that are given are relative to; the start of a page. `expectedRows`: how many there may
   * be; there is room for more.
   */
  constructor(maxRows: number, origin = 0, expectedRows = 0) {
    this.#maxRows = maxRows;
    this.#rows = new Uint32Array(Math.max(4096, Math.min(expectedRows, maxRows)));
    this.#origin = origin;
  }

  /** Offsets of `add` are from this address on. */
  begin(address: number): void {
    if (this.#pageCount === 0) {
      const page = Math.floor(address / PAGE_BYTES);
      this.#basePage = (page + this.#origin / PAGE_BYTES) >>> 0;
      this.#pageStart = (page - 1) * PAGE_BYTES;
    }
    const base = address - this.#pageStart;
    if (base >= PAGE_BYTES) this.#openPages(Math.floor(base / PAGE_BYTES));
    this.#base = address - this.#pageStart;
  }

  /** From `begin`'s address + `offset` on, until the next call, `rule` holds. Addresses ascend; of equal ones the last counts. */
  add(offset: number, rule: number): void {
    if (rule === this.#lastRule) return;
    let low = this.#base + offset;
    if (low >= PAGE_BYTES) {
      this.#openPages(low >>> PAGE_SHIFT);
      low = this.#base + offset;
    }
    const first = this.#pages[this.#pageCount - 1];
    if (low === this.#lastLow || (low === 0 && this.#rowCount === first + 1)) {
      // The row that is there has no length. Without it, the one before may say the same as the new one already.
      const last = --this.#rowCount - 1;
      if (last >= first && (this.#rows[last] & 0xffff) === rule) {
        this.#lastRule = rule;
        this.#lastLow = this.#rows[last] >>> 16;
        return;
      }
    }
    this.#push(low, rule);
    this.#lastRule = rule;
    this.#lastLow = low;
  }

  addAt(address: number, rule: number): void {
    if (rule === this.#lastRule) return;
    this.begin(address);
    this.add(0, rule);
  }

  /** `end`: behind the last address that has a rule. */
  finish(
    machine: UnwindMachine,
    buildId: string,
    end: number,
    fdes: { readonly used: number; readonly skipped: number },
  ): UnwindTable {
    if (this.#pageCount > 0) this.#endAt(end);
    const rows = this.#rows.slice(0, this.#rowCount);
    const pages = new Uint32Array(this.#pageCount + 1);
    pages.set(this.#pages.subarray(0, this.#pageCount));
    pages[this.#pageCount] = this.#rowCount;
    const rules = this.rules.toArray();
    const { baseRegister } = MACHINES[machine];
    const isLeafOnly = (kind: number, parameter: number): boolean =>
      kind === RuleKind.CfaRegister && (parameter & 0xff) !== baseRegister;
    const counts = countRows(rows, rules, fdes, isLeafOnly);
    return { machine, buildId, basePage: this.#basePage, pages, rows, rules, counts };
  }

  /** The last row's code may go on over page ends; each of those pages needs a row that says so. */
  #endAt(end: number): void {
    this.begin(end - 1);
    if (end < this.#pageStart + PAGE_BYTES) this.addAt(end, SpecialRule.NoRow);
  }

  /** Opens the next `count` pages, and moves `#base` with them. The last rule holds at their starts. */
  #openPages(count: number): void {
    if (this.#pageCount + count > MAX_PAGES)
      throw UnwindError.tooLarge(`${MAX_PAGES} pages of 64 KiB`);
    for (let i = 0; i < count; i++) {
      if (this.#pageCount === this.#pages.length) this.#pages = doubled(this.#pages);
      this.#pages[this.#pageCount++] = this.#rowCount;
      this.#push(0, this.#lastRule);
    }
    this.#pageStart += count * PAGE_BYTES;
    this.#base -= count * PAGE_BYTES;
    this.#lastLow = -1;
  }

  #push(low: number, rule: number): void {
    if (this.#rowCount === this.#maxRows) throw UnwindError.tooLarge(`${this.#maxRows} rows`);
    if (this.#rowCount === this.#rows.length) this.#rows = doubled(this.#rows);
    this.#rows[this.#rowCount++] = (low << 16) | rule;
  }
}

function doubled(from: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(from.length * 2);
  to.set(from);
  return to;
}

function countRows(
  rows: Uint32Array,
  rules: Uint32Array,
  fdes: { readonly used: number; readonly skipped: number },
  isLeafOnly: (kind: number, parameter: number) => boolean,
): UnwindCounts {
  // First how many rows each rule has: a loop without branches, which is over before V8 has compiled another.
  const rowsOfRule = new Uint32Array(rules.length / 2);
  for (let i = 0; i < rows.length; i++) rowsOfRule[rows[i] & 0xffff]++;
  const unsupportedRows = UNSUPPORTED_REASONS.map(() => 0);
  let leafRows = 0;
  let lostFpRows = 0;
  rowsOfRule.forEach((count, rule) => {
    const low = rules[rule * 2];
    const kind = low & 0xff;
    if (kind === RuleKind.Unsupported) unsupportedRows[low >>> 16] += count;
    else if (isLeafOnly(kind, rules[rule * 2 + 1]) || ((low >>> 12) & 15) === RaRule.Register) {
      leafRows += count;
    }
    if (fpRuleOf(low) === FpRule.Unknown) lostFpRows += count;
  });
  return { fdes: fdes.used, skippedFdes: fdes.skipped, leafRows, lostFpRows, unsupportedRows };
}
