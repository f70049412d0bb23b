/** What the page shows of a profile: results that the worker computes and hands over. */
import type { CallTree } from '@/profile/call-tree';
import type { FunctionList } from '@/profile/function-list';
import type { LabelRows, Labels } from '@/profile/labels';
import type { ProcessRow } from '@/profile/process-list';
import type { Quality } from '@/profile/quality';
import type { SearchResult } from '@/profile/search';

/** Seconds up to now, or everything that is held. */
export type LiveWindow = 5 | 15 | 60 | 'all';

/** Weight over time, in buckets of equal length. */
export interface Activity {
  readonly startNs: number;
  readonly bucketNs: number;
  readonly weights: Float64Array;
}

/** All of it but the labels, as it crosses from the worker to the page. */
export interface AnalysisResult {
  readonly tree: CallTree;
  /** Of the whole window, not filtered by process. */
  readonly processes: readonly ProcessRow[];
  readonly functions: FunctionList;
  readonly quality: Quality;
  readonly search?: SearchResult;
  readonly searchError?: string;
  /** Of weights: 'nanoseconds', 'count'. */
  readonly unit: string;
  /** What is covered, CLOCK_MONOTONIC; the wall clock is `wallOffsetNs` later. */
  readonly startNs: number;
  readonly endNs: number;
  readonly wallOffsetNs: number;
  /** Of everything that is loaded; empty for live views and for profiles without times. */
  readonly activity: Activity;
  /** Since the profile's start, by reason. */
  readonly losses: Readonly<Record<string, number>>;
  /** All that are loaded. */
  readonly sampleCount: number;
  /** Collapsed stacks of another tool: no processes, no times. */
  readonly isImport: boolean;
}

export interface Analysis extends AnalysisResult {
  readonly labels: Labels;
}

/** Labels are sent once: those since the last message, or all of a new table. */
export interface LabelUpdate {
  readonly rows: LabelRows;
  readonly isNewTable: boolean;
}
