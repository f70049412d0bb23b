/** What the page shows of a profile: results that the worker computes and hands over. */
import { type CallTree, transferables } from '@/profile/call-tree';
import type { FunctionList } from '@/profile/function-list';
import type { LabelRows, Labels } from '@/profile/labels';
import type { ProcessRow } from '@/profile/process-list';
import type { SamplingRates, SkippedLines } from '@/profile/profile';
import type { Quality } from '@/profile/quality';
import type { SearchResult } from '@/profile/search';
import type { StackHealth } from '@/profile/stack-health';
import type { UnnamedModule } from '@/profile/unnamed-code';
import type { ProfileMode } from '@/profile/view';
import type { WaitSummary } from '@/profile/wait-summary';
import type { NodeVariance } from '@/profile/wait-variance';

/** Seconds up to now, or everything that is held. */
export type LiveWindow = 5 | 15 | 60 | 'all';

/** Weight over time, in buckets of equal length. */
export interface Activity {
  readonly startNs: number;
  readonly bucketNs: number;
  readonly weights: Float64Array<ArrayBuffer>;
}

/** What does not depend on the search. */
export interface ProfileResult {
  readonly mode: ProfileMode;
  /** Whether there are waits: what modes other than CPU show. */
  readonly hasWaits: boolean;
  /** Of a recording: whether those that went on at its end are among them. */
  readonly hasOpenWaits: boolean;
  readonly tree: CallTree;
  /** Of what is selected, or zoomed into; undefined in modes CPU and latency. */
  readonly waits: WaitSummary | undefined;
  /** Of the tree's weights; undefined in mode CPU, where all samples weigh the same. */
  readonly variance: NodeVariance | undefined;
  /** Of the whole window, not filtered by process. */
  readonly processes: readonly ProcessRow[];
  /** In the order of their names. */
  readonly functions: FunctionList;
  readonly quality: Quality;
  readonly health: StackHealth;
  readonly unnamed: readonly UnnamedModule[];
  /** Of weights: 'nanoseconds', 'count'. */
  readonly unit: string;
  /** What is covered, CLOCK_MONOTONIC; the wall clock is `wallOffsetNs` later. */
  readonly startNs: number;
  readonly endNs: number;
  readonly wallOffsetNs: number;
  /** Of what is picked of everything that is loaded, of live views up to the last second that is over; empty for profiles without times. */
  readonly activity: Activity;
  /** How much was sampled, from when on. */
  readonly rates: readonly SamplingRates[];
  /** Since the profile's start, by reason. */
  readonly losses: Readonly<Record<string, number>>;
  /** All that are loaded. */
  readonly sampleCount: number;
  /** Collapsed stacks of another tool: no processes, no times. */
  readonly isImport: boolean;
  readonly skippedLines: SkippedLines | undefined;
}

/** What the view's search found in the tree. */
export interface SearchOutcome {
  /** undefined where nothing is searched for. */
  readonly search?: SearchResult;
  readonly searchError?: string;
}

export interface Analysis extends ProfileResult, SearchOutcome {
  readonly labels: Labels;
}

/** Labels are sent once: those since the last message. */
export interface LabelUpdate {
  readonly rows: LabelRows;
  /** They belong to a new table; those before are void. */
  readonly isNewTable: boolean;
}

/** What has changed since the last time; a new search in the same tree comes alone. */
export interface AnalysisUpdate {
  readonly profile?: { readonly result: ProfileResult; readonly labels: LabelUpdate };
  readonly found: SearchOutcome;
}

/** The buffers of an update, to be moved to another thread and not copied. */
export function buffersOf({ profile, found }: AnalysisUpdate): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  if (profile !== undefined) {
    const { tree, functions, activity } = profile.result;
    buffers.push(...transferables(tree));
    const { rows } = profile.labels;
    for (const column of [
      rows.textEnd,
      rows.module,
      rows.kind,
      rows.inlined,
      rows.named,
      rows.outOfLine,
    ])
      buffers.push(column.buffer);
    const { label, self, total, selfSamples, totalSamples } = functions;
    // Some of them are the same array, and none can be moved twice.
    for (const column of new Set([label, self, total, selfSamples, totalSamples, activity.weights]))
      buffers.push(column.buffer);
    const { waits, variance } = profile.result;
    if (waits !== undefined) buffers.push(waits.counts.buffer);
    if (variance !== undefined) buffers.push(variance.self.buffer, variance.total.buffer);
  }
  if (found.search !== undefined) buffers.push(found.search.matches.buffer);
  return buffers;
}
