import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexTable } from './index-table';

describe('an index table', () => {
  it('does what a Map does', () => {
    const number = fc.oneof(fc.nat(20), fc.nat(0xfffffffe));
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { maxLength: 100 }), (entries) => {
        const table = new IndexTable(entries.length);
        const map = new Map<number, number>();
        for (const [key, value] of entries) {
          expect(table.get(key)).toBe(map.get(key));
          table.set(key, value);
          map.set(key, value);
        }
        for (const [key, value] of map) expect(table.get(key)).toBe(value);
      }),
    );
  });
});
