/** Typed arrays of another length, or of none: their memory is given back at once, for a collection of garbage that frees it may come long after. */

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** Of ES2024: browsers have it, Node.js from 21 on. */
interface Movable extends ArrayBuffer {
  transfer?(byteLength: number): ArrayBuffer;
}

/** The array with `length` values, cut at its end or followed by zeros, as a new one. The old one is not to be used any more. */
export function resized<A extends Numbers>(from: A, length: number): A {
  const Kind = from.constructor as new (from: ArrayBuffer | number) => A;
  const buffer = from.buffer as Movable;
  if (buffer.transfer !== undefined && isWhole(from))
    return new Kind(buffer.transfer(length * from.BYTES_PER_ELEMENT));
  const to = new Kind(length);
  to.set(from.subarray(0, length));
  return to;
}

/** Arrays that are not to be used any more. The same one may be among them twice. */
export function giveBack(...arrays: readonly Numbers[]): void {
  for (const array of arrays) if (isWhole(array)) (array.buffer as Movable).transfer?.(0);
}

/** A view of a part has no buffer of its own to give away. */
const isWhole = ({ buffer, byteLength }: Numbers): boolean =>
  byteLength > 0 && buffer.byteLength === byteLength;
