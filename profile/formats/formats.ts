/** What recorded profiles can be written as (export.ts). */
import type { ProfileMode, View } from '../view';

export const EXPORT_FORMATS = ['collapsed', 'pprof'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Latencies are events of single sources, and no profile of a recording. */
export type ExportMode = Exclude<ProfileMode, 'latency'>;
export const EXPORT_MODES = [
  'cpu',
  'off-cpu',
  'wall',
  'off-wake',
] as const satisfies readonly ExportMode[];

/** Which part of a recording: of a view, what says which samples are looked at. `waits` means nothing in mode 'cpu'. */
export type ExportScope = Pick<View, 'pids' | 'tids' | 'containers' | 'range' | 'waits'>;
