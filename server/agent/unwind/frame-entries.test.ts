import { describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { compileUnwindTable } from './compile';
import {
  compileFde,
  compileImage,
  compileSections,
  rule,
  ruleAt,
  section,
} from './compile-for-tests';
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
import { findRule, RuleKind, SpecialRule } from './format';
import { UnwindError } from './unwind-error';

const T = TEXT_ADDRESS;

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
