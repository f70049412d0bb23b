import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Label, LabelKind, type Labels, LabelTable } from '@/profile/labels';
import { ReceivedLabels } from './received-labels';

const arbitraryLabel: fc.Arbitrary<Label> = fc.record({
  text: fc.constantFrom('a', 'b', 'B', 'é', '', 'a b', 'a\0b', '\u{1f525}', '\ud83d', '\udd25'),
  module: fc.constantFrom('', 'x', 'y'),
  kind: fc.constantFrom(LabelKind.Kernel, LabelKind.Native, LabelKind.Process),
  inlined: fc.boolean(),
  named: fc.boolean(),
});

const rowsOf = (labels: Labels): unknown[] =>
  Array.from({ length: labels.length }, (_, label) => [
    labels.textOf(label),
    labels.moduleOf(label),
    labels.kind[label],
    labels.inlined[label],
    labels.named[label],
    labels.outOfLine[label],
  ]);

describe('received labels', () => {
  it('are those that were sent, whenever they came', () => {
    fc.assert(
      fc.property(fc.array(fc.array(arbitraryLabel)), (batches) => {
        const [here, there] = [new LabelTable(), new ReceivedLabels()];
        for (const [i, batch] of batches.entries()) {
          for (const label of batch) here.intern(label);
          if (i % 2 === 1) here.trim();
          there.append(structuredClone(here.since(there.length)));
          expect(rowsOf(there)).toEqual(rowsOf(here));
        }
      }),
    );
  });

  it('are refused where some before them are missing', () => {
    const labels = new LabelTable();
    labels.intern({ text: 'f', module: '', kind: LabelKind.Native, inlined: false, named: true });
    expect(() => new ReceivedLabels().append(labels.since(1))).toThrow(RangeError);
  });
});
