/** Sorts rows by weight, hundreds of thousands of them without a comparison. */

const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;
/** So few are compared, which takes less than to go through all values of a digit. */
const FEW = 2000;

/**
 * The rows 0..length-1 with the largest `first` first; ties by `second`, the largest first, then in their own order.
 * Weights are not negative.
 */
export function heaviestFirst(
  length: number,
  first: Float64Array<ArrayBuffer>,
  second: Float64Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  let rows = new Uint32Array(length);
  for (let row = 0; row < length; row++) rows[row] = row;
  if (length <= FEW)
    return rows.sort((a, b) => first[b] - first[a] || second[b] - second[a] || a - b);
  // By the less important key first: each pass keeps the order that the ones before made.
  for (const column of [second, first]) rows = sortedByBits(rows, column);
  return rows;
}

/**
 * Radix sort over the bits of the numbers, which for positive ones are in the order of their values. Digits that are the
 * same in all rows, as the low ones of integers are, cost a look only.
 */
function sortedByBits(
  rows: Uint32Array<ArrayBuffer>,
  column: Float64Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  // Little endian, as all machines that run a browser: digit 0 is the lowest.
  const digits = new Uint16Array(column.buffer, column.byteOffset, column.length * 4);
  const starts = new Uint32Array(DIGITS);
  let [from, to] = [rows, new Uint32Array(rows.length)];
  for (let digit = 0; digit < 4; digit++) {
    starts.fill(0);
    for (let i = 0; i < from.length; i++) starts[digits[from[i] * 4 + digit]]++;
    if (from.length === 0 || starts[digits[from[0] * 4 + digit]] === from.length) continue;
    let start = 0;
    for (let value = DIGITS - 1; value >= 0; value--) {
      const count = starts[value];
      starts[value] = start;
      start += count;
    }
    for (let i = 0; i < from.length; i++) to[starts[digits[from[i] * 4 + digit]]++] = from[i];
    [from, to] = [to, from];
  }
  return from;
}
