/** Damaged and made-up files: names or a reason, in bounded time and memory, and never anything else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changed, changesIn, type Region } from '../damage-for-tests';
import { ElfError, ElfFile } from '../elf/elf-file';
import { Demangler } from './demangle';
import { decodeUnits, encodeUnits } from './dwarf/units-file';
import { KernelSymbols } from './kallsyms';
import { ModuleSymbols } from './module-symbols';
import { JitTable } from './perf-map';
import { readPltStubs } from './plt-stubs';
import { NONE, SymbolError } from './protocol';
import { decodeSymbols, encodeSymbols } from './symbol-file';
import { SymbolTableBuilder } from './symbol-table';
import { run, TestFolder } from './test-binaries';
import { toFrames } from './to-frames';
import { decompressXz } from './xz';

const KINDS = ['io', 'not-elf', 'unsupported', 'malformed', 'too-large'];
/** Far above what any of these small inputs needs, even on a busy machine. */
const MAX_MS = 4000;
const MAX_BYTES = 64 * 1024 * 1024;
const OFFSETS = Float64Array.from({ length: 64 }, (_, i) => i * 301);

const demangler = new Demangler();
let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

/** What `attempt` returns, undefined where it fails with a reason; fails on anything else. */
function survive<T>(attempt: () => T): T | undefined {
  const startedMs = performance.now();
  let result: T | undefined;
  try {
    result = attempt();
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    expect(KINDS).toContain(error.kind);
    expect(error.message).not.toBe('');
  }
  expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
  return result;
}

/** Has code all over a module named. */
function nameAll(path: string): void {
  survive(() => {
    const module = ModuleSymbols.load({ key: 'fuzz', path });
    try {
      for (const frame of toFrames(module.symbolize(OFFSETS, demangler))) {
        if (frame !== undefined) expect(frame.functionName).toBeTypeOf('string');
      }
      expect(module.bytes).toBeLessThan(MAX_BYTES);
      expect(module.unnamedReason).not.toBe('');
    } finally {
      module.close();
    }
  });
}

/** Where sections are, and the headers that say so. */
function regionsOf(path: string, ...names: readonly string[]): Region[] {
  const elf = ElfFile.open(path);
  const sections = elf.sections
    .filter(({ name, size }) => names.includes(name) && size > 0)
    .map(({ offset, size }): Region => [offset, offset + size]);
  const { size } = elf;
  const headers: Region[] = [
    [0, 64 + 56 * elf.programHeaders.length],
    [size - 64 * elf.sections.length, size],
  ];
  elf.close();
  expect(sections.length).toBeGreaterThan(0);
  return [...sections, ...headers];
}

/** Names a file with random damage in these sections, many times. */
function damage(path: string, runs: number, ...sections: readonly string[]): void {
  const original = readFileSync(path);
  const regions = regionsOf(path, ...sections);
  const damagedPath = join(folder.path, 'damaged');
  fc.assert(
    fc.property(changesIn(regions), (changes) => {
      writeFileSync(damagedPath, changed(original, changes));
      nameAll(damagedPath);
    }),
    { numRuns: runs },
  );
}

const C = `
  static inline __attribute__((always_inline)) int inner(int a) { return a * 3 + 1; }
  int __attribute__((noinline)) outer(int a) { return inner(a) ^ inner(a + 1); }
  int main(int argc, char **argv) { return outer(argc); }`;

/** A Go runtime's table, made by the assembler. */
const GO = `
  .globl _start
  .text
  first: nop; nop; nop; nop
  second: nop; nop
  _start: nop
  end: nop
  .section .gopclntab, "aw"
  table: .long 0xfffffff1
  .byte 0, 0, 1, 8
  .quad 3, 0
  .quad first
  .quad names - table, names_end - table, 0, 0, functions - table
  names: .string "main.first"
  name2: .string "main.(*T).second"
  name3: .string "main.third"
  names_end:
  functions:
  .long 0, f1 - functions, second - first, f2 - functions, _start - first, f3 - functions, end - first
  f1: .long 0, 0
  f2: .long second - first, name2 - names
  f3: .long _start - first, name3 - names`;

