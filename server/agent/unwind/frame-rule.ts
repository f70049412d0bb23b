/** From the state of a frame, as the call frame instructions left it, to a rule of the table. */
import { CfaKind, SavedKind, Slot } from './cfa';
import {
  FpRule,
  offsetPair,
  RaRule,
  RuleKind,
  registerParameter,
  ruleLow,
  SpecialRule,
  UnsupportedReason,
} from './format';
import type { Machine } from './machine';
import type { RuleSet } from './rule-set';

/**
 * The number of the rule that `state` is; specials for what has none. `followsBase`: the state has the base register, and
 * the rule should say what becomes of it.
 */
export function ruleOf(
  state: Int32Array,
  isSignalFrame: boolean,
  machine: Machine,
  rules: RuleSet,
  followsBase = false,
): number {
  if (isSignalFrame) return signalRule(state, machine, rules);
  if (state[Slot.Ra] === SavedKind.Undefined) return SpecialRule.End;

  let fp = fpRule(state, machine);
  let fpOffset = fp === FpRule.Same || fp === FpRule.Unknown ? 0 : state[Slot.FpOffset];
  let ra: RaRule = RaRule.BelowCfa;
  if (state[Slot.Ra] === SavedKind.InRegister && state[Slot.RaRegister] <= 31) {
    if (fp !== FpRule.Same) fp = FpRule.Unknown;
    ra = RaRule.Register;
    fpOffset = state[Slot.RaRegister];
  } else if (machine.hasLinkRegister) {
    if (state[Slot.Ra] === SavedKind.Unspecified || state[Slot.Ra] === SavedKind.Same) {
      ra = RaRule.LinkRegister;
    } else if (state[Slot.Ra] !== SavedKind.AtCfa) {
      return unsupported(UnsupportedReason.ReturnAddress);
    } else if (fp === FpRule.AtCfa && state[Slot.RaOffset] === fpOffset + 8) {
      ra = RaRule.AfterFp;
    } else {
      // There is one offset only: the return address needs it more.
      if (fp !== FpRule.Same) fp = FpRule.Unknown;
      ra = RaRule.AtCfa;
      fpOffset = state[Slot.RaOffset];
    }
  } else if (state[Slot.Ra] !== SavedKind.AtCfa || state[Slot.RaOffset] !== -8) {
    return unsupported(UnsupportedReason.ReturnAddress);
  }
  if (!isInt16(fpOffset)) {
    if (ra !== RaRule.BelowCfa && ra !== RaRule.LinkRegister) {
      return unsupported(UnsupportedReason.OffsetRange);
    }
    fp = FpRule.Unknown;
    fpOffset = 0;
  }

  const register = state[Slot.CfaRegister];
  const offset = state[Slot.CfaOffset];
  const intern = (kind: RuleKind, parameter: number): number =>
    rules.intern(ruleLow(kind, fp, ra, fpOffset), parameter >>> 0);
  switch (state[Slot.Cfa]) {
    case CfaKind.Sum:
      if (register === machine.stackPointer || register === machine.framePointer) {
        const isSp = register === machine.stackPointer;
        const kind = isSp ? RuleKind.CfaSp : RuleKind.CfaFp;
        const base = state[Slot.Base];
        if (!followsBase || (ra !== RaRule.BelowCfa && ra !== RaRule.LinkRegister)) {
          return intern(kind, offset);
        }
        if (base === SavedKind.Unspecified || base === SavedKind.Same) {
          return rules.intern(ruleLow(kind, fp, ra, fpOffset, true), offset >>> 0);
        }
        const baseOffset = state[Slot.BaseOffset];
        if (base !== SavedKind.AtCfa || !isInt16(offset) || !isInt16(baseOffset)) {
          return intern(kind, offset);
        }
        return rules.intern(
          ruleLow(isSp ? RuleKind.CfaSpBase : RuleKind.CfaFpBase, fp, ra, fpOffset, true),
          offsetPair(offset, baseOffset),
        );
      }
      if (register > 31) return unsupported(UnsupportedReason.Expression);
      if (!(offset >= -(2 ** 23) && offset < 2 ** 23)) {
        return unsupported(UnsupportedReason.OffsetRange);
      }
      return intern(RuleKind.CfaRegister, registerParameter(register, offset));
    case CfaKind.Dereferenced: {
      const isSp = register === machine.stackPointer;
      if (!isSp && register !== machine.framePointer) {
        return unsupported(UnsupportedReason.Expression);
      }
      const offset2 = state[Slot.CfaOffset2];
      if (!isInt16(offset) || !isInt16(offset2)) return unsupported(UnsupportedReason.OffsetRange);
      return intern(isSp ? RuleKind.CfaSpDeref : RuleKind.CfaFpDeref, offsetPair(offset, offset2));
    }
    case CfaKind.Plt:
      return intern(RuleKind.Plt, offset);
    case CfaKind.OutOfRange:
      return unsupported(UnsupportedReason.OffsetRange);
    case CfaKind.Undefined:
      return unsupported(UnsupportedReason.Malformed);
    default:
      return unsupported(UnsupportedReason.Expression);
  }
}

function fpRule(state: Int32Array, machine: Machine): FpRule {
  switch (state[Slot.Fp]) {
    case SavedKind.Unspecified:
    case SavedKind.Same:
      return FpRule.Same;
    case SavedKind.AtCfa:
      return FpRule.AtCfa;
    case SavedKind.AtRegister:
      if (state[Slot.FpRegister] === machine.framePointer) return FpRule.AtFp;
      return state[Slot.FpRegister] === machine.stackPointer ? FpRule.AtSp : FpRule.Unknown;
    default:
      return FpRule.Unknown;
  }
}

/**
 * The trampoline to which a signal handler returns. Where its expressions say what they should, its offsets are taken
 * from them, else the kernel's are: nothing else is marked as a signal frame.
 */
function signalRule(state: Int32Array, machine: Machine, rules: RuleSet): number {
  const sp = machine.stackPointer;
  const isDescribed =
    state[Slot.Cfa] === CfaKind.Dereferenced &&
    state[Slot.CfaRegister] === sp &&
    state[Slot.CfaOffset2] === 0 &&
    state[Slot.Ra] === SavedKind.AtRegister &&
    state[Slot.RaRegister] === sp &&
    state[Slot.Fp] === SavedKind.AtRegister &&
    state[Slot.FpRegister] === sp;
  const offsets = isDescribed
    ? {
        stackPointer: state[Slot.CfaOffset],
        instructionPointer: state[Slot.RaOffset],
        framePointer: state[Slot.FpOffset],
      }
    : machine.signalFrame;
  const { stackPointer, instructionPointer, framePointer } = offsets;
  if (!isInt16(stackPointer) || !isInt16(instructionPointer) || !isInt16(framePointer)) {
    return unsupported(UnsupportedReason.OffsetRange);
  }
  return rules.intern(
    ruleLow(RuleKind.Signal, FpRule.AtSp, RaRule.BelowCfa, framePointer, machine.baseRegister >= 0),
    offsetPair(stackPointer, instructionPointer),
  );
}

const unsupported = (reason: UnsupportedReason): number => SpecialRule.Unsupported + reason;

const isInt16 = (value: number): boolean => value >= -32768 && value < 32768;
