import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfError, ElfFile } from '../elf/elf-file';
import { bestAlias, FunctionSet, Rank } from './function-set';
import { NONE } from './protocol';
import { StringSection } from './string-section';
import { SymbolTableBuilder } from './symbol-table';
import { run, TestFolder } from './test-binaries';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const LIBC = '/lib/x86_64-linux-gnu/libc.so.6';

let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

/** The files stay open as long as the tests run: large tables leave their names there. */
function tableOf(path: string) {
  const elf = ElfFile.open(path);
  const builder = new SymbolTableBuilder();
  const sources = builder.addFile(elf);
  return { elf, sources, table: builder.build() };
}

interface Listed {
  readonly start: number;
  readonly size: number;
  readonly names: Set<string>;
}

/** The functions with sizes that readelf lists, by address. */
function functionsOf(path: string): Listed[] {
  const byStart = new Map<number, Listed>();
  for (const line of run('readelf', ['-sW', path]).split('\n')) {
    const [, address, size, type, , , section, name] = line.trim().split(/\s+/);
    if ((type !== 'FUNC' && type !== 'IFUNC') || section === 'UND' || name === undefined) continue;
    const [start, bytes] = [Number.parseInt(address, 16), Number(size)];
    const known = byStart.get(start) ?? { start, size: bytes, names: new Set() };
    known.names.add(name.replace(/@.*/, ''));
    byStart.set(start, { ...known, size: Math.max(known.size, bytes) });
  }
  return [...byStart.values()].filter(({ size }) => size > 0).sort((a, b) => a.start - b.start);
}

describe('the symbol table of a real file', () => {
  it.each([process.execPath, LIBC, '/bin/bash', '/lib64/ld-linux-x86-64.so.2'])(
    '%s has the functions that readelf lists, and nothing between them',
    (path) => {
      const { table } = tableOf(path);
      const functions = functionsOf(path);
      expect(functions.length).toBeGreaterThan(10);
      const unexpected: unknown[] = [];
      let coveredTo = 0;
      for (const { start, size, names } of functions) {
        const name = (address: number) => {
          const range = table.find(address);
          return range < 0 ? undefined : table.name(range);
        };
        const first = name(start);
        if (first === undefined || !names.has(first)) unexpected.push([start, first, names]);
        // Behind the last function that may reach here is a gap, or a label without a size.
        if (coveredTo > 0 && coveredTo < start && name(coveredTo) !== undefined) {
          const range = table.find(coveredTo);
          const [rangeStart] = table.range(range);
          if (functions.some((f) => rangeStart >= f.start && rangeStart < f.start + f.size)) {
            unexpected.push(['runs over', coveredTo, name(coveredTo)]);
          }
        }
        coveredTo = Math.max(coveredTo, start + size);
      }
      expect(unexpected).toEqual([]);
    },
  );

  it('has no name for what is outside of all code', () => {
    const { table, elf } = tableOf(process.execPath);
    const text = elf.section('.text')!;
    expect(table.find(0)).toBe(-1);
    expect(table.find(elf.section('.rodata')!.address)).toBe(-1);
    expect(table.find(text.address + text.size + 0x100000)).toBe(-1);
    expect(table.find(Number.MAX_SAFE_INTEGER)).toBe(-1);
  });

  it('of node is small', () => {
    expect(tableOf(process.execPath).table.bytes).toBeLessThan(2e6);
  });
});