describe('whatever is in a file', { timeout: 120_000 }, () => {
  it('a program with damaged symbols', () => {
    const path = folder.compile('symbols.c', C, '-O1');
    damage(path, 600, '.symtab', '.strtab', '.dynsym', '.dynstr', '.note.gnu.build-id');
  });

  it('a program with damaged stubs of the procedure linkage table', () => {
    const calls =
      '#include <stdlib.h>\nint main(int count, char **x) { return atoi(*x) + rand(); }';
    const path = folder.compile('stubs.c', calls, '-O1');
    const sections = ['.plt', '.plt.got', '.rela.plt', '.rela.dyn', '.dynsym', '.dynstr'];
    const original = readFileSync(path);
    fc.assert(
      fc.property(changesIn(regionsOf(path, ...sections)), (changes) => {
        survive(() => {
          const stubs = readPltStubs(ElfFile.open(changed(original, changes)));
          for (let i = 0; i < stubs.length; i++) {
            const { start, end } = stubs.at(i);
            expect(end).toBeGreaterThan(start);
          }
          expect(stubs.length).toBeLessThan(100);
        });
      }),
      { numRuns: 600 },
    );
    damage(path, 100, ...sections);
  });

  it('a stripped program with a damaged table of functions', () => {
    const path = folder.compile('bounds.c', C, '-O1');
    run('strip', [path]);
    damage(path, 600, '.eh_frame_hdr', '.eh_frame');
  });

  it('a program with damaged debug information, compressed or not', () => {
    const sections = ['info', 'abbrev', 'line', 'str', 'line_str', 'rnglists', 'ranges', 'aranges'];
    const names = sections.map((name) => `.debug_${name}`);
    damage(folder.compile('debug.c', C, '-O1', '-g'), 600, ...names);
    damage(folder.compile('packed.c', C, '-O1', '-g', '-gz=zlib'), 300, ...names);
  });

  it("a Go program with a damaged runtime's table", () => {
    const path = folder.compile('go.s', GO, '-nostdlib', '-static');
    run('strip', [path]);
    nameAll(path);
    damage(path, 600, '.gopclntab');
  });

  it('a program whose packed symbols are damaged', () => {
    const whole = folder.compile('whole.c', C, '-O1');
    const mini = join(folder.path, 'mini');
    const path = join(folder.path, 'with-mini');
    run('objcopy', ['--only-keep-debug', '--strip-debug', whole, mini]);
    run('xz', ['-k', mini]);
    run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${mini}.xz`, whole, path]);
    damage(path, 300, '.gnu_debugdata');
    // What is packed is damaged, not the packing.
    const original = readFileSync(mini);
    const regions = regionsOf(mini, '.symtab', '.strtab');
    fc.assert(
      fc.property(changesIn(regions), (changes) => {
        survive(() => {
          const builder = new SymbolTableBuilder();
          builder.addSection(ElfFile.open(changed(original, changes)), '.symtab');
          const table = builder.build();
          table.allNameOffsets().forEach((name, i) => {
            if (name !== NONE) table.name(i);
          });
        });
      }),
      { numRuns: 300 },
    );
  });

  it('a program that was cut short', () => {
    const path = folder.compile('cut.c', C, '-O1', '-g');
    const original = readFileSync(path);
    const cutPath = join(folder.path, 'cut');
    fc.assert(
      fc.property(fc.nat(original.length), (length) => {
        writeFileSync(cutPath, original.subarray(0, length));
        nameAll(cutPath);
      }),
      { numRuns: 300 },
    );
  });

  it('a program that is cut short while its names are used', () => {
    const functions = Array.from(
      { length: 4000 },
      (_, i) => `int a_long_name_of_function_${i}(void) { return ${i}; }`,
    );
    const path = folder.compile('large.c', `${functions.join('\n')}\nint main(void) { return 0; }`);
    const original = readFileSync(path);
    const strings = ElfFile.open(path).section('.strtab')!;
    for (const length of [0, strings.offset, strings.offset + 100, original.length - 1]) {
      const module = ModuleSymbols.load({ key: 'large', path });
      writeFileSync(path, original.subarray(0, length));
      survive(() => {
        module.symbolize(OFFSETS, demangler);
      });
      module.close();
      writeFileSync(path, original);
    }
  });

  it('random bytes behind an ELF header', () => {
    const header = readFileSync('/bin/true').subarray(0, 64);
    const path = join(folder.path, 'random');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
        writeFileSync(path, Buffer.concat([header, bytes]));
        nameAll(path);
      }),
      { numRuns: 300 },
    );
  });
});

describe('whatever is said to be xz', { timeout: 60_000 }, () => {
  it('is decompressed, or refused, within its bound', () => {
    const zeros = folder.write('zeros', Buffer.alloc(1_000_000));
    run('xz', [zeros]);
    const packed = readFileSync(`${zeros}.xz`);
    expect(decompressXz(packed, 1_000_000)).toHaveLength(1_000_000);
    expect(() => decompressXz(packed, 999_999)).toThrow(ElfError);
    fc.assert(
      fc.property(changesIn([[0, packed.length]]), (changes) => {
        const result = survive(() => decompressXz(changed(packed, changes), 2_000_000));
        if (result !== undefined) expect(result.length).toBeLessThanOrEqual(2_000_000);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        survive(() => decompressXz(Buffer.concat([bytes, Buffer.from('YZ')]), 1_000_000));
      }),
      { numRuns: 500 },
    );
  });
});

describe('whatever a process writes into its perf map', { timeout: 60_000 }, () => {
  const hex = fc.oneof(
    fc.bigInt(0n, 0xffffffffffffffffn).map((value) => value.toString(16)),
    fc.nat(2000).map((value) => value.toString(16)),
    fc.constantFrom('', '-1', '0x', '0xfff', 'g', 'f'.repeat(40)),
  );
  const line = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(hex, hex, fc.string()).map((parts) => parts.join(' ')) },
    { weight: 1, arbitrary: fc.string() },
  );

  it('is a table of ranges that do not overlap', () => {
    fc.assert(
      fc.property(fc.array(fc.array(line, { maxLength: 30 }), { maxLength: 4 }), (pieces) => {
        const table = new JitTable();
        for (const lines of pieces) table.add(Buffer.from(`${lines.join('\n')}\n`));
        for (let address = 0; address < 4000; address += 7) {
          const range = table.find(address);
          if (range >= 0) expect(table.name(range)).toBeTypeOf('string');
        }
        expect(table.bytes).toBeLessThan(MAX_BYTES);
      }),
      { numRuns: 300 },
    );
  });

  it('is read in bounded time, however its ranges lie', () => {
    const shapes: readonly ((i: number) => readonly [start: number, size: number])[] = [
      () => [0x1000, 0x100],
      (i) => [0x1000 + i, 0x40000 - 2 * i],
      (i) => [0x100000 - i * 2, 0x100000],
    ];
    for (const shape of shapes) {
      const lines = Array.from({ length: 100_000 }, (_, i) => {
        const [start, size] = shape(i);
        return `${start.toString(16)} ${Math.max(0, size).toString(16)} f${i}\n`;
      });
      const startedMs = performance.now();
      const table = new JitTable();
      table.add(Buffer.from(lines.join('')));
      expect(table.find(0x1050)).toBeGreaterThanOrEqual(-1);
      expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
    }
  });
});

describe('whatever is in kallsyms', () => {
  it('is a table, or refused', () => {
    const symbol = fc
      .tuple(
        fc.bigInt(0n, 0xffffffffffffffffn),
        fc.constantFrom('t', 'T', 'd', 'w', '?'),
        fc.string(),
      )
      .map(([address, type, name]) => `${address.toString(16).padStart(16, '0')} ${type} ${name}`);
    const text = fc.array(fc.oneof(symbol, fc.string()), { maxLength: 40 });
    fc.assert(
      fc.property(text, fc.nat(0xffff), (lines, address) => {
        try {
          const table = KernelSymbols.parse(Buffer.from(lines.join('\n')));
          const entry = table.find(-address);
          if (entry >= 0) table.functionAt(entry);
        } catch (error) {
          if (!(error instanceof SymbolError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('whatever is in the cache', { timeout: 60_000 }, () => {
  const joined = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
    new Uint8Array(Buffer.concat(parts));

  it('is a table, or refused: any other byte', () => {
    const path = folder.compile('cached.c', C, '-O1');
    const elf = ElfFile.open(path);
    const builder = new SymbolTableBuilder();
    const sources = builder.addFile(elf);
    const table = builder.build();
    const files = { module: elf, debugFile: undefined };
    const original = joined(encodeSymbols({ table, symbols: 3, sources, notes: [] }, files));
    expect(decodeSymbols(original, files).table.length).toBe(table.length);
    const ranges = { starts: Float64Array.of(1, 5), ends: Float64Array.of(4, 9) };
    const units = {
      ...ranges,
      offsets: Float64Array.of(0, 11),
      owners: Uint32Array.of(1, 0),
      notes: ['x'],
    };
    const originalUnits = joined(encodeUnits(units));
    expect(decodeUnits(originalUnits)).toEqual(units);
    const refused = (bytes: Uint8Array, decode: (bytes: Uint8Array<ArrayBuffer>) => unknown) =>
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, value) => {
          const other = new Uint8Array(bytes);
          other[at] ^= value;
          expect(() => decode(other)).toThrow(ElfError);
        }),
        { numRuns: 500 },
      );
    refused(original, (bytes) => decodeSymbols(bytes, files));
    refused(originalUnits, decodeUnits);
    fc.assert(
      fc.property(fc.nat(original.length - 1), (length) => {
        expect(() => decodeSymbols(original.slice(0, length), files)).toThrow(ElfError);
        const cutUnits = originalUnits.slice(0, length % originalUnits.length);
        expect(() => decodeUnits(cutUnits)).toThrow(ElfError);
      }),
    );
    elf.close();
  });
});
