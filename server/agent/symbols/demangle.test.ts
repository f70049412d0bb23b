import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { Demangler } from './demangle';
import { SymbolTableBuilder } from './symbol-table';
import { run } from './test-binaries';

describe('demangling', () => {
  const demangler = new Demangler();

  it.each([
    [
      '_ZN3art10ArenaStack19AllocWithMemoryToolEjNS_14ArenaAllocKindE',
      'art::ArenaStack::AllocWithMemoryTool(unsigned int, art::ArenaAllocKind)',
    ],
    ['_ZN12_GLOBAL__N_13fooEv', '(anonymous namespace)::foo()'],
    ['_ZL3foov.part.0', 'foo() [clone .part.0]'],
    // Rust, legacy and v0.
    ['_ZN4core3fmt9Formatter3pad17h0123456789abcdefE', 'core::fmt::Formatter::pad'],
    ['_RNvNtCs1234_7mycrate3foo3bar', 'mycrate::foo::bar'],
    ['_RINvCs_3foo3barlE', 'foo::bar::<i32>'],
    // Not mangled.
    ['main', 'main'],
    ['__libc_start_main', '__libc_start_main'],
    ['_RUNTIME', '_RUNTIME'],
    ['_ZERO', '_ZERO'],
    ['main.main.func1', 'main.main.func1'],
    ['', ''],
  ])('%s is %s', (mangled, expected) => expect(demangler.demangle(mangled)).toBe(expected));

  it('agrees with c++filt on the names of functions in node', () => {
    const elf = ElfFile.open(process.execPath);
    const builder = new SymbolTableBuilder();
    builder.addFile(elf);
    const table = builder.build();
    const names: string[] = [];
    const step = Math.ceil(table.length / 3000);
    for (let i = 0; i < table.length; i += step) {
      const range = table.find(table.range(i)[0]);
      if (range >= 0 && table.name(range).startsWith('_Z')) names.push(table.name(range));
    }
    const filtered = run('c++filt', [], `${names.join('\n')}\n`).split('\n');
    // The texts differ in style (spaces, casts, return types of templates): compare what is no matter of style.
    const plain = (text: string) =>
      text
        .replace(/\(.*/s, '')
        .replace(/<.*/s, '')
        .replace(/.*[ :]/, '');
    const agreeing = names.filter(
      (name, i) => plain(demangler.demangle(name)) === plain(filtered[i]),
    );
    expect(names.length).toBeGreaterThan(500);
    expect(agreeing.length / names.length).toBeGreaterThan(0.85);
    // Of all 58,000 names in node, 25 use an expression in a template that the demangler does not know.
    expect(names.filter((name) => demangler.demangle(name) === name).length).toBeLessThan(5);
  });

  it('gives up on a name that would take all memory, and goes on', () => {
    const reference = (n: number) => (n === 0 ? 'S_' : `S${(n - 1).toString(36).toUpperCase()}_`);
    let name = '_Z1f1AIiiE';
    for (let i = 0; i < 40; i++) name += `1BI${reference(i * 2 + 1)}${reference(i * 2 + 1)}E`;
    expect(demangler.demangle(name)).toBe(name);
    expect(demangler.demangle('_ZN3foo3barEv')).toBe('foo::bar()');
  });

  it('bears any text', () => {
    const piece = fc.constantFrom(
      'N',
      'E',
      'S_',
      'I',
      'P',
      '1a',
      '3foo',
      'T_',
      'v',
      'i',
      'B_',
      'C',
      'X',
      'L',
      'D',
      'F',
      '_',
      's_',
      '9999999999',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('_Z', '_ZN', '_R', '_RNv', '__Z'),
        fc.array(fc.oneof(piece, piece, fc.string({ maxLength: 4 })), { maxLength: 60 }),
        (prefix, pieces) => {
          expect(typeof demangler.demangle(prefix + pieces.join(''))).toBe('string');
        },
      ),
      { numRuns: 1000 },
    );
    expect(demangler.demangle(`_Z${'P'.repeat(100_000)}i`)).toHaveLength(100_003);
  });
});
