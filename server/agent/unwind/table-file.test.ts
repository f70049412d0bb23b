import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UnwindTable } from './format';
import { decodeTable, encodeTable } from './table-file';
import { tableOfRows } from './table-for-tests';
import { UnwindError } from './unwind-error';

const BUILD_ID = '0123456789abcdef0123456789abcdef01234567';

/** Gaps between rows, and their rules; 0 is "no row". */
const steps = fc.array(fc.tuple(fc.oneof(fc.nat(40), fc.nat(200_000)), fc.nat(6)), {
  minLength: 1,
  maxLength: 200,
});

function build(rows: readonly (readonly [number, number])[], start: number): UnwindTable {
  let address = start;
  const placed = rows.map(([gap, number]) => {
    address += gap;
    return { address, cfaOffset: number === 0 ? undefined : number * 8 };
  });
  return tableOfRows(placed, address + 10, BUILD_ID);
}

const join = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.concat(parts));

describe('a table', () => {
  it('is the same after it was written to a file and read', () => {
    fc.assert(
      fc.property(steps, fc.nat(2 ** 40), (rows, start) => {
        const table = build(rows, start);
        expect(decodeTable(join(encodeTable(table)), BUILD_ID)).toEqual(table);
      }),
    );
  });
});

describe('a table file', () => {
  const bytes = join(
    encodeTable(
      build(
        [
          [0, 1],
          [8, 2],
          [70_000, 3],
          [5, 0],
          [9, 4],
        ],
        0x1234,
      ),
    ),
  );
  const refused = (content: Uint8Array<ArrayBuffer>, buildId = BUILD_ID): void => {
    expect(() => decodeTable(content, buildId)).toThrow(UnwindError);
  };

  it('of another build is refused', () => {
    refused(bytes, `${BUILD_ID.slice(2)}00`);
    refused(bytes, '');
  });

  it('that was cut short or made longer is refused', () => {
    for (let length = 0; length < bytes.length; length++) refused(bytes.slice(0, length));
    refused(join([bytes, new Uint8Array(4)]));
  });

  it('with any other byte in it is refused', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = bytes.slice();
        damaged[at] ^= change;
        refused(damaged);
      }),
      { numRuns: 1000 },
    );
  });

  it('whose words are wrong is refused even where its checksum is right', () => {
    const table = decodeTable(bytes.slice(), BUILD_ID);
    const wrong: Partial<UnwindTable>[] = [
      { pages: Uint32Array.from([0, table.rows.length + 1]) },
      { pages: Uint32Array.from([1, table.rows.length]) },
      { pages: new Uint32Array(1) },
      { rows: table.rows.slice().fill(0xffff, 1, 2) },
      { rows: table.rows.slice().reverse() },
      { rules: table.rules.slice(0, 10) },
      { rules: table.rules.slice().fill(0xff, 0, 1) },
      { rules: table.rules.slice().fill(0xff, 32, 33) },
    ];
    for (const change of wrong) refused(join(encodeTable({ ...table, ...change })));
  });

  it('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (random) => refused(Uint8Array.from(random))),
    );
  });
});
