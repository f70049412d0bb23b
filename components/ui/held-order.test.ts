import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldOrder } from './held-order';

const itself = (row: string): string => row;

describe('an order', () => {
  it('is that of the rows, and while it is held that of before, new rows last', () => {
    const order = new HeldOrder<string>();
    const shown = (rows: string, isHeld: boolean): string =>
      order.rows([...rows], itself, isHeld).join('');
    expect(shown('ac', true)).toBe('ac');
    expect(shown('ca', false)).toBe('ca');
    expect(shown('bac', true)).toBe('cab');
    expect(shown('abc', true)).toBe('cab');
    expect(shown('ba', true)).toBe('ab');
    expect(shown('cba', true)).toBe('abc');
    expect(shown('abc', false)).toBe('abc');
  });

  it('is not held where it is of something else', () => {
    const order = new HeldOrder<string>();
    order.rows(['a', 'b'], itself, false, ['self', 1]);
    expect(order.rows(['b', 'a'], itself, true, ['self', 1])).toEqual(['a', 'b']);
    expect(order.rows(['b', 'a'], itself, true, ['self', 2])).toEqual(['b', 'a']);
    expect(order.rows(['a', 'b'], itself, true, ['self', 2])).toEqual(['b', 'a']);
  });

  it('has every row once, as it is now', () => {
    const rows = fc.uniqueArray(fc.record({ key: fc.nat(20), weight: fc.nat() }), {
      selector: ({ key }) => key,
    });
    fc.assert(
      fc.property(rows, fc.array(rows), (first, others) => {
        const order = new HeldOrder<(typeof first)[number]>();
        let before = order.rows(first, ({ key }) => key, false).map(({ key }) => key);
        for (const now of others) {
          const shown = order.rows(now, ({ key }) => key, true);
          expect(new Set(shown)).toEqual(new Set(now));
          expect(shown).toHaveLength(now.length);
          const keys = shown.map(({ key }) => key);
          const stayed = before.filter((key) => keys.includes(key));
          expect(keys.slice(0, stayed.length)).toEqual(stayed);
          before = keys;
        }
      }),
    );
  });
});
