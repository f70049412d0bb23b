import { describe, expect, it } from 'vitest';
import { compileFde, compileSections, rule, ruleAt, section } from './compile-for-tests';
import {
  ARM64_START,
  FrameWriter,
  sleb,
  TEXT_ADDRESS,
  u32,
  u64,
  uleb,
  X86_START,
} from './elf-image-for-tests';
import {
  type DecodedRule,
  FpRule,
  findRule,
  RaRule,
  RuleKind,
  SpecialRule,
  UnsupportedReason,
  type UnwindTable,
} from './format';

const T = TEXT_ADDRESS;

const UNSUPPORTED = (reason: UnsupportedReason): DecodedRule => ({
  ...rule(RuleKind.Unsupported, 0),
  fpOffset: reason,
});

const advance = (bytes: number): number => 0x40 | bytes;
const expression = (...bytes: number[]): number[] => [...uleb(bytes.length), ...bytes];
const PLT = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];

describe('call frame instructions become rules', () => {
  it('a function that pushes rbp and uses it', () => {
    const table = compileFde([
      advance(1),
      0x0e,
      16,
      0x86,
      2, // push %rbp
      advance(3),
      0x0d,
      6, // mov %rsp,%rbp
      advance(40),
      0x0c,
      7,
      8, // leave
    ]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(ruleAt(table, T + 1)).toEqual(rule(RuleKind.CfaSp, 16, FpRule.AtCfa, -16));
    expect(ruleAt(table, T + 4)).toEqual(rule(RuleKind.CfaFp, 16, FpRule.AtCfa, -16));
    expect(ruleAt(table, T + 43)).toEqual(rule(RuleKind.CfaFp, 16, FpRule.AtCfa, -16));
    expect(ruleAt(table, T + 44)).toEqual(rule(RuleKind.CfaSp, 8, FpRule.AtCfa, -16));
    expect(ruleAt(table, T + 255)).toEqual(rule(RuleKind.CfaSp, 8, FpRule.AtCfa, -16));
  });

  it('remembered states and restored registers', () => {
    const table = compileFde([
      advance(1),
      0x0e,
      16,
      0x86,
      2,
      0x0a, // remember
      advance(9),
      0xc6,
      0x0e,
      8, // pop %rbp
      advance(1),
      0x0b, // what comes after the return is in the middle again
    ]);
    expect(ruleAt(table, T + 10)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(ruleAt(table, T + 11)).toEqual(rule(RuleKind.CfaSp, 16, FpRule.AtCfa, -16));
  });

  it('rows that differ only in other registers are one', () => {
    const table = compileFde([advance(1), 0x83, 2, advance(1), 0x8c, 3, advance(1), 0xc3]);
    expect(table.rows.length).toBe(2);
  });

  it('all ways to advance', () => {
    const step = (offset: number): number[] => [0x0e, ...uleb(offset)];
    const table = compileFde([
      0x02,
      3,
      ...step(16),
      0x03,
      4,
      0,
      ...step(24),
      0x04,
      ...u32(5),
      ...step(32),
      0x01,
      ...u64(T + 20),
      ...step(40),
    ]);
    const offsets = [0, 3, 7, 12, 20].map((at) => ruleAt(table, T + at).parameter);
    expect(offsets).toEqual([8, 16, 24, 32, 40]);
    expect(ruleAt(table, T + 19).parameter).toBe(32);
  });

  it('code that is aligned to more than a byte', () => {
    const table = compileFde([advance(2), 0x0e, 16], { codeAlign: 4 });
    expect(ruleAt(table, T + 7).parameter).toBe(8);
    expect(ruleAt(table, T + 8).parameter).toBe(16);
  });

  it('signed, extended and large offsets', () => {
    const table = compileFde([
      0x12,
      7,
      ...sleb(-2),
      0x11,
      6,
      ...sleb(3),
      advance(1),
      0x13,
      ...sleb(-100_000),
      0x05,
      6,
      ...uleb(5000),
      advance(1),
      0x05,
      6,
      ...uleb(4096),
      0x2f,
      6,
      ...uleb(1),
    ]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 16, FpRule.AtCfa, -24));
    // The saved frame pointer is too far away for the rule: the frame can be passed without it.
    expect(ruleAt(table, T + 1)).toEqual(rule(RuleKind.CfaSp, 800_000, FpRule.Unknown));
    expect(ruleAt(table, T + 2)).toEqual(rule(RuleKind.CfaSp, 800_000, FpRule.AtCfa, 8));
    expect(table.counts.lostFpRows).toBe(1);
  });

  it('the CFA in a register that only the leaf frame knows', () => {
    const table = compileFde([0x0c, 10, 0, advance(1), 0x0c, 33, 0]);
    const { kind, parameter } = ruleAt(table, T);
    expect([kind, parameter & 0xff, parameter >> 8]).toEqual([RuleKind.CfaRegister, 10, 0]);
    expect(ruleAt(table, T + 1)).toEqual(UNSUPPORTED(UnsupportedReason.Expression));
    expect(table.counts.leafRows).toBe(1);
  });

  it('the CFA in rbx, and rbx from frame to frame where a function needs it', () => {
    // push rbx; mov rsp, rbx: then the CFA stays in rbx.
    const needsBase = [advance(1), 0x0e, 16, 0x83, 2, advance(3), 0x0d, 3];
    const known = (kind: RuleKind, parameter: number): DecodedRule =>
      rule(kind, parameter, FpRule.Same, 0, RaRule.BelowCfa, true);
    const table = compileFde(needsBase);
    expect(ruleAt(table, T)).toEqual(known(RuleKind.CfaSp, 8));
    expect(ruleAt(table, T + 1)).toEqual(known(RuleKind.CfaSpBase, 16 | (-16 << 16)));
    expect(ruleAt(table, T + 4)).toEqual(rule(RuleKind.CfaRegister, 3 | (16 << 8)));
    expect(table.counts.leafRows).toBe(0);
    // No other function does: nothing is said of it.
    const plain = compileFde(needsBase.slice(0, 5));
    expect(ruleAt(plain, T)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(ruleAt(plain, T + 1)).toEqual(rule(RuleKind.CfaSp, 16));
  });

  it('the return address in a register', () => {
    const table = compileFde([0x0e, 0, 0x09, 16, 5]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 0, FpRule.Same, 5, RaRule.Register));
  });

  it('a stack that is realigned: the CFA is in memory, rbp where rbp points', () => {
    const table = compileFde([
      0x0f,
      ...expression(0x76, 0x78, 0x06), // CFA = *(rbp - 8)
      0x10,
      6,
      ...expression(0x76, 0), // rbp at rbp
      advance(4),
      0x0f,
      ...expression(0x77, ...sleb(152), 0x06, 0x23, 56),
    ]);
    const fpDeref = ruleAt(table, T);
    expect([fpDeref.kind, fpDeref.fp, fpDeref.fpOffset]).toEqual([
      RuleKind.CfaFpDeref,
      FpRule.AtFp,
      0,
    ]);
    expect([(fpDeref.parameter << 16) >> 16, fpDeref.parameter >> 16]).toEqual([-8, 0]);
    const spDeref = ruleAt(table, T + 4);
    expect([spDeref.kind, spDeref.parameter & 0xffff, spDeref.parameter >> 16]).toEqual([
      RuleKind.CfaSpDeref,
      152,
      56,
    ]);
  });

  it('sums in expressions', () => {
    const table = compileFde([
      0x0f,
      ...expression(0x77, 16, 0x23, 8, 0x08, 4, 0x22, 0x34, 0x1c), // rsp + 16 + 8 + 4 - 4
      advance(1),
      0x0f,
      ...expression(0x92, 7, 8), // bregx
      0x10,
      6,
      ...expression(0x77, 0x70), // rbp at rsp - 16
    ]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 24));
    expect(ruleAt(table, T + 1)).toEqual(rule(RuleKind.CfaSp, 8, FpRule.AtSp, -16));
  });

  it('a procedure linkage table', () => {
    const table = compileFde([0x0f, ...expression(...PLT)]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.Plt, 11));
    const ibt = PLT.with(6, 0x39);
    expect(ruleAt(compileFde([0x0f, ...expression(...ibt)]), T)).toEqual(rule(RuleKind.Plt, 9));
  });

  it.each([
    ['two reads of memory', [0x77, 0, 0x06, 0x06]],
    ['a product', [0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8]],
    ['no register', [0x31]],
    ['nothing', []],
    ['a value that is cut off', [0x77]],
  ])('an expression with %s is not supported', (_, bytes) => {
    const table = compileFde([0x0f, ...expression(...bytes), advance(8), 0x0c, 7, 8]);
    expect(ruleAt(table, T)).toEqual(UNSUPPORTED(UnsupportedReason.Expression));
    expect(ruleAt(table, T + 8)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(table.counts.unsupportedRows[UnsupportedReason.Expression]).toBe(1);
  });

  it('an undefined return address is the end of the stack', () => {
    expect(findRule(compileFde([0x07, 16]), T)).toBe(SpecialRule.End);
  });

  it('a return address elsewhere is not supported', () => {
    const at16 = compileFde([0x90, 2]);
    expect(ruleAt(at16, T)).toEqual(UNSUPPORTED(UnsupportedReason.ReturnAddress));
    const same = compileFde([0x08, 16]);
    expect(ruleAt(same, T)).toEqual(UNSUPPORTED(UnsupportedReason.ReturnAddress));
  });

  it('values that only other unwinders can know lose the frame pointer and no more', () => {
    for (const lost of [
      [0x14, 6, 1],
      [0x15, 6, 1],
      [0x09, 6, 3],
      [0x07, 6],
      [0x16, 6, 1, 0x31],
    ]) {
      expect(ruleAt(compileFde(lost), T)).toEqual(rule(RuleKind.CfaSp, 8, FpRule.Unknown));
    }
  });

  it('a signal frame takes its offsets from its expressions, or from the kernel', () => {
    const signal = { augmentation: 'zRS', augmentationData: [0] };
    const at = (register: number, offset: number): number[] => [
      0x10,
      register,
      ...expression(0x77, ...sleb(offset)),
    ];
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START, signal);
    const cfa = [0x0f, ...expression(0x77, ...sleb(160), 0x06)];
    writer.fde(cie, T, 16, [0, ...cfa, ...at(6, 120), ...at(16, 168)]);
    writer.fde(cie, T + 16, 16, [0]);
    const table = compileSections([section(writer)]);
    for (const address of [T, T + 16]) {
      const { kind, fp, fpOffset, parameter } = ruleAt(table, address);
      expect([kind, fp, fpOffset, parameter & 0xffff, parameter >> 16]).toEqual([
        RuleKind.Signal,
        FpRule.AtSp,
        120,
        160,
        168,
      ]);
    }
  });

  it('rows after an instruction that makes no sense say so', () => {
    const nonsense: Record<string, number[]> = {
      'unknown instruction': [0x3f],
      'restore without remember': [0x0b],
      'operand cut off': [0x0f, 200],
      backwards: [0x01, ...u64(T - 1)],
      'too many states': new Array(200).fill(0x0a),
    };
    for (const instructions of Object.values(nonsense)) {
      const table = compileFde([advance(4), 0x0e, 16, advance(4), ...instructions]);
      expect(ruleAt(table, T + 7).parameter).toBe(16);
      expect(ruleAt(table, T + 8)).toEqual(UNSUPPORTED(UnsupportedReason.Malformed));
    }
    const inCie = compileFde([], {}, [...X86_START, advance(1)]);
    expect(ruleAt(inCie, T)).toEqual(UNSUPPORTED(UnsupportedReason.Malformed));
  });

  it('instructions that go past the function are cut off', () => {
    const table = compileFde([advance(8), 0x0e, 16, 0x04, ...u32(0x7fffffff), 0x0e, 32]);
    expect(ruleAt(table, T + 255).parameter).toBe(16);
    expect(findRule(table, T + 256)).toBe(SpecialRule.NoRow);
  });
});

