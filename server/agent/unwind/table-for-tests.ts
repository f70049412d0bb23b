/** Unwind tables with rows as a test wants them. */
import {
  FpRule,
  PAGE_SHIFT,
  RaRule,
  RuleKind,
  ruleLow,
  SPECIAL_RULES,
  SpecialRule,
  specialRules,
  UNSUPPORTED_REASONS,
  type UnwindTable,
} from './format';

const PAGE_BYTES = 2 ** PAGE_SHIFT;

export interface RowForTests {
  readonly address: number;
  /** The CFA is at this offset from the stack pointer, in bytes; undefined: nothing covers the address. */
  readonly cfaOffset: number | undefined;
}

/** Addresses do not fall, and of equal ones the last counts. From `end` on, which is above them, nothing is covered. */
export function tableOfRows(rows: readonly RowForTests[], end: number, buildId = ''): UnwindTable {
  const rules = [...specialRules()];
  const ruleOf = new Map<number, number>();
  const rulesAt = new Map<number, number>();
  for (const { address, cfaOffset } of rows) {
    let rule: number | undefined = SpecialRule.NoRow;
    if (cfaOffset !== undefined) {
      rule = ruleOf.get(cfaOffset);
      if (rule === undefined) {
        rule = SPECIAL_RULES + ruleOf.size;
        ruleOf.set(cfaOffset, rule);
        rules.push(ruleLow(RuleKind.CfaSp, FpRule.Same, RaRule.BelowCfa, 0), cfaOffset);
      }
    }
    rulesAt.set(address, rule);
  }
  rulesAt.set(end, SpecialRule.NoRow);
  const addresses = [...rulesAt.keys()];
  const basePage = pageOf(addresses[0]);
  const endPage = pageOf(end - 1) + 1;
  const pages: number[] = [];
  const words: number[] = [];
  let [next, rule]: [number, number] = [0, SpecialRule.NoRow];
  for (let page = basePage; page < endPage; page++) {
    pages.push(words.length);
    if (!rulesAt.has(page * PAGE_BYTES)) words.push(rule);
    for (; pageOf(addresses[next]) === page; next++) {
      rule = rulesAt.get(addresses[next]) ?? SpecialRule.NoRow;
      words.push((addresses[next] % PAGE_BYTES) * 65536 + rule);
    }
  }
  pages.push(words.length);
  const unsupportedRows = UNSUPPORTED_REASONS.map(() => 0);
  return {
    machine: 'x86-64',
    buildId,
    basePage,
    pages: Uint32Array.from(pages),
    rows: Uint32Array.from(words),
    rules: Uint32Array.from(rules),
    counts: { fdes: 3, skippedFdes: 1, leafRows: 0, lostFpRows: 0, unsupportedRows },
  };
}

const pageOf = (address: number): number => Math.floor(address / PAGE_BYTES);
