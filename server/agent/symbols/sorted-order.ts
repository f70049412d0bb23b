/**
 * Sorts the first `length` pairs of (value, key), interleaved, by key, then by value; in place. A pair is sorted as one
 * 64-bit integer, natively: quick from the first call on, where a sort written here would first run interpreted.
 */
export function sortPairs(pairs: Uint32Array<ArrayBuffer>, length = pairs.length / 2): void {
  new BigUint64Array(pairs.buffer, pairs.byteOffset, length).sort();
}

/** The order that sorts keys rising, as indices; equal keys keep their order. */
export function sortedOrder(keys: Uint32Array): Uint32Array {
  const { length } = keys;
  const pairs = new Uint32Array(length * 2);
  for (let i = 0; i < length; i++) {
    pairs[2 * i] = i;
    pairs[2 * i + 1] = keys[i];
  }
  sortPairs(pairs);
  const order = new Uint32Array(length);
  for (let i = 0; i < length; i++) order[i] = pairs[2 * i];
  return order;
}
