import { afterEach, describe, expect, it } from 'vitest';
import { giveBack, resized } from './resized';
import { transfer } from './transfer-for-tests';

const { prototype } = ArrayBuffer as { prototype: ArrayBuffer & { transfer?: unknown } };
const own = Object.getOwnPropertyDescriptor(prototype, 'transfer') as PropertyDescriptor;

describe.each([
  ['where buffers can be moved', transfer],
  ['where they can not', undefined],
])('resized, %s', (_, value) => {
  const withTransfer = <T>(run: () => T): T => {
    Object.defineProperty(prototype, 'transfer', { value, configurable: true });
    return run();
  };
  afterEach(() => {
    Object.defineProperty(prototype, 'transfer', own);
  });

  it('cuts', () => {
    const cut = withTransfer(() => resized(Uint32Array.of(1, 2, 3), 2));
    expect(cut).toEqual(Uint32Array.of(1, 2));
  });

  it('adds zeros', () => {
    const grown = withTransfer(() => resized(Float64Array.of(1.5), 3));
    expect(grown).toEqual(Float64Array.of(1.5, 0, 0));
  });

  it('leaves alone what else is in the buffer of a view', () => {
    const all = Uint8Array.of(1, 2, 3, 4);
    const cut = withTransfer(() => resized(all.subarray(1, 3), 1));
    expect(cut).toEqual(Uint8Array.of(2));
    expect(all).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it('gives back whole buffers alone', () => {
    const [whole, all] = [new Float64Array(2), Uint8Array.of(1, 2, 3)];
    withTransfer(() => giveBack(whole, whole, all.subarray(1)));
    expect(whole.length).toBe(value === undefined ? 2 : 0);
    expect(all).toEqual(Uint8Array.of(1, 2, 3));
  });
});
