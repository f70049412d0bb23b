import { describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { compileUnwindTable } from './compile';
import {
  ARM64_START,
  elfImage,
  FrameWriter,
  type ImageSection,
  sleb,
  TEXT_ADDRESS,
  u32,
  u64,
  uleb,
  X86_START,
} from './elf-image-for-tests';
import {
  type DecodedRule,
  decodeRule,
  FpRule,
  findRule,
  RaRule,
  RuleKind,
  SpecialRule,
  UnsupportedReason,
  type UnwindMachine,
  type UnwindTable,
} from './format';
import { findProblem } from './table-file';
import { UnwindError } from './unwind-error';

const T = TEXT_ADDRESS;

function compileImage(image: Uint8Array): UnwindTable {
  const table = compileUnwindTable(ElfFile.open(image));
  expect(findProblem(table)).toBeUndefined();
  return table;
}

function compileSections(sections: readonly ImageSection[], machine?: UnwindMachine): UnwindTable {
  return compileImage(elfImage(sections, machine && { machine }));
}

const section = (writer: FrameWriter, name = '.eh_frame'): ImageSection => ({
  name,
  address: writer.address,
  bytes: writer.bytes,
});

/** The table of one FDE that covers 256 bytes from TEXT_ADDRESS. */
function compileFde(
  instructions: readonly number[],
  cie: Parameters<FrameWriter['cie']>[1] = {},
  start: readonly number[] = X86_START,
): UnwindTable {
  const writer = new FrameWriter();
  writer.fde(writer.cie(start, cie), T, 256, instructions);
  return compileSections([section(writer)]);
}

const ruleAt = (table: UnwindTable, address: number): DecodedRule =>
  decodeRule(table.rules, findRule(table, address));

const rule = (
  kind: RuleKind,
  parameter: number,
  fp: FpRule = FpRule.Same,
  fpOffset = 0,
  ra: RaRule = RaRule.BelowCfa,
  knowsBase = false,
): DecodedRule => ({ kind, fp, knowsBase, ra, fpOffset, parameter });

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

describe('frame entries', () => {
  const encoded = (encoding: number): Parameters<FrameWriter['cie']>[1] => ({
    augmentation: 'zR',
    augmentationData: [encoding],
  });

  it.each([
    ['relative to themselves, 4 bytes', 0x1b, (at: number) => u32(T - at), u32(256)],
    ['relative to themselves, 8 bytes', 0x1c, (at: number) => u64(T - at), u64(256)],
    ['relative to the text', 0x23, () => u32(0), u32(256)],
    ['relative to the GOT', 0x33, () => u32(T - 0x8000), u32(256)],
    ['unsigned, 4 bytes', 0x03, () => u32(T), u32(256)],
    ['unsigned, 2 bytes', 0x12, (at: number) => u32(T - at).slice(0, 2), [0, 1]],
    ['LEB128', 0x01, () => uleb(T), uleb(256)],
    ['signed LEB128', 0x19, (at: number) => sleb(T - at), sleb(256)],
    ['in memory', 0x84, () => u64(0x8000), u64(256)],
  ])('pointers %s', (_, encoding, start, size) => {
    const writer = new FrameWriter({ address: T - 0x7000 });
    const cie = writer.cie(X86_START, encoded(encoding));
    const startAt = writer.address + writer.length + 8;
    writer.fde(cie, start(startAt), size, [0]);
    const table = compileSections([
      section(writer),
      { name: '.text', address: T, bytes: new Uint8Array(0) },
      { name: '.got', address: 0x8000, bytes: Uint8Array.from(u64(T)) },
    ]);
    expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(findRule(table, T + 255)).not.toBe(SpecialRule.NoRow);
    expect(findRule(table, T + 256)).toBe(SpecialRule.NoRow);
  });

  it('entries of other versions and augmentations', () => {
    for (const cie of [
      { version: 3, returnAddress: 16 },
      { version: 4 },
      // A personality routine, where to find exception tables, and in which encoding.
      { augmentation: 'zPLR', augmentationData: [0x9b, ...u32(1), 0x1b, 0x00] },
    ]) {
      const table = compileFde('augmentation' in cie ? [0] : [], cie);
      expect(ruleAt(table, T)).toEqual(rule(RuleKind.CfaSp, 8));
    }
  });

  it.each([
    ['an unknown version', { version: 2 }],
    ['an unknown augmentation', { augmentation: 'x' }],
    ['a damaged augmentation', { augmentation: 'zR', augmentationData: [] }],
    ['an impossible alignment', { codeAlign: 1000 }],
  ])('entries of a CIE with %s are left out', (_, cie) => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(X86_START, cie), T, 16, []);
    writer.fde(writer.cie(X86_START), T + 16, 16, []);
    const table = compileSections([section(writer)]);
    expect(findRule(table, T)).toBe(SpecialRule.NoRow);
    expect(ruleAt(table, T + 16)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(table.counts).toMatchObject({ fdes: 1, skippedFdes: 1 });
  });

  it('in any order, with gaps between them', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    writer.fde(cie, T + 0x200, 16, [0x0e, 16]);
    writer.fde(cie, T, 16, [0x0e, 24]);
    writer.fde(cie, T + 0x100, 9, [0x0e, 32]);
    writer.fde(cie, T + 0x110, 16, [0x0e, 40]);
    const table = compileSections([section(writer)]);
    const parameters = [0, 0x100, 0x10f, 0x110, 0x200].map((at) => ruleAt(table, T + at).parameter);
    // What is between two functions up to the next 16 bytes never runs: it costs no row.
    expect(parameters).toEqual([24, 32, 32, 40, 16]);
    for (const gap of [-1, 16, 0xff, 0x120, 0x1ff, 0x210, 0x10000]) {
      expect(findRule(table, T + gap)).toBe(SpecialRule.NoRow);
    }
  });

  it('that overlap: the one that begins later counts, and of two that begin together the first', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    writer.fde(cie, T, 256, [0x0e, 16]);
    writer.fde(cie, T + 64, 32, [0x0e, 24]);
    writer.fde(cie, T + 64, 64, [0x0e, 32]);
    const table = compileSections([section(writer)]);
    expect(ruleAt(table, T + 63).parameter).toBe(16);
    expect(ruleAt(table, T + 64).parameter).toBe(24);
    expect(findRule(table, T + 96)).toBe(SpecialRule.NoRow);
  });

  it('whose code is not in the file, or is its header, are left out', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    writer.fde(cie, 0, 16, []);
    writer.fde(cie, T + 0xfff8, 16, []);
    writer.fde(cie, T, 16, []);
    const table = compileSections([section(writer)]);
    expect(table.counts).toMatchObject({ fdes: 1, skippedFdes: 2 });
  });

  it('of a function that is longer than a page', () => {
    const image = new FrameWriter();
    image.fde(image.cie(X86_START), T + 8, 0x38000, [0x04, ...u32(0x20000), 0x0e, 16]);
    const table = compileImage(elfImage([section(image)], { textSize: 0x100000 }));
    expect(table.pages.length - 1).toBe(4);
    expect(findRule(table, T)).toBe(SpecialRule.NoRow);
    for (const at of [8, 0xffff, 0x10000, 0x20007]) expect(ruleAt(table, T + at).parameter).toBe(8);
    for (const at of [0x20008, 0x2ffff, 0x30000, 0x38007]) {
      expect(ruleAt(table, T + at).parameter).toBe(16);
    }
    expect(findRule(table, T + 0x38008)).toBe(SpecialRule.NoRow);
  });

  it('behind a terminator, where the section headers say that there are some', () => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(X86_START), T, 16, []).raw(0, 0, 0, 0);
    writer.fde(writer.cie(X86_START), T + 16, 16, []);
    expect(ruleAt(compileSections([section(writer)]), T + 16)).toEqual(rule(RuleKind.CfaSp, 8));
  });

  it('are found without section headers', () => {
    const writer = new FrameWriter({ address: 0x2000 });
    writer.fde(writer.cie(X86_START), T, 16, []).raw(0, 0, 0, 0, 1, 2, 3);
    const header = Uint8Array.from([1, 0x1b, 0x03, 0x3b, ...u32(0x2000 - 0x1004), 0, 0, 0, 0]);
    const image = elfImage(
      [section(writer), { name: '.eh_frame_hdr', address: 0x1000, bytes: header }],
      { withSectionHeaders: false },
    );
    expect(ruleAt(compileImage(image), T)).toEqual(rule(RuleKind.CfaSp, 8));
  });

  it('of .debug_frame serve where .eh_frame has none', () => {
    const eh = new FrameWriter();
    eh.fde(eh.cie(X86_START), T + 0x40, 0x40, [0x0e, 16]);
    const debug = new FrameWriter({ isEhFrame: false, address: 0 });
    const cie = debug.cie(X86_START, { version: 4 });
    debug.fde(cie, T, 0x50, [0x0e, 24]); // up to the other one
    debug.fde(cie, T + 0x60, 0x10, [0x0e, 32]); // within it
    debug.fde(cie, T + 0x80, 0x10, [0x0e, 40]);
    debug.fde(cie, 0, 0x1000, [0x0e, 48]); // dropped by the linker
    const table = compileSections([section(eh), section(debug, '.debug_frame')]);
    const parameters = [0, 0x3f, 0x40, 0x60, 0x7f, 0x80].map(
      (at) => ruleAt(table, T + at).parameter,
    );
    expect(parameters).toEqual([24, 24, 16, 16, 16, 40]);
  });

  it('that are missing altogether are an error that says so', () => {
    const kindOf = (image: Uint8Array): string => {
      try {
        compileImage(image);
        return 'none';
      } catch (error) {
        return (error as UnwindError).kind;
      }
    };
    expect(kindOf(elfImage([]))).toBe('no-frames');
    expect(
      kindOf(elfImage([{ name: '.eh_frame', address: 0x1000, bytes: new Uint8Array(4) }])),
    ).toBe('no-frames');
    const relocatable = elfImage([]);
    relocatable[16] = 1;
    expect(kindOf(relocatable)).toBe('unsupported');
  });

  it("of Go's text are not needed: it keeps frame pointers", () => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(X86_START), T + 0x100, 16, []);
    const table = compileSections([
      section(writer),
      { name: '.text', address: T, bytes: new Uint8Array(0x1000) },
      { name: '.gopclntab', address: 0x3000, bytes: new Uint8Array(8) },
    ]);
    expect(findRule(table, T)).toBe(SpecialRule.FramePointer);
    expect(ruleAt(table, T + 0x100)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(findRule(table, T + 0x110)).toBe(SpecialRule.FramePointer);
    expect(findRule(table, T + 0xfff)).toBe(SpecialRule.FramePointer);
    expect(findRule(table, T + 0x1000)).toBe(SpecialRule.NoRow);
  });

  it('of procedure linkage tables are not needed on x86-64, and count where they are there', () => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(X86_START), T + 0x400, 16, []);
    const linkage = (name: string, offset: number): ImageSection => ({
      name,
      address: T + offset,
      bytes: new Uint8Array(0x20),
    });
    const table = compileSections([
      section(writer),
      linkage('.plt', 0x100),
      linkage('.plt.got', 0x400),
    ]);
    expect(findRule(table, T + 0xff)).toBe(SpecialRule.NoRow);
    expect(ruleAt(table, T + 0x100)).toEqual(rule(RuleKind.Plt, 11));
    expect(ruleAt(table, T + 0x11f)).toEqual(rule(RuleKind.Plt, 11));
    expect(findRule(table, T + 0x120)).toBe(SpecialRule.NoRow);
    expect(ruleAt(table, T + 0x400)).toEqual(rule(RuleKind.CfaSp, 8));
    expect(ruleAt(table, T + 0x410)).toEqual(rule(RuleKind.Plt, 11));
    const arm = new FrameWriter();
    arm.fde(arm.cie(ARM64_START), T, 16, []);
    const armTable = compileSections([section(arm), linkage('.plt', 0x100)], 'arm64');
    expect(findRule(armTable, T + 0x100)).toBe(SpecialRule.NoRow);
  });

  it('more of them, or more of anything, than the bounds allow is refused', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    for (let i = 0; i < 10; i++) writer.fde(cie, T + i * 16, 16, [0x0e, i * 8]);
    const elf = ElfFile.open(elfImage([section(writer)]));
    for (const options of [{ maxFdes: 5 }, { maxRows: 5 }, { maxSectionBytes: 64 }]) {
      expect(() => compileUnwindTable(elf, options)).toThrow(
        expect.objectContaining({ kind: 'too-large' }),
      );
    }
    expect(() => compileUnwindTable(elf, { maxMs: -1 })).toThrow(UnwindError);
  });

  it('that are further away than any program is large are left out', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    writer
      .fde(cie, T, 16, [])
      .fde(cie, T + 2 ** 40, 16, [])
      .fde(cie, T + 2 ** 32 - 0x10010, 16, []);
    const table = compileImage(elfImage([section(writer)], { textSize: 2 ** 41 }));
    expect(table.counts).toMatchObject({ fdes: 2, skippedFdes: 1 });
    expect(ruleAt(table, T + 2 ** 32 - 0x10001)).toEqual(rule(RuleKind.CfaSp, 8));
  });
});