describe('symbols that overlap', () => {
  const source = `
    .text
    .globl outer, _alias, alias, same_global, unsized
    .weak same_weak
    .type outer, @function
    outer: nop; nop
    .type inner, @function
    inner: nop; nop
    .size inner, 2
    label: nop; nop; nop; nop
    .size outer, 8
    nop; nop
    .type same_weak, @function
    .type same_local, @function
    .type same_global, @function
    same_weak: same_local: same_global: nop; nop
    .size same_weak, 2
    .size same_local, 2
    .size same_global, 2
    .type _alias, @function
    .type alias, @function
    _alias: alias: nop; nop
    .size _alias, 2
    .size alias, 2
    unsized: nop; nop; nop
    next_unsized: nop
    .type resolver, @gnu_indirect_function
    resolver: nop
    .size resolver, 1
    .data
    not_code: .long 0
  `;
  const nameAt = (offset: number): string | undefined => {
    const path = folder.compile('overlap.s', source, '-nostdlib', '-shared');
    const { table, elf } = tableOf(path);
    const range = table.find(elf.section('.text')!.address + offset);
    return range < 0 ? undefined : table.name(range);
  };

  it('get the innermost name, and the outer one again behind it', () => {
    expect([0, 1, 2, 3, 4, 7].map(nameAt)).toEqual([
      'outer',
      'outer',
      'inner',
      'inner',
      'outer',
      'outer',
    ]);
  });

  it('leave a gap a gap', () => expect([8, 9].map(nameAt)).toEqual([undefined, undefined]));

  it('prefer global over local over weak, and plain names', () => {
    expect([10, 12].map(nameAt)).toEqual(['same_global', 'alias']);
  });

  it('reach to the next one where they have no size', () => {
    expect([14, 16, 17, 18].map(nameAt)).toEqual([
      'unsized',
      'unsized',
      'next_unsized',
      'resolver',
    ]);
  });
});

describe('versions', () => {
  it('are cut off names', () => {
    const source = `
      __asm__(".symver old_sum, sum@V1"); __asm__(".symver new_sum, sum@@V2");
      int old_sum(int a) { return a; } int new_sum(int a) { return a + 1; }`;
    const script = folder.write('versions', 'V1 { }; V2 { global: sum; } V1;');
    const path = folder.compile('versions.c', source, '-shared', `-Wl,--version-script=${script}`);
    const { table } = tableOf(path);
    const names = Array.from({ length: table.length }, (_, i) =>
      table.allNameOffsets()[i] === NONE ? '' : table.name(i),
    );
    expect(names.some((name) => name === 'sum' || name === 'new_sum')).toBe(true);
    expect(names.filter((name) => name.includes('@'))).toEqual([]);
  });
});

