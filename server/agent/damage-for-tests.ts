/** Damage to files, for tests of what reads them. */
import fc from 'fast-check';

export type Region = readonly [start: number, end: number];

interface Change {
  readonly region: Region;
  /** Of its bytes, in shares of 1. */
  readonly at: number;
  readonly value: number;
}

/** A few bytes that are others, each in one of `regions`; the changes, not the bytes, so that a failure can be read. */
export const changesIn = (regions: readonly Region[]) =>
  fc.array(
    fc.record({
      region: fc.constantFrom(...regions),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
    }),
    { minLength: 1, maxLength: 20 },
  );

export function changed(original: Uint8Array, changes: readonly Change[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(original);
  for (const { region, at, value } of changes) {
    const [start, end] = region;
    bytes[start + Math.floor(at * (end - start))] = value;
  }
  return bytes;
}
