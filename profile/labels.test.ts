import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Label, LabelKind, type Labels, LabelTable } from './labels';

const arbitraryLabel: fc.Arbitrary<Label> = fc.record({
  text: fc.constantFrom('a', 'b', 'B', 'é', '', 'a b', 'a\0b'),
  module: fc.constantFrom('', 'x', 'y'),
  kind: fc.constantFrom(LabelKind.Kernel, LabelKind.Native, LabelKind.Process),
  inlined: fc.boolean(),
  named: fc.boolean(),
});

const labelAt = (labels: Labels, at: number): Label => ({
  text: labels.textOf(at),
  module: labels.moduleOf(at),
  kind: labels.kind[at] as LabelKind,
  inlined: labels.inlined[at] === 1,
  named: labels.named[at] === 1,
});

describe('labels', () => {
  it('are interned, and each keeps its index', () => {
    fc.assert(
      fc.property(fc.array(arbitraryLabel), (wanted) => {
        const labels = new LabelTable();
        const indices = wanted.map((label) => labels.intern(label));
        wanted.forEach((label, i) => {
          expect(labels.intern(label)).toBe(indices[i]);
          expect(labelAt(labels, indices[i])).toEqual(label);
        });
      }),
    );
  });

  it('know the function that an inlined one is a copy of', () => {
    const labels = new LabelTable();
    const label = { text: 'f', module: 'm', kind: LabelKind.Native, named: true };
    const inlined = labels.intern({ ...label, inlined: true });
    const physical = labels.intern({ ...label, inlined: false });
    expect(labels.outOfLine[inlined]).toBe(physical);
    expect(labels.outOfLine[physical]).toBe(physical);
  });

  it('are ranked by name, whenever they came', () => {
    fc.assert(
      fc.property(fc.array(fc.array(arbitraryLabel)), (batches) => {
        const labels = new LabelTable();
        for (const batch of batches) {
          for (const label of batch) labels.intern(label);
          labels.ranks();
        }
        const ranks = labels.ranks();
        expect([...ranks].sort((a, b) => a - b)).toEqual([...ranks.keys()]);
        const byRank = [...ranks.keys()].sort((a, b) => ranks[a] - ranks[b]);
        const texts = byRank.map((label) => labels.textOf(label));
        expect(texts).toEqual([...texts].sort());
      }),
    );
  });
});