describe('flattening', () => {
  interface Flattened {
    readonly starts: Uint32Array;
    /** Indices of symbols. */
    readonly names: Uint32Array;
  }

  const flatten = (
    symbols: readonly { readonly start: number; readonly end: number; readonly rank: number }[],
    awkwardness: (symbol: number) => number = () => 0,
  ): Flattened => {
    const set = new FunctionSet(new Uint8Array(0x100), { awkwardness, isMarker: () => false });
    set.add(Uint32Array.from(symbols.flatMap(({ start, end, rank }, i) => [start, end, i, rank])));
    const { starts, names, aliases } = set.flatten();
    const best = (name: number) => bestAlias(name, aliases, (index) => awkwardness(aliases[index]));
    return { starts, names: names.map(best) };
  };

  const symbol = fc.record({
    start: fc.nat(60),
    size: fc.nat(20),
    rank: fc.constantFrom(Rank.Weak, Rank.Local, Rank.Global),
    isFunction: fc.boolean(),
  });

  it('shows at every address the symbol with the latest start that has it', () => {
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 20 }), (symbols) => {
        // Two of three names are equally good.
        const awkwardness = (i: number): number => (i % 3 === 0 ? 1 : 0);
        const ranges = flatten(
          symbols.map(({ start, size, rank }) => ({
            start,
            end: start + size + 1,
            rank: rank | Rank.Sized | Rank.Function,
          })),
          awkwardness,
        );
        for (let address = 0; address < 90; address++) {
          const index = ranges.starts.findLastIndex((start) => start <= address);
          const shown = index < 0 ? NONE : ranges.names[index];
          const having = symbols
            .map(({ start, size, rank }, i) => ({ start, end: start + size + 1, rank, i }))
            .filter(({ start, end }) => start <= address && address < end)
            .sort(
              (a, b) =>
                b.start - a.start ||
                b.rank - a.rank ||
                awkwardness(a.i) - awkwardness(b.i) ||
                a.i - b.i,
            );
          expect(shown).toBe(having.length === 0 ? NONE : having[0].i);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('gives rising ranges whatever it gets', () => {
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 30 }), (symbols) => {
        const { starts, names } = flatten(
          symbols.map(({ start, size, rank, isFunction }) => ({
            start,
            end: size === 0 ? 100 : start + size,
            rank: rank | (size > 0 ? Rank.Sized : 0) | (isFunction ? Rank.Function : 0),
          })),
        );
        for (let i = 0; i < starts.length; i++) {
          if (i > 0) expect(starts[i]).toBeGreaterThan(starts[i - 1]);
          if (names[i] === NONE) continue;
          const { start, size } = symbols[names[i]];
          const end = size === 0 ? 100 : start + size;
          expect(starts[i]).toBeGreaterThanOrEqual(start);
          expect(starts[i]).toBeLessThan(end);
          expect(starts[i + 1] ?? 100).toBeLessThanOrEqual(end);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('string tables', () => {
  it('keep every name, read whole or through a window', () => {
    const name = fc.stringMatching(/^[a-z_]{0,12}$/);
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 50 }), fc.nat(80), (names, skipped) => {
        const header = Buffer.alloc(64);
        header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
        header.writeUInt16LE(62, 18);
        const table = Buffer.from(`\0${names.join('\0')}\0`);
        const elf = ElfFile.open(Buffer.concat([header, table, Buffer.alloc(skipped), table]));
        for (const wholeBytes of [0, 1 << 20]) {
          const strings = new StringSection(wholeBytes);
          const first = strings.add(elf, 64, table.length);
          const second = strings.add(elf, 64 + table.length + skipped, table.length);
          let at = 1;
          const offsets: number[] = [];
          // Every second name of the first table, and the tails of all names of the second.
          names.forEach((text, i) => {
            if (i % 2 === 0) offsets.push(first + at);
            offsets.push(second + at + Math.floor(text.length / 2), NONE);
            at += text.length + 1;
          });
          const expected = names.flatMap((text, i) => [
            ...(i % 2 === 0 ? [text] : []),
            text.slice(Math.floor(text.length / 2)),
            undefined,
          ]);
          const used = Uint32Array.from(offsets);
          const kept = Buffer.from(strings.take(used).inMemory as Uint8Array);
          expect(
            Array.from(used, (offset) =>
              offset === NONE ? undefined : kept.toString('utf8', offset, kept.indexOf(0, offset)),
            ),
          ).toEqual(expected);
        }
      }),
    );
  });
});

describe('hostile symbol tables', () => {
  it('fail with an ElfError, or give a table', () => {
    const path = folder.compile('small.c', 'int main(void) { return 0; }', '-g');
    const elf = ElfFile.open(path);
    const original = Buffer.from(elf.readAt(0, elf.size));
    const places = ['.symtab', '.strtab', '.dynsym'].map((name) => elf.section(name)!);
    const headers = original.length - elf.sections.length * 64;
    const change = fc.record({
      where: fc.nat(places.length),
      at: fc.nat(1 << 16),
      value: fc.oneof(fc.bigInt(0n, 0xffffffffffffffffn), fc.bigInt(0n, 0xffffn)),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Buffer.from(original);
        for (const { where, at, value } of changes) {
          const place = places[where] ?? { offset: headers, size: original.length - headers };
          bytes.writeBigUInt64LE(value, place.offset + (at % Math.max(1, place.size - 8)));
        }
        try {
          const hostile = ElfFile.open(bytes);
          const builder = new SymbolTableBuilder();
          builder.addFile(hostile);
          const table = builder.build();
          table.allNameOffsets().forEach((name, i) => {
            if (name !== NONE) table.name(i);
          });
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});
