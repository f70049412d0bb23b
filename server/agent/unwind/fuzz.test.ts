/** Damaged and made-up files: an answer or a reason, in bounded time and memory, and never anything else. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changed, changesIn, type Region } from '../damage-for-tests';
import { ElfError, ElfFile } from '../elf/elf-file';
import { compileUnwindTable } from './compile';
import { elfImage, FrameWriter, TEXT_ADDRESS, u32, X86_START } from './elf-image-for-tests';
import { decodeRule, findRule, type UnwindTable } from './format';
import { findProblem } from './table-file';
import { UnwindError } from './unwind-error';

const REASONS = ['no-frames', 'too-large', 'timeout', 'not-elf', 'unsupported', 'malformed', 'io'];
/** Far above what any of these small inputs needs, even on a busy machine. */
const MAX_MS = 2000;

/** The table or undefined for a reason; fails on anything else. */
function survive(image: Uint8Array): UnwindTable | undefined {
  const startedMs = performance.now();
  let table: UnwindTable | undefined;
  try {
    table = compileUnwindTable(ElfFile.open(image), { maxMs: MAX_MS });
  } catch (error) {
    if (!(error instanceof UnwindError || error instanceof ElfError)) throw error;
    expect(REASONS).toContain(error.kind);
    expect(error.message).not.toBe('');
  }
  expect(performance.now() - startedMs).toBeLessThan(MAX_MS * 2);
  if (table !== undefined) {
    expect(findProblem(table)).toBeUndefined();
    // A row costs at least a byte of instructions, but for the one that every page has.
    expect(table.rows.length).toBeLessThanOrEqual(image.length * 2 + table.pages.length * 2);
  }
  return table;
}

const frameSection = (bytes: Uint8Array, name = '.eh_frame'): Uint8Array =>
  elfImage([{ name, address: 0x1000, bytes }]);