describe('arm64', () => {
  const compileArm = (instructions: readonly number[], augmentation = 'zR'): UnwindTable => {
    const writer = new FrameWriter();
    const cie = writer.cie(ARM64_START, {
      augmentation,
      augmentationData: [0],
      codeAlign: 4,
      returnAddress: 30,
    });
    writer.fde(cie, T, 256, [0, ...instructions]);
    return compileSections([section(writer)], 'arm64');
  };

  it('a function that saves x29 and x30 as a pair', () => {
    const table = compileArm([
      advance(1),
      0x2d, // paciasp
      advance(1),
      0x0e,
      32,
      0x9d,
      4,
      0x9e,
      3, // stp x29, x30, [sp, -32]!
      advance(1),
      0x0d,
      29, // mov x29, sp
    ]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 0, FpRule.Same, 0, RaRule.LinkRegister));
    expect(ruleAt(table, T + 8)).toEqual(
      rule(RuleKind.CfaSp, 32, FpRule.AtCfa, -32, RaRule.AfterFp),
    );
    expect(ruleAt(table, T + 12)).toEqual(
      rule(RuleKind.CfaFp, 32, FpRule.AtCfa, -32, RaRule.AfterFp),
    );
  });

  it('x30 saved alone, or not beside x29', () => {
    const table = compileArm([
      advance(1),
      0x0e,
      16,
      0x9e,
      2, // str x30, [sp, -16]!
      advance(1),
      0x0e,
      48,
      0x9d,
      6, // and x29 somewhere else
    ]);
    expect(ruleAt(table, T + 4)).toEqual(rule(RuleKind.CfaSp, 16, FpRule.Same, -16, RaRule.AtCfa));
    expect(ruleAt(table, T + 8)).toEqual(
      rule(RuleKind.CfaSp, 48, FpRule.Unknown, -16, RaRule.AtCfa),
    );
  });

  it('the outermost frame, and a signal frame', () => {
    expect(findRule(compileArm([0x07, 30]), T)).toBe(SpecialRule.End);
    expect(ruleAt(compileArm([], 'zRS'), T).kind).toBe(RuleKind.Signal);
  });
});
