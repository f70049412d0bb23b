import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KnownFunctions } from './known-functions';

const named = (start: number, end: number, functionName: string) => ({
  start,
  end,
  frame: { functionName },
});

describe('functions that were named before', () => {
  it('are found by every address in them, and by no other', () => {
    const known = new KnownFunctions();
    known.add('a', [named(0x40, 0x60, 'second'), named(0x10, 0x20, 'first')]);
    known.add('a', [named(0x20, 0x40, 'between')]);
    const at = (address: number) => known.find('a', address)?.functionName;
    expect([0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x5f, 0x60].map(at)).toEqual([
      undefined,
      'first',
      'first',
      'between',
      'between',
      'second',
      'second',
      undefined,
    ]);
    expect(known.find('b', 0x10)).toBeUndefined();
  });

  it('take the place of what was there', () => {
    const known = new KnownFunctions();
    known.add('a', [named(0x10, 0x20, 'old'), named(0x20, 0x30, 'kept')]);
    known.add('a', [named(0x10, 0x18, 'new')]);
    expect(known.find('a', 0x10)?.functionName).toBe('new');
    expect(known.find('a', 0x18)).toBeUndefined();
    expect(known.find('a', 0x20)?.functionName).toBe('kept');
  });

  it('of a module are forgotten alone', () => {
    const known = new KnownFunctions();
    known.add('a', [named(0, 1, 'a')]);
    known.add('b', [named(0, 1, 'b')]);
    known.forget('a');
    expect(known.find('a', 0)).toBeUndefined();
    expect(known.find('b', 0)?.functionName).toBe('b');
  });

  it('are bounded in number', () => {
    const known = new KnownFunctions();
    for (let i = 0; i < 60; i++)
      known.add(
        `${i}`,
        Array.from({ length: 1000 }, (_, at) => named(at, at + 1, `${i} ${at}`)),
      );
    const kept = Array.from({ length: 60 }, (_, i) => known.find(`${i}`, 0)).filter(Boolean);
    expect(kept.length).toBeLessThanOrEqual(50);
    expect(known.find('59', 999)?.functionName).toBe('59 999');
  });

  it('are the same in whatever order they come', () => {
    const spans = fc.uniqueArray(fc.nat(200), { maxLength: 40 });
    fc.assert(
      fc.property(spans, fc.array(fc.nat(5), { minLength: 1 }), (starts, cuts) => {
        const known = new KnownFunctions();
        const rest = starts.map((start) => named(start * 4, start * 4 + 3, `${start}`));
        for (const cut of cuts) known.add('a', rest.splice(0, cut));
        known.add('a', rest);
        for (let address = 0; address < 804; address++) {
          const start = Math.floor(address / 4);
          const isIn = starts.includes(start) && address % 4 < 3;
          expect(known.find('a', address)?.functionName).toBe(isIn ? `${start}` : undefined);
        }
      }),
    );
  });
});
