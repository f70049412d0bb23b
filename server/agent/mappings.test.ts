import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MappingKind } from '@/profile/schema';
import { type Mapping, MappingTable } from './mappings';
import type { Module } from './modules';

const module = (path: string): Module => ({
  key: path,
  namesKey: path,
  path,
  buildId: '',
  kind: MappingKind.Executable,
  fd: undefined,
  reachablePath: path,
});

const mapping = fc
  .record({
    start: fc.nat(60),
    length: fc.integer({ min: 1, max: 20 }),
    path: fc.constantFrom('a', 'b', 'c'),
  })
  .map(
    ({ start, length, path }): Mapping => ({
      start,
      end: start + length,
      fileOffset: start * 2,
      module: module(path),
    }),
  );

describe('MappingTable', () => {
  it('finds at each address what was mapped there last, at its place in the file', () => {
    fc.assert(
      fc.property(fc.array(mapping, { maxLength: 12 }), (mappings) => {
        let table = MappingTable.EMPTY;
        for (const one of mappings) table = table.with(one);
        for (let address = 0; address < 90; address++) {
          const expected = mappings.findLast(({ start, end }) => start <= address && address < end);
          const found = table.find(address);
          expect(found?.module.path).toBe(expected?.module.path);
          if (found === undefined || expected === undefined) continue;
          expect(address - found.start + found.fileOffset).toBe(
            address - expected.start + expected.fileOffset,
          );
        }
      }),
    );
  });

  it('finds the same whatever was looked for before, and tells whether all of the first addresses are in a mapping', () => {
    fc.assert(
      fc.property(
        fc.array(mapping, { maxLength: 12 }),
        fc.array(fc.nat(90), { maxLength: 40 }),
        fc.nat(40),
        (mappings, addresses, most) => {
          const make = (): MappingTable =>
            mappings.reduce((table, one) => table.with(one), MappingTable.EMPTY);
          const table = make();
          const found = addresses.map((address) => table.find(address)?.start);
          expect(found).toEqual(addresses.map((address) => make().find(address)?.start));
          const count = Math.min(most, addresses.length);
          expect(table.holds(Float64Array.from(addresses), count)).toBe(
            !found.slice(0, count).includes(undefined),
          );
        },
      ),
    );
  });

  it('leaves the table that it was made from as it was', () => {
    const before = MappingTable.of([{ start: 0, end: 10, fileOffset: 0, module: module('a') }]);
    before.with({ start: 5, end: 15, fileOffset: 0, module: module('b') });
    expect(before.find(7)?.module.path).toBe('a');
  });
});
