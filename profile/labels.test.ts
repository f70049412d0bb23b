import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Label, LabelKind, LabelTable } from './labels';

const arbitraryLabel: fc.Arbitrary<Label> = fc.record({
  text: fc.constantFrom('a', 'b', 'B', 'é', '', 'a b', 'a\0b'),
  module: fc.constantFrom('', 'x', 'y'),
  kind: fc.constantFrom(LabelKind.Kernel, LabelKind.Native, LabelKind.Process),
  inlined: fc.boolean(),
  named: fc.boolean(),
});

describe('labels', () => {
  it('are interned, and each keeps its index', () => {
    fc.assert(
      fc.property(fc.array(arbitraryLabel), (wanted) => {
        const labels = new LabelTable();
        const indices = wanted.map((label) => labels.intern(label));
        wanted.forEach((label, i) => {
          expect(labels.intern(label)).toBe(indices[i]);
          const { text, module, kind, inlined, named } = labels;
          const at = indices[i];
          expect({
            text: text[at],
            module: module[at],
            kind: kind[at],
            inlined: inlined[at],
            named: named[at],
          }).toEqual(label);
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
        const texts = byRank.map((label) => labels.text[label]);
        expect(texts).toEqual([...texts].sort());
      }),
    );
  });

  it('arrive in another thread as they are', () => {
    fc.assert(
      fc.property(fc.array(fc.array(arbitraryLabel)), (batches) => {
        const [here, there] = [new LabelTable(), new LabelTable()];
        for (const batch of batches) {
          for (const label of batch) here.intern(label);
          there.append(structuredClone(here.since(there.length)));
        }
        there.append(here.since(0));
        expect(there.since(0)).toEqual(here.since(0));
      }),
    );
  });

  it('are refused where some before them are missing', () => {
    const labels = new LabelTable();
    labels.intern({ text: 'f', module: '', kind: LabelKind.Native, inlined: false, named: true });
    expect(() => new LabelTable().append(labels.since(1))).toThrow(RangeError);
  });
});
