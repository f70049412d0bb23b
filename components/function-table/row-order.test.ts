import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionList } from '@/profile/function-list';
import { LabelKind, LabelTable } from '@/profile/labels';
import { heaviestFirst } from './heaviest-first';
import { orderedRows } from './row-order';

const labels = new LabelTable();
const labelOf = (text: string): number =>
  labels.intern({ text, module: '', kind: LabelKind.Native, inlined: false, named: true });

/** Functions by name, each with its self and total. */
function listOf(
  rows: Readonly<Record<string, readonly [self: number, total: number]>>,
): FunctionList {
  const entries = Object.entries(rows);
  return {
    length: entries.length,
    label: Uint32Array.from(entries, ([name]) => labelOf(name)),
    self: Float64Array.from(entries, ([, [self]]) => self),
    total: Float64Array.from(entries, ([, [, total]]) => total),
    selfSamples: new Float64Array(entries.length),
    totalSamples: new Float64Array(entries.length),
  };
}

const names = (list: FunctionList, rows: readonly number[]): string[] =>
  rows.map((row) => labels.textOf(list.label[row]));

const nameOf = (label: number): string => labels.textOf(label);

/** Of each pair, the order that comparing them gives. */
function compared(pairs: readonly (readonly [number, number])[]): number[] {
  return pairs
    .map((_, row) => row)
    .sort((a, b) => pairs[b][0] - pairs[a][0] || pairs[b][1] - pairs[a][1] || a - b);
}

function sorted(pairs: readonly (readonly [number, number])[]): number[] {
  const first = Float64Array.from(pairs, ([weight]) => weight);
  const second = Float64Array.from(pairs, ([, weight]) => weight);
  return [...heaviestFirst(pairs.length, first, second)];
}

describe('heaviestFirst', () => {
  const weight = fc.oneof(fc.nat(4), fc.double({ min: 0, max: 1e15, noNaN: true }));
  const pairs = fc.array(fc.tuple(weight, weight), { maxLength: 50 });

  it('sorts few', () => {
    fc.assert(
      fc.property(pairs, (some) => {
        expect(sorted(some)).toEqual(compared(some));
      }),
    );
  });

  it('sorts many', () => {
    fc.assert(
      fc.property(pairs, (some) => {
        const many = Array.from({ length: 100 }, () => some).flat();
        const all = [...many, ...Array.from({ length: 2000 }, (_, i) => [i % 7, i] as const)];
        expect(sorted(all)).toEqual(compared(all));
      }),
      { numRuns: 20 },
    );
  });
});

describe('orderedRows', () => {
  it('sorts by what is asked for', () => {
    const list = listOf({ main: [0, 7], visit: [4, 5], walk: [3, 3] });
    expect(names(list, orderedRows(list, 'self', nameOf))).toEqual(['visit', 'walk', 'main']);
    expect(names(list, orderedRows(list, 'total', nameOf))).toEqual(['main', 'visit', 'walk']);
    const backwards = (label: number): string => [...nameOf(label)].reverse().join('');
    expect(names(list, orderedRows(list, 'name', nameOf))).toEqual(['main', 'visit', 'walk']);
    expect(names(list, orderedRows(list, 'name', backwards))).toEqual(['walk', 'main', 'visit']);
  });
});
