import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SymbolNames } from './symbol-names';

/** A file of some bytes that go before, and the table, which may end without a zero; `reads` counts what was read of it. */
function inFile(table: Uint8Array) {
  const before = 37;
  const reads = { count: 0, mostBytes: 0 };
  const file = {
    readInto(offset: number, target: Uint8Array): void {
      const start = offset - before;
      if (start < 0 || start + target.length > table.length) throw new Error('outside');
      target.set(table.subarray(start, start + target.length));
      reads.count++;
      reads.mostBytes = Math.max(reads.mostBytes, target.length);
    },
    close(): void {},
  };
  return { names: SymbolNames.inFile(file, before, table.length), reads };
}

const text = (name: Uint8Array): string => Buffer.from(name).toString();

function namesOf(names: SymbolNames, offsets: Uint32Array): string[] {
  const found: string[] = new Array(offsets.length);
  names.forEach(offsets, (index, name) => {
    found[index] = text(name);
  });
  return found;
}

describe('the names of a large table', () => {
  it('are the same in whatever order they are asked for, many or few, short or long', () => {
    const lengths = fc.array(fc.oneof(fc.nat(40), fc.nat(600), fc.nat(70_000)), { minLength: 1 });
    fc.assert(
      fc.property(lengths, fc.boolean(), fc.infiniteStream(fc.nat()), (sizes, isEnded, random) => {
        const all = sizes.map((size, i) => String.fromCharCode(0x61 + (i % 26)).repeat(size));
        const table = Buffer.from(all.join('\0') + (isEnded ? '\0' : ''));
        const offsets = Uint32Array.from(all, () => random.next().value % (table.length + 1));
        const known = SymbolNames.inMemory(table);
        const { names } = inFile(table);
        const expected = Array.from(offsets, (offset) => text(known.at(offset)));
        expect(namesOf(names, offsets)).toEqual(expected);
        expect(Array.from(offsets, (offset) => text(names.at(offset)))).toEqual(expected);
      }),
    );
  });

  it('are read in pieces where they are near each other, and one by one where they are not', () => {
    const table = Buffer.from(`${'name'.repeat(8)}\0`.repeat(100_000));
    const count = table.length / 33;
    const near = inFile(table);
    namesOf(
      near.names,
      Uint32Array.from({ length: count }, (_, i) => (count - 1 - i) * 33),
    );
    expect(near.reads.count).toBeLessThan(100);
    expect(near.reads.mostBytes).toBeLessThan(100_000);
    const far = inFile(table);
    namesOf(far.names, Uint32Array.of(0, table.length - 33, table.length / 2));
    expect(far.reads.count).toBe(3);
    expect(far.reads.mostBytes).toBeLessThan(1000);
  });
});
