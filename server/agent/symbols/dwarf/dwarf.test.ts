import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfError, ElfFile } from '../../elf/elf-file';
import { run, TestFolder } from '../test-binaries';
import { CPP, compare, expectedPlaces, RUST } from './addr2line-for-tests';
import { Dwarf } from './dwarf';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const C = `
  static inline __attribute__((always_inline)) int innermost(int a) { return a * 3 + 1; }
  static inline __attribute__((always_inline)) int middle(int a) { return innermost(a + 1) ^ 5; }
  int __attribute__((noinline)) outer(int a) { return middle(a) + middle(a * 2); }
  int main(int argc, char **argv) { return outer(argc); }
`;

let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

const NO_DIFFERENCE = { compared: 200, different: [], notes: [] };

describe('inlined functions and lines agree with addr2line -i', () => {
  it('in C++, -O2, DWARF 5, and where the sections are compressed', () => {
    const path = folder.compile('cpp-5.cpp', CPP, '-O2', '-g', '-gdwarf-5');
    const result = compare(path, 200);
    expect(result).toMatchObject(NO_DIFFERENCE);
    expect(result.inlined).toBeGreaterThan(20);
    expect(result.bytes).toBeLessThan(20e6);
    run('objcopy', ['--compress-debug-sections=zlib', path, `${path}.packed`]);
    expect(compare(`${path}.packed`, 200)).toMatchObject(NO_DIFFERENCE);
  });

  it('in C++, -O2, DWARF 4', () => {
    const path = folder.compile('cpp-4.cpp', CPP, '-O2', '-g', '-gdwarf-4');
    expect(compare(path, 200)).toMatchObject(NO_DIFFERENCE);
  });

  it.each(['2', '3', '4', '5'])('in C, DWARF %s', (version) => {
    const path = folder.compile(`c-${version}.c`, C, '-O2', `-gdwarf-${version}`);
    const result = compare(path, 200);
    expect(result).toMatchObject({ different: [], notes: [] });
    expect(result.inlined).toBeGreaterThan(3);
  });

  it('in Rust, optimized', () => {
    const path = folder.compile('rust.rs', RUST, '-Copt-level=3', '-g');
    const result = compare(path, 200);
    expect(result).toMatchObject(NO_DIFFERENCE);
    expect(result.inlined).toBeGreaterThan(20);
  });

  const hasClang = (() => {
    try {
      return run('llvm-addr2line', ['--version']) !== '' && run('clang', ['--version']) !== '';
    } catch {
      return false;
    }
  })();

  it.skipIf(!hasClang)('in C from clang, which uses indexed addresses, strings and ranges', () => {
    const source = folder.write('clang.c', C);
    const path = `${source}.out`;
    run('clang', ['-O2', '-g', '-gdwarf-5', '-ffunction-sections', '-o', path, source]);
    const elf = ElfFile.open(path);
    expect(elf.section('.debug_addr')).toBeDefined();
    const dwarf = Dwarf.open(elf, [])!;
    const text = elf.section('.text')!;
    const addresses = Array.from({ length: text.size }, (_, i) => text.address + i).filter(
      (address) => dwarf.find(address) !== undefined,
    );
    const expected = expectedPlaces(path, addresses, 'llvm-addr2line');
    expect(
      addresses.map((address) => dwarf.find(address)!.map((place) => place.functionName)),
    ).toEqual(expected.map((places) => places.map(({ name }) => name)));
    expect(expected.some((places) => places.length === 3)).toBe(true);
  });
});

describe('debug information', () => {
  it('names the chain of calls, innermost first, with the line of each call', () => {
    const path = folder.compile('chain.c', C, '-O2', '-g');
    const elf = ElfFile.open(path);
    const dwarf = Dwarf.open(elf, [])!;
    const text = elf.section('.text')!;
    const chain = Array.from(
      { length: text.size },
      (_, i) => dwarf.find(text.address + i) ?? [],
    ).find((places) => places.length === 3)!;
    expect(chain.map(({ functionName }) => functionName)).toEqual(['innermost', 'middle', 'outer']);
    expect(chain.map(({ line }) => line)).toEqual([2, 3, 4]);
    expect(chain[0].file).toBe(`${folder.path}/chain.c`);
    expect(dwarf.find(0)).toBeUndefined();
    expect(dwarf.describes(0)).toBe(false);
  });

  it('is found where the compiler lists the code of units, and where it does not', () => {
    const [first, second] = ['first', 'second'].map((name) =>
      folder.compile(`${name}.c`, `int ${name}(int a) { return a * 3; }`, '-c', '-g', '-O2'),
    );
    const listed = folder.compile('main.c', C, '-g', '-O2', first, second);
    run('objcopy', ['--remove-section=.debug_aranges', listed, `${listed}.bare`]);
    const [places, bare] = [listed, `${listed}.bare`].map((path) => {
      const elf = ElfFile.open(path);
      const dwarf = Dwarf.open(elf, [])!;
      const text = elf.section('.text')!;
      return Array.from({ length: text.size }, (_, i) => dwarf.find(text.address + i));
    });
    expect(ElfFile.open(listed).section('.debug_aranges')).toBeDefined();
    expect(places.filter((place) => place !== undefined).length).toBeGreaterThan(20);
    expect(places).toEqual(bare);
  });

  it('that is in .dwo files is said to be there', () => {
    const path = folder.compile('split.c', C, '-O2', '-g', '-gsplit-dwarf');
    const notes: string[] = [];
    const dwarf = Dwarf.open(ElfFile.open(path), notes)!;
    const text = dwarf.elf.section('.text')!;
    for (let at = 0; at < text.size; at += 4) dwarf.find(text.address + at);
    expect(notes.join()).toMatch(/\.dwo files/);
  });

  it('that is hostile fails with a note, and in bounded time', () => {
    const path = folder.compile('hostile.c', C, '-O2', '-g');
    const packed = ElfFile.open(path);
    const original = Buffer.from(packed.readAt(0, packed.size));
    const places = packed.sections.filter(({ name }) => name.startsWith('.debug_'));
    const text = packed.section('.text')!;
    const change = fc.record({
      where: fc.nat(places.length - 1),
      at: fc.nat(1 << 16),
      value: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80, 1), fc.nat(255)),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(original);
        for (const { where, at, value } of changes) {
          bytes[places[where].offset + (at % places[where].size)] = value;
        }
        const start = performance.now();
        try {
          const dwarf = Dwarf.open(ElfFile.open(bytes), []);
          for (let at = 0; at < text.size; at += 8) dwarf?.find(text.address + at);
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
        expect(performance.now() - start).toBeLessThan(10_000);
      }),
      { numRuns: 500 },
    );
  });
});
