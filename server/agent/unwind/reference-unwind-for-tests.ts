/** An unwinder in TypeScript that does with a table what BPF does with it, so that tables can be tested without BPF. */
import { decodeRule, FpRule, findRule, RaRule, RuleKind, type UnwindTable } from './format';

export interface Registers {
  ip: number;
  sp: number;
  fp: number;
}

export interface UnwindSegment {
  readonly start: number;
  readonly end: number;
  /** address = ip - bias */
  readonly bias: number;
  readonly table: UnwindTable;
}

export interface UnwoundStack {
  /** Instruction pointers, leaf first; all but the exact ones are return addresses. */
  readonly ips: readonly number[];
  readonly end: string;
}

/** `read`: 8 bytes of stack memory as a number; undefined where they can't be read. x86-64 only. */
export function unwind(
  start: Registers,
  segments: readonly UnwindSegment[],
  read: (address: number) => number | undefined,
  maxFrames = 256,
): UnwoundStack {
  const regs = { ...start };
  const ips: number[] = [];
  let isExact = true;
  while (ips.length < maxFrames) {
    ips.push(regs.ip);
    const ip = isExact ? regs.ip : regs.ip - 1;
    isExact = false;
    const segment = segments.find(({ start, end }) => ip >= start && ip < end);
    if (segment === undefined) return { ips, end: 'no segment' };
    const rule = decodeRule(segment.table.rules, findRule(segment.table, ip - segment.bias));
    const near = (rule.parameter << 16) >> 16;
    const far = rule.parameter >> 16;
    let cfa: number | undefined;
    switch (rule.kind) {
      case RuleKind.End:
        return { ips, end: 'complete' };
      case RuleKind.CfaSp:
        cfa = regs.sp + rule.parameter;
        break;
      case RuleKind.CfaFp:
        cfa = regs.fp + rule.parameter;
        break;
      case RuleKind.CfaSpBase:
        cfa = regs.sp + near;
        break;
      case RuleKind.CfaFpBase:
        cfa = regs.fp + near;
        break;
      case RuleKind.CfaSpDeref:
        cfa = added(read(regs.sp + near), far);
        break;
      case RuleKind.CfaFpDeref:
        cfa = added(read(regs.fp + near), far);
        break;
      case RuleKind.Plt:
        cfa = regs.sp + 8 + (regs.ip % 16 >= rule.parameter ? 8 : 0);
        break;
      case RuleKind.Signal: {
        const sp = read(regs.sp + near);
        const signalIp = read(regs.sp + far);
        const fp = read(regs.sp + rule.fpOffset);
        if (sp === undefined || signalIp === undefined || fp === undefined) {
          return { ips, end: 'bad read' };
        }
        Object.assign(regs, { sp, ip: signalIp, fp });
        isExact = true;
        continue;
      }
      default:
        return { ips, end: `rule kind ${rule.kind}` };
    }
    if (cfa === undefined) return { ips, end: 'bad read' };
    if (cfa <= regs.sp) return { ips, end: 'broken' };
    if (rule.ra !== RaRule.BelowCfa) return { ips, end: 'return address in a register' };
    const returnAddress = read(cfa - 8);
    const fp = callersFp(rule.fp, rule.fpOffset, cfa, regs, read);
    if (returnAddress === undefined || fp === undefined) return { ips, end: 'bad read' };
    Object.assign(regs, { sp: cfa, ip: returnAddress, fp });
  }
  return { ips, end: 'truncated' };
}

const added = (value: number | undefined, offset: number): number | undefined =>
  value === undefined ? undefined : value + offset;

function callersFp(
  rule: FpRule,
  offset: number,
  cfa: number,
  regs: Registers,
  read: (address: number) => number | undefined,
): number | undefined {
  switch (rule) {
    case FpRule.AtCfa:
      return read(cfa + offset);
    case FpRule.AtFp:
      return read(regs.fp + offset);
    case FpRule.AtSp:
      return read(regs.sp + offset);
    default:
      return regs.fp;
  }
}
