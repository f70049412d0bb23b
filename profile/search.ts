/** Search: which labels match a text, and how much of a call tree is in them. */
import type { CallTree } from './call-tree';
import { LabelKind, type Labels } from './labels';

export interface SearchResult {
  /** The text that was searched for. */
  readonly text: string;
  /** Per label: 1 where it matches. */
  readonly matches: Uint8Array<ArrayBuffer>;
  /** Weight and number of the samples with a match anywhere in their stack: each counts once. */
  readonly matchedTotal: number;
  readonly matchedSamples: number;
  /** Why the text is no valid regular expression; then nothing matches. */
  readonly error: string | undefined;
}

/**
 * Searches the names of a tree's nodes: for a substring whatever its case, or for a regular expression where the text
 * stands between slashes (`/^std::/`, and `/^std::/i` for any case). A text with the first slash only is still being typed
 * where nothing has it. '' matches nothing. `previous`, the last result
 * with the same text and labels, saves matching its labels again.
 */
export function searchTree(
  tree: CallTree,
  labels: Labels,
  text: string,
  previous?: SearchResult,
): SearchResult {
  const { test, error } = compile(text);
  const matches = new Uint8Array(labels.length);
  let from = 0;
  if (previous?.text === text) {
    from = Math.min(previous.matches.length, labels.length);
    matches.set(previous.matches.subarray(0, from));
  }
  for (let i = from; i < labels.length; i++) {
    if (labels.kind[i] !== LabelKind.Root && test(labels.textOf(i))) matches[i] = 1;
  }
  let matchedTotal = 0;
  let matchedSamples = 0;
  for (let node = 0; node < tree.length; ) {
    if (matches[tree.label[node]] === 0) {
      node++;
      continue;
    }
    matchedTotal += tree.total[node];
    matchedSamples += tree.totalSamples[node];
    // What is below has been counted with it.
    node = tree.subtreeEnd[node];
  }
  const isUnfinished = error === undefined && matchedTotal === 0 && UNFINISHED.test(text);
  return {
    text,
    matches,
    matchedTotal,
    matchedSamples,
    error: isUnfinished ? 'the last slash is missing' : error,
  };
}

/** The beginning of a regular expression, and in few names. */
const UNFINISHED = /^\/.*[^/]$/s;

interface Compiled {
  readonly test: (name: string) => boolean;
  readonly error: string | undefined;
}

function compile(text: string): Compiled {
  if (text === '') return { test: () => false, error: undefined };
  const regex = /^\/(.+)\/(i?)$/s.exec(text);
  if (regex === null) {
    const needle = text.toLowerCase();
    return { test: (name) => name.toLowerCase().includes(needle), error: undefined };
  }
  try {
    const expression = new RegExp(regex[1], regex[2]);
    return { test: (name) => expression.test(name), error: undefined };
  } catch (error) {
    return { test: () => false, error: error instanceof Error ? error.message : String(error) };
  }
}
