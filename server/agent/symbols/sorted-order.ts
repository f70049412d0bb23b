/** The order that sorts keys rising, as indices; equal keys keep their order. */
export function sortedOrder(keys: Uint32Array): Uint32Array {
  const { length } = keys;
  // A pair of index and key is sorted as one 64-bit integer, natively: quick from the first call on, where a sort written
  // here would first run interpreted.
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

/** The last of rising values that is not above `value`, as an index; -1 where all are. */
export function lastAtOrBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
