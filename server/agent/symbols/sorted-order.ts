/**
 * The order that sorts the first `length` keys rising, as indices; equal keys keep their order. Keys and indices are
 * sorted together as 64-bit integers, natively: quick from the first call on, where a sort written here would first
 * run interpreted.
 */
export function sortedOrder(keys: Uint32Array, length = keys.length): Uint32Array {
  const pairs = new Uint32Array(length * 2);
  for (let i = 0; i < length; i++) {
    pairs[2 * i] = i;
    pairs[2 * i + 1] = keys[i];
  }
  new BigUint64Array(pairs.buffer).sort();
  const order = new Uint32Array(length);
  for (let i = 0; i < length; i++) order[i] = pairs[2 * i];
  return order;
}
