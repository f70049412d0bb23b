/** What is known of a node, as text: name, module, self and total, with the error that sampling makes. */
import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatDuration, formatShare } from '@/components/ui/format';
import type { NodeIndex } from '@/profile/call-tree';
import { LabelKind } from '@/profile/labels';
import type { ProfileMode } from '@/profile/view';
import { type WaitShares, waitShares } from '@/profile/wait-shares';

/** 95 of 100 times, the true share is within so many standard errors. */
const Z_95 = 1.96;

const KIND_NAMES: Readonly<Record<LabelKind, string>> = {
  [LabelKind.Kernel]: 'kernel',
  [LabelKind.Native]: 'native code',
  [LabelKind.Jit]: 'JIT-compiled code',
  [LabelKind.Process]: 'process',
  [LabelKind.Root]: 'all samples',
  [LabelKind.Stop]: 'the stack could not be followed further towards its root',
  [LabelKind.Lost]: 'the stack was lost',
  [LabelKind.Wait]: 'what was waited for',
  [LabelKind.Waker]: 'who ended the wait; below it, from the place of the wakeup, its callers',
};

/** Of modes: what a weight was taken from, one of them. */
const SAMPLE_NAMES: Readonly<Record<ProfileMode, string>> = {
  cpu: 'sample',
  'off-cpu': 'drawn wait',
  wall: 'sample',
  'off-wake': 'drawn wait',
  latency: 'drawn event',
};

export interface FactRow {
  readonly what: 'Total' | 'Self';
  /** Of all that is shown. */
  readonly share: string;
  /** Of the share, at 95 % confidence; '' where it was not sampled. */
  readonly error: string;
  /** '' where it is not known. */
  readonly time: string;
  readonly samples: string;
}

export interface NodeFacts {
  readonly name: string;
  /** Module and kind of code. */
  readonly where: string;
  readonly rows: readonly FactRow[];
  /** Of wall clock time: what of it was on a CPU, and what not; '' for other times. */
  readonly split: string;
}

export function nodeFacts(analysis: Analysis, node: NodeIndex): NodeFacts {
  const { tree, labels, unit, isImport, mode, variance } = analysis;
  const label = tree.label[node];
  const allSamples = tree.totalSamples[0];
  const errorOf = (what: FactRow['what'], weight: number, samples: number): number =>
    variance === undefined
      ? shareError(samples, allSamples)
      : weightedShareError(
          { weight, variance: (what === 'Total' ? variance.total : variance.self)[node] },
          { weight: tree.total[0], variance: variance.total[0] },
        );
  const row = (what: FactRow['what'], weight: number, samples: number): FactRow => ({
    what,
    share: formatShare(tree.total[0] === 0 ? 0 : weight / tree.total[0]),
    // The root is everything: that was not found out by sampling. Nor is it known how an import was.
    error: node === 0 || isImport ? '' : `± ${percent(errorOf(what, weight, samples))}`,
    // Imports count samples, and don't say how long one stands for.
    time: unit === 'nanoseconds' ? formatDuration(weight / 1e6) : '',
    samples: `${formatCount(samples)} ${SAMPLE_NAMES[mode]}${samples === 1 ? '' : 's'}`,
  });
  const module = labels.moduleOf(label);
  const kind = KIND_NAMES[labels.kind[label] as LabelKind];
  const inlined = labels.inlined[label] ? ' · inlined' : '';
  return {
    name: labels.textOf(label),
    where: (module === '' || module === kind ? kind : `${module} · ${kind}`) + inlined,
    rows: [
      row('Total', tree.total[node], tree.totalSamples[node]),
      row('Self', tree.self[node], tree.selfSamples[node]),
    ],
    split: mode === 'wall' ? splitText(waitShares(tree, labels, mode), node) : '',
  };
}

/** In one sentence, to be read out. */
export function factsSentence({ name, where, rows, split }: NodeFacts): string {
  const parts = rows.map(({ what, share, error, time, samples }) =>
    [what, share, error.replace('±', 'plus or minus'), time, samples]
      .filter((part) => part !== '')
      .join(' '),
  );
  return [name, where, ...parts, split].filter((part) => part !== '').join(', ');
}

/**
 * How far the true share may be from `samples` of `all`, 95 times of 100, as a share: Wilson's interval, the farther of
 * its ends. Unlike sqrt(p (1 - p) / n) it does not promise certainty where all or none of a few samples were found.
 */
export function shareError(samples: number, all: number): number {
  if (all <= 0) return 0;
  const p = Math.min(1, Math.max(0, samples / all));
  const z2 = Z_95 ** 2 / all;
  const middle = (p + z2 / 2) / (1 + z2);
  const half = (Z_95 / (1 + z2)) * Math.sqrt((p * (1 - p)) / all + z2 / (4 * all));
  return Math.max(middle + half - p, p - (middle - half));
}

function splitText({ waiting, runnable }: WaitShares, node: NodeIndex): string {
  const onCpu = formatShare(1 - waiting[node]);
  const blocked = formatShare(Math.max(0, waiting[node] - runnable[node]));
  return `${onCpu} on a CPU · ${formatShare(runnable[node])} waiting for one · ${blocked} blocked`;
}

interface Estimate {
  readonly weight: number;
  readonly variance: number;
}

/**
 * The same for a share of `all` where samples do not weigh the same, from the variances: 0 where nothing was left to chance,
 * as with waits that are always taken. By the first-order variance of a ratio.
 */
export function weightedShareError(part: Estimate, all: Estimate): number {
  if (all.weight <= 0) return 0;
  const p = Math.min(1, Math.max(0, part.weight / all.weight));
  const others = Math.max(0, all.variance - part.variance);
  return (Z_95 * Math.sqrt((1 - p) ** 2 * part.variance + p ** 2 * others)) / all.weight;
}

function percent(share: number): string {
  return share > 0 && share < 0.001 ? '0.1%' : `${(share * 100).toFixed(1)}%`;
}