describe('whatever is in a file', { timeout: 60_000 }, () => {
  it('random bytes as .eh_frame and .debug_frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, isEhFrame) => {
        survive(frameSection(bytes, isEhFrame ? '.eh_frame' : '.debug_frame'));
      }),
      { numRuns: 2000 },
    );
  });

  it('random instructions in good entries: every address has a rule', () => {
    const instructions = fc.array(
      fc.oneof(
        {
          weight: 3,
          arbitrary: fc.constantFrom(0x41, 0x44, 0x02, 0x0e, 0x86, 0x0a, 0x0b, 0x0c, 0xc6),
        },
        { weight: 1, arbitrary: fc.nat(255) },
        { weight: 1, arbitrary: fc.nat(40) },
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(fc.array(instructions, { minLength: 1, maxLength: 8 }), (frames) => {
        const writer = new FrameWriter();
        const cie = writer.cie(X86_START);
        frames.forEach((body, i) => {
          writer.fde(cie, TEXT_ADDRESS + i * 64, 64, body);
        });
        const table = survive(frameSection(writer.bytes));
        if (table === undefined) throw new Error('there are frames');
        for (let at = 0; at < frames.length * 64; at++) {
          if (findRule(table, TEXT_ADDRESS + at) === 0) throw new Error(`no rule at ${at}`);
        }
        expect(findRule(table, TEXT_ADDRESS - 1)).toBe(0);
        expect(findRule(table, TEXT_ADDRESS + frames.length * 64)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('rows as far apart as functions are long: every address has the rule of its row', () => {
    const steps = fc.array(fc.tuple(fc.oneof(fc.nat(40), fc.nat(200_000)), fc.nat(6)), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, fc.nat(0x30000), (rows, from) => {
        const start = TEXT_ADDRESS + from;
        let address = start;
        const placed = rows.map(([gap, number]) => {
          address += gap;
          return { address, cfaOffset: number * 8 };
        });
        const body = rows.flatMap(([gap, number]) => [0x04, ...u32(gap), 0x0e, number * 8]);
        const writer = new FrameWriter();
        writer.fde(writer.cie(X86_START), start, address + 10 - start, body);
        const image = elfImage([{ name: '.eh_frame', address: 0x1000, bytes: writer.bytes }], {
          textSize: 2 ** 27,
        });
        const table = survive(image);
        if (table === undefined) throw new Error('there are frames');
        const offsetAt = (at: number): number | undefined => {
          const rule = findRule(table, at);
          return rule === 0 ? undefined : decodeRule(table.rules, rule).parameter;
        };
        expect(offsetAt(start - 1)).toBeUndefined();
        expect(offsetAt(address + 10)).toBeUndefined();
        for (const { address: row } of placed) {
          for (const at of [row, row + 1, row + 9, row - (row % 65536)]) {
            if (at < start || at >= address + 10) continue;
            const expected = placed.findLast((other) => other.address <= at)?.cfaOffset ?? 8;
            expect(offsetAt(at)).toBe(expected);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  const program = readFileSync('/bin/true');
  const elf = ElfFile.open(program);
  const ehFrame = elf.section('.eh_frame');
  if (ehFrame === undefined) throw new Error('/bin/true has frames');
  const frames: Region = [ehFrame.offset, ehFrame.offset + ehFrame.size];
  const headers: Region = [0, 64 + 56 * elf.programHeaders.length];
  const sectionHeaders: Region = [program.length - 64 * elf.sections.length, program.length];

  it('a real program with damaged frames', () => {
    expect(survive(program)).toBeDefined();
    fc.assert(
      fc.property(changesIn([frames]), (changes) => {
        survive(changed(program, changes));
      }),
      { numRuns: 1000 },
    );
  });

  it('a real program with damaged headers', () => {
    fc.assert(
      fc.property(changesIn([headers, sectionHeaders, frames]), (changes) => {
        survive(changed(program, changes));
      }),
      { numRuns: 1000 },
    );
  });

  it('a real program that was cut short', () => {
    fc.assert(
      fc.property(fc.nat(program.length), (length) => {
        survive(program.subarray(0, length));
      }),
      { numRuns: 300 },
    );
  });

  it('very many entries for one address, one inside of the other, or far apart', () => {
    const shapes: ((i: number) => [number, number])[] = [
      () => [TEXT_ADDRESS, 64],
      (i) => [TEXT_ADDRESS + i, 0x10000 - i * 2],
      (i) => [TEXT_ADDRESS + (i % 2) * 0xfff0, 16],
    ];
    for (const shape of shapes) {
      for (const isEhFrame of [true, false]) {
        const writer = new FrameWriter({ isEhFrame });
        const cie = writer.cie(X86_START);
        for (let i = 0; i < 20_000; i++) writer.fde(cie, ...shape(i), []);
        survive(frameSection(writer.bytes, isEhFrame ? '.eh_frame' : '.debug_frame'));
      }
    }
  });

  it('very many CIEs, and chains of states', () => {
    const writer = new FrameWriter();
    for (let i = 0; i < 20_000; i++) writer.fde(writer.cie(X86_START), TEXT_ADDRESS + i, 1, []);
    expect(survive(frameSection(writer.bytes))).toBeDefined();
    const states = new FrameWriter();
    const body = Array.from({ length: 100_000 }, (_, i) => [0x0a, 0x41, 0x0b][i % 3]);
    states.fde(states.cie(X86_START), TEXT_ADDRESS, 0x10000, body);
    expect(survive(frameSection(states.bytes))).toBeDefined();
  });

  it('very large functions have a bounded number of pages', () => {
    const writer = new FrameWriter();
    const cie = writer.cie(X86_START);
    for (let i = 0; i < 64; i++)
      writer.fde(cie, TEXT_ADDRESS + i * 2 ** 31, 2 ** 30, [0x04, ...u32(2 ** 30 - 1), 0x0e, 16]);
    const image = elfImage([{ name: '.eh_frame', address: 0x1000, bytes: writer.bytes }], {
      textSize: 2 ** 40,
    });
    survive(image);
  });
});
