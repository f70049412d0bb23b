/** Which of many ranges that lie over each other is seen at an address. */

export interface OwnedRanges {
  readonly starts: Float64Array<ArrayBuffer>;
  readonly ends: Float64Array<ArrayBuffer>;
  /** The index of the input range that is on top. */
  readonly owners: Uint32Array<ArrayBuffer>;
}

/**
 * Ranges [starts[i], ends[i]) laid over each other in order, the last on top, as what is seen from above:
 *
 *      0  |-----------------|                         0    1    2      0
 *      1       |-------|                  ->      |------|---|-----|--------|
 *      2           |---------|
 *
 * The borders cut the line into cells. Painting the ranges from the last to the first, each cell gets the first colour
 * that reaches it; cells that have theirs are skipped by pointers to the next free one, so each is painted once.
 */
export function latestOnTop(starts: Float64Array, ends: Float64Array): OwnedRanges {
  const borders = new Float64Array(starts.length * 2);
  borders.set(starts);
  borders.set(ends, starts.length);
  borders.sort();
  let cells = 0;
  for (let i = 0; i < borders.length; i++) {
    if (i === 0 || borders[i] !== borders[cells - 1]) borders[cells++] = borders[i];
  }
  const owner = new Int32Array(cells).fill(-1);
  const nextFree = new Uint32Array(cells + 1);
  for (let i = 0; i <= cells; i++) nextFree[i] = i;
  const free = (cell: number): number => {
    let found = cell;
    while (nextFree[found] !== found) {
      nextFree[found] = nextFree[nextFree[found]];
      found = nextFree[found];
    }
    return found;
  };
  for (let range = starts.length - 1; range >= 0; range--) {
    const end = ends[range];
    let cell = free(indexOf(borders, cells, starts[range]));
    while (cell < cells && borders[cell] < end) {
      owner[cell] = range;
      nextFree[cell] = cell + 1;
      cell = free(cell + 1);
    }
  }
  const seen = {
    starts: new Float64Array(cells),
    ends: new Float64Array(cells),
    owners: new Uint32Array(cells),
  };
  let length = 0;
  for (let cell = 0; cell + 1 < cells; cell++) {
    if (owner[cell] < 0) continue;
    const follows = length > 0 && seen.ends[length - 1] === borders[cell];
    if (follows && seen.owners[length - 1] === owner[cell]) length--;
    else seen.starts[length] = borders[cell];
    seen.owners[length] = owner[cell];
    seen.ends[length++] = borders[cell + 1];
  }
  return {
    starts: seen.starts.slice(0, length),
    ends: seen.ends.slice(0, length),
    owners: seen.owners.slice(0, length),
  };
}

function indexOf(sorted: Float64Array, length: number, value: number): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
