/** What the page and its worker say to each other. A worker keeps one profile: for another, the page makes a new one. */
import type { LatencyQuery, LatencyResult } from '@/profile/latency/analysis';
import type { SnapshotPart } from '@/profile/live-protocol';
import type { View } from '@/profile/view';
import type { AnalysisUpdate, LiveWindow } from './analysis';
import type { ThreadsQuery, ThreadsUpdate } from './thread-analysis';

interface Chunks {
  readonly number: number;
  readonly bytes: ArrayBuffer;
}

export type ToWorker =
  /** What is to be opened, where it is not a live stream; the first message but for `view` and `window`. */
  | { readonly type: 'session'; readonly url: string }
  | { readonly type: 'file'; readonly file: File }
  /** The first part of a snapshot starts the profile over. The answer is `applied` with the same number, whatever became of it. */
  | ({ readonly type: 'snapshot' } & Chunks & SnapshotPart)
  | ({ readonly type: 'chunk' } & Chunks)
  | { readonly type: 'view'; readonly view: View }
  /** The frame that is selected, by its path. */
  | { readonly type: 'selected'; readonly path: readonly string[] | undefined }
  | { readonly type: 'window'; readonly window: LiveWindow }
  /** From now on `latency` is answered with what is asked, instead of `update`s. */
  | { readonly type: 'latency'; readonly query: LatencyQuery }
  /** Likewise, with `threads`. */
  | { readonly type: 'threads'; readonly query: ThreadsQuery }
  /** The last update has arrived: a slow page is sent no queue of them. */
  | { readonly type: 'taken' };

export type FromWorker =
  /** `untilMs`: up to when the profile that is shown goes now, by the clock of the machine that is profiled; undefined before there is one. */
  | { readonly type: 'applied'; readonly number: number; readonly untilMs: number | undefined }
  /** The stream can't be continued: ask for a new snapshot. Chunks are passed over until it comes. */
  | { readonly type: 'resynchronize' }
  | { readonly type: 'progress'; readonly loadedBytes: number; readonly totalBytes?: number }
  | { readonly type: 'update'; readonly update: AnalysisUpdate }
  /** With what is new of the stacks of what is selected. */
  | {
      readonly type: 'latency';
      readonly result: LatencyResult;
      readonly stacks?: AnalysisUpdate;
    }
  | { readonly type: 'threads'; readonly update: ThreadsUpdate }
  /** The profile can't be shown, in plain words. */
  | { readonly type: 'error'; readonly message: string };
