/** Compares a compiled table with what readelf says, row by row. */
import {
  decodeRule,
  FpRule,
  findRule,
  RaRule,
  RuleKind,
  UnsupportedReason,
  type UnwindTable,
} from './format';
import { MACHINES } from './machine';
import type { ReadelfFrame, ReadelfRow } from './readelf-for-tests';

const REGISTERS = [
  'rax',
  'rdx',
  'rcx',
  'rbx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
]; // in DWARF's order

export interface Comparison {
  frames: number;
  rows: number;
  /** Rows of frames that begin within another, where either may be right. */
  overlapping: number;
  /** Rows that the table says it can't follow, or in the leaf frame only, by reason. */
  readonly unfollowed: Map<string, number>;
  /** What is not as readelf says; the first few. */
  readonly differences: string[];
  differenceCount: number;
}

export const emptyComparison = (): Comparison => ({
  frames: 0,
  rows: 0,
  overlapping: 0,
  unfollowed: new Map(),
  differences: [],
  differenceCount: 0,
});

/** x86-64 only. Both ends of each row's addresses are looked up, as BPF does. */
export function compareFrame(
  table: UnwindTable,
  frame: ReadelfFrame,
  next: ReadelfFrame | undefined,
  result: Comparison,
): void {
  result.frames++;
  frame.rows.forEach((row, index) => {
    const end = Math.min(frame.rows[index + 1]?.address ?? frame.end, frame.end);
    if (end <= row.address) return;
    if (next !== undefined && next.start < end) {
      result.overlapping++;
      return;
    }
    result.rows++;
    for (const address of [row.address, end - 1]) {
      const problem = compareRow(table, address, row, result);
      if (problem === undefined) continue;
      result.differenceCount++;
      if (result.differences.length < 10) {
        result.differences.push(`${address.toString(16)}: ${problem}`);
      }
    }
  });
}

/** What is wrong, undefined if nothing is. */
function compareRow(
  table: UnwindTable,
  address: number,
  row: ReadelfRow,
  result: Comparison,
): string | undefined {
  const rule = decodeRule(table.rules, findRule(table, address));
  const problem = (): string => `${JSON.stringify(rule)} for ${JSON.stringify(row)}`;
  const unfollowed = (reason: string): undefined => {
    // Of the two looks at a row, one is counted.
    if (address === row.address) {
      result.unfollowed.set(reason, (result.unfollowed.get(reason) ?? 0) + 1);
    }
  };
  if (rule.kind === RuleKind.End) return row.ra === 'u' ? undefined : problem();
  if (rule.kind === RuleKind.Signal) {
    return row.cfa === 'exp' && row.fp === 'exp' && row.ra === 'exp' ? undefined : problem();
  }
  if (rule.kind === RuleKind.Unsupported) {
    const reason = Object.entries(UnsupportedReason).find(([, value]) => value === rule.fpOffset);
    const isJustified =
      (rule.fpOffset === UnsupportedReason.Expression && row.cfa === 'exp') ||
      (rule.fpOffset === UnsupportedReason.ReturnAddress && row.ra !== 'c-8');
    return isJustified ? unfollowed(reason?.[0] ?? '') : problem();
  }

  const cfa = cfaText(rule.kind, rule.parameter);
  if (cfa !== row.cfa) return problem();
  if (rule.kind === RuleKind.CfaRegister) {
    const isBase = (rule.parameter & 0xff) === MACHINES[table.machine].baseRegister;
    unfollowed(isBase ? 'CFA in rbx' : 'leaf only: CFA');
  }
  if (rule.knowsBase) {
    const isSaved = rule.kind === RuleKind.CfaSpBase || rule.kind === RuleKind.CfaFpBase;
    const isSame = row.base === '' || row.base === 'u' || row.base === 's';
    if (isSaved ? row.base !== `c${signed(rule.parameter >> 16)}` : !isSame) return problem();
  }
  if (rule.ra === RaRule.Register) {
    if (row.ra !== shortName(rule.fpOffset)) return problem();
    unfollowed('leaf only: return address');
    return rule.fp === FpRule.Unknown || row.fp === 'u' || row.fp === '' ? undefined : problem();
  }
  if (row.ra !== 'c-8' || rule.ra !== RaRule.BelowCfa) return problem();
  switch (rule.fp) {
    case FpRule.Same:
      return row.fp === '' || row.fp === 'u' || row.fp === 's' ? undefined : problem();
    case FpRule.AtCfa:
      return row.fp === `c${signed(rule.fpOffset)}` ? undefined : problem();
    case FpRule.Unknown:
      unfollowed('frame pointer');
      return /^(u|r\d+|v[exp]*.*|exp)$/.test(row.fp) ? undefined : problem();
    default:
      return row.fp === 'exp' ? undefined : problem();
  }
}

function cfaText(kind: RuleKind, parameter: number): string {
  switch (kind) {
    case RuleKind.CfaSp:
      return `rsp${signed(parameter)}`;
    case RuleKind.CfaFp:
      return `rbp${signed(parameter)}`;
    case RuleKind.CfaSpBase:
      return `rsp${signed((parameter << 16) >> 16)}`;
    case RuleKind.CfaFpBase:
      return `rbp${signed((parameter << 16) >> 16)}`;
    case RuleKind.CfaRegister:
      return `${REGISTERS[parameter & 0xff]}${signed(parameter >> 8)}`;
    case RuleKind.CfaSpDeref:
    case RuleKind.CfaFpDeref:
    case RuleKind.Plt:
      return 'exp';
    default:
      return '';
  }
}

/** As readelf names the register that another one is kept in. */
const shortName = (register: number): string => `r${register}`;

const signed = (offset: number): string => (offset < 0 ? `${offset}` : `+${offset}`);

/** readelf's words for the CFA expression that a rule stands for; undefined for rules that are none. */
export function expressionOf(kind: RuleKind, parameter: number): string | undefined {
  if (kind === RuleKind.Plt) {
    return (
      'DW_OP_breg7 (rsp): 8; DW_OP_breg16 (rip): 0; DW_OP_lit15; DW_OP_and; ' +
      `DW_OP_lit${parameter}; DW_OP_ge; DW_OP_lit3; DW_OP_shl; DW_OP_plus`
    );
  }
  const register =
    kind === RuleKind.CfaSpDeref
      ? 'DW_OP_breg7 (rsp)'
      : kind === RuleKind.CfaFpDeref && 'DW_OP_breg6 (rbp)';
  if (!register) return undefined;
  const offset2 = parameter >> 16;
  const plus = offset2 === 0 ? '' : `; DW_OP_plus_uconst: ${offset2}`;
  return `${register}: ${(parameter << 16) >> 16}; DW_OP_deref${plus}`;
}
