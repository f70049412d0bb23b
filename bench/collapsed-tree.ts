/** Makes collapsed stacks whose call tree has a given number of nodes: always the same text for the same number. */
import { closeSync, openSync, writeSync } from 'node:fs';

const WORDS =
  'alloc array async buffer cache call chunk commit copy decode draw emit encode event fetch flush frame hash heap index insert join layout list load lock lookup map merge node parse queue read render resolve scan send slab sort stack stream string sync table token tree update visit walk write'.split(
    ' ',
  );
const NAMESPACES = 'base core db engine gfx io kernel net render runtime store v8'.split(' ');
const FUNCTIONS = 6000;
const MAX_DEPTH = 36;

/** Numbers in [0, 1) that are the same in every run. Source: Mulberry32, public domain. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Writes collapsed stacks to `path`, in the order in which they would be sorted by their callers. Returns the exact
 * number of tree nodes, at least `nodes`, and the bytes.
 */
export function writeCollapsedTree(path: string, nodes: number): { nodes: number; bytes: number } {
  const random = randomNumbers(nodes);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const names = Array.from(
    { length: FUNCTIONS },
    (_, i) => `${pick(NAMESPACES)}::${pick(WORDS)}_${pick(WORDS)}_${i}`,
  );
  const file = openSync(path, 'w');
  let written = 0;
  let bytes = 0;
  let lines: string[] = [];
  const stack: string[] = ['main'];
  /** Siblings must differ, or they would be one node: each takes the next name at its depth. */
  const next: number[] = [0];
  const flush = (): void => {
    bytes += writeSync(file, lines.join(''));
    lines = [];
  };
  written = 1;
  while (written < nodes) {
    // Go back some way, then down again: most of a stack is the one before it.
    stack.length = Math.max(1, stack.length - Math.floor(random() ** 2 * 12));
    next.length = stack.length;
    const down = 1 + Math.floor(random() * 8);
    for (let i = 0; i < down && stack.length < MAX_DEPTH; i++) {
      const depth = stack.length;
      const sibling = (next[depth - 1] ?? Math.floor(random() * FUNCTIONS)) + 1;
      next[depth - 1] = sibling;
      next[depth] = Math.floor(random() * FUNCTIONS);
      stack.push(names[sibling % FUNCTIONS]);
      written++;
    }
    lines.push(`${stack.join(';')} ${1 + Math.floor(random() * 20)}\n`);
    if (lines.length >= 1000) flush();
  }
  flush();
  closeSync(file);
  return { nodes: written, bytes };
}
