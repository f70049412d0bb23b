/** What the page and its worker say to each other. */
import type { View } from '@/profile/view';
import type { AnalysisResult, LabelUpdate, LiveWindow } from './analysis';

export type ToWorker =
  | { readonly type: 'live' }
  /** A snapshot starts the profile over; the answer is `applied` with the same number. */
  | { readonly type: 'snapshot' | 'chunk'; readonly number: number; readonly bytes: ArrayBuffer }
  | { readonly type: 'session'; readonly url: string }
  | { readonly type: 'file'; readonly file: File }
  | { readonly type: 'view'; readonly view: View }
  | { readonly type: 'window'; readonly window: LiveWindow };

export type FromWorker =
  | { readonly type: 'applied'; readonly number: number }
  /** The stream can't be continued: ask for a new snapshot. */
  | { readonly type: 'resynchronize' }
  | { readonly type: 'progress'; readonly loadedBytes: number; readonly totalBytes?: number }
  | { readonly type: 'analysis'; readonly result: AnalysisResult; readonly labels: LabelUpdate }
  | { readonly type: 'error'; readonly message: string };
