/**
 * Collapsed stacks: the text format of Brendan Gregg's flame graph tools, one stack a line, root first, and its weight:
 *
 *     node;main;uv_run;epoll_wait_[k] 12
 *
 * Hearth writes the process's name as the first element, kernel functions with `_[k]` behind their name, and the number
 * of samples as the weight (nanoseconds where waits are in it). Files of other tools may begin with anything, so every element is read as a frame.
 */
import { buildCallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import { LabelKind } from '@/profile/labels';
import { isImport } from '@/profile/names';
import type { Profile } from '@/profile/profile';
import { EVERYTHING, type Selection, weighSamples } from '@/profile/weights';
import { type CollapsedImport, CollapsedParser } from './collapsed-parser';

export { CollapsedFormatError, type CollapsedImport, CollapsedParser } from './collapsed-parser';

/** Pieces of text are about this long: few enough writes, and small enough to stream any profile. */
const PIECE_LENGTH = 65_536;

/**
 * The lines of a profile's samples, in pieces of whole lines: one line per process name and stack of functions, sorted
 * by name. ';' in names becomes ':', line breaks become spaces. `weights`: the number of samples, or their sum in the sample
 * type's unit.
 */
export function* writeCollapsed(
  profile: Profile,
  selection: Selection = EVERYTHING,
  weights: 'samples' | 'sampleType' = 'samples',
): Generator<string> {
  const functions = new FunctionTable(profile);
  const { labels } = functions;
  const tree = buildCallTree(
    profile,
    functions,
    weighSamples(profile, selection),
    isImport(profile) ? 'none' : 'process-name',
  );
  const elements: string[] = [];
  const element = (label: number): string => {
    elements[label] ??=
      clean(labels.textOf(label)) + (labels.kind[label] === LabelKind.Kernel ? '_[k]' : '');
    return elements[label];
  };
  const path: string[] = [];
  let piece: string[] = [];
  let length = 0;
  for (let node = 1; node < tree.length; node++) {
    path.length = tree.depth[node] - 1;
    path.push(element(tree.label[node]));
    if (tree.selfSamples[node] === 0) continue;
    const weight = weights === 'samples' ? tree.selfSamples[node] : Math.round(tree.self[node]);
    const line = `${path.join(';')} ${weight}\n`;
    piece.push(line);
    length += line.length;
    if (length < PIECE_LENGTH) continue;
    yield piece.join('');
    piece = [];
    length = 0;
  }
  if (piece.length > 0) yield piece.join('');
}

function clean(name: string): string {
  return (
    name
      .replaceAll(';', ':')
      .replace(/[\r\n\u2028\u2029]+/g, ' ')
      .trim() || '[unnamed]'
  );
}

/**
 * Reads collapsed stacks of any size, whole or in pieces cut anywhere, into a profile that `isImport`: its sample type is
 * ('samples', 'count'), its times are 0. Lines that are not `frame;frame... weight` are skipped and counted. Throws
 * CollapsedFormatError where no line is.
 */
export async function parseCollapsed(
  source: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<CollapsedImport> {
  const parser = new CollapsedParser();
  if (source instanceof Uint8Array) parser.push(source);
  else for await (const piece of source) parser.push(piece);
  return parser.end();
}
