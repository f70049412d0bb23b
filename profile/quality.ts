/** How far the stacks of a call tree can be trusted: what share is whole, what share of frames has a name. */
import type { CallTree } from './call-tree';
import { type LabelIndex, LabelKind, type Labels } from './labels';

/** `count` of `of`. */
export interface Share {
  readonly count: number;
  readonly of: number;
  /** count / of; undefined where there is nothing to have a share of. */
  readonly share: number | undefined;
  /** One standard error of `share`. */
  readonly standardError: number;
}

export interface Quality {
  /** Samples whose stack reached the root of its thread, of all samples. */
  readonly whole: Share;
  /** Frames of these samples that have a function's name, of all; functions that were inlined are not counted. */
  readonly named: Share;
  /** Why stacks are not whole: Stop labels and the lost stacks, with their samples; most frequent first. */
  readonly broken: readonly { readonly label: LabelIndex; readonly samples: number }[];
}

/** The standard error of a share that was found in `samples` independent samples: sqrt(p (1 - p) / n); 0 for none. */
export function standardError(share: number, samples: number): number {
  if (!(samples > 0)) return 0;
  const p = Math.min(1, Math.max(0, share));
  return Math.sqrt((p * (1 - p)) / samples);
}

/** The quality of a whole tree, in samples. For imports (`isImport`) it says nothing: where their stacks end is not known. */
export function quality(tree: CallTree, labels: Labels): Quality {
  let frames = 0;
  let namedFrames = 0;
  let brokenSamples = 0;
  const brokenBy = new Map<LabelIndex, number>();
  for (let node = 0; node < tree.length; node++) {
    const label = tree.label[node];
    switch (labels.kind[label]) {
      case LabelKind.Root:
      case LabelKind.Process:
      case LabelKind.Wait:
      case LabelKind.Waker:
        break;
      case LabelKind.Stop:
      case LabelKind.Lost:
        brokenSamples += tree.totalSamples[node];
        brokenBy.set(label, (brokenBy.get(label) ?? 0) + tree.totalSamples[node]);
        break;
      default:
        if (labels.inlined[label]) break;
        frames += tree.totalSamples[node];
        if (labels.named[label]) namedFrames += tree.totalSamples[node];
    }
  }
  const samples = tree.totalSamples[0];
  return {
    whole: share(samples - brokenSamples, samples, samples),
    // Frames of one stack are not independent of each other: the samples are what counts for the error.
    named: share(namedFrames, frames, samples),
    broken: Array.from(brokenBy, ([label, count]) => ({ label, samples: count })).sort(
      (a, b) => b.samples - a.samples || a.label - b.label,
    ),
  };
}

function share(count: number, of: number, samples: number): Share {
  if (of === 0) return { count, of, share: undefined, standardError: 0 };
  return { count, of, share: count / of, standardError: standardError(count / of, samples) };
}
