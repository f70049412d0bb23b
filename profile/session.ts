/** A recorded session as lists show it. */
import type { HostDescription } from './status';

export interface SessionSummary {
  /** Random, URL-safe. */
  readonly id: string;
  readonly name: string;
  /** `interrupted`: Hearth ended while recording; all but the last second is there. */
  readonly state: 'recording' | 'complete' | 'interrupted';
  readonly startedMs: number;
  /** Length of what is stored so far. */
  readonly durationMs: number;
  readonly samples: number;
  readonly bytes: number;
  /** At its start. */
  readonly frequencyHz: number;
  readonly host: HostDescription;
}
