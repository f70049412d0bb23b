/** What the page and its worker say to each other. A worker keeps one profile: for another, the page makes a new one. */
import type { SnapshotPart } from '@/profile/live-protocol';
import type { View } from '@/profile/view';
import type { LiveWindow } from './analysis';
import type { Answer, Question } from './question';

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
  /** A chunk of which only names are taken: the profile is held as it is, until the next snapshot. */
  | ({ readonly type: 'names' } & Chunks)
  | { readonly type: 'view'; readonly view: View }
  /** The frame that is selected, by its path. */
  | { readonly type: 'selected'; readonly path: readonly string[] | undefined }
  | { readonly type: 'window'; readonly window: LiveWindow }
  /** What is answered from now on; `STACKS` until the first. With another number the page has let go of all answers. */
  | { readonly type: 'ask'; readonly question: Question; readonly number: number }
  /** The last answer has arrived: a slow page is sent no queue of them. */
  | { readonly type: 'taken' };

export type FromWorker =
  /** `untilMs`: up to when the profile that is shown goes now, by the clock of the machine that is profiled; undefined before there is one. */
  | { readonly type: 'applied'; readonly number: number; readonly untilMs: number | undefined }
  /** The stream can't be continued: ask for a new snapshot. Chunks are passed over until it comes. */
  | { readonly type: 'resynchronize' }
  | { readonly type: 'progress'; readonly loadedBytes: number; readonly totalBytes?: number }
  /** To the question of this number. */
  | { readonly type: 'answer'; readonly answer: Answer; readonly number: number }
  /** The profile can't be shown, in plain words. */
  | { readonly type: 'error'; readonly message: string };
