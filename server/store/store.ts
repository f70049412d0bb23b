/** Where sessions live. One interface; nothing outside server/store knows which engine is behind it. */
import type { SessionSummary } from '@/profile/session';
import type { HostDescription } from '@/profile/status';

export interface NewSession {
  readonly name: string;
  readonly startedMs: number;
  readonly frequencyHz: number;
  readonly host: HostDescription;
}

/** Some chunks of a session, in order, one after another, and what they hold. */
export interface StoredSlice {
  readonly chunks: Uint8Array;
  readonly startNs: number;
  readonly endNs: number;
  readonly samples: number;
}

export class SessionNotFoundError extends Error {
  override readonly name = 'SessionNotFoundError';
}

export interface Store {
  create(session: NewSession): Promise<SessionSummary>;
  /** Durable when the promise resolves: it survives kill -9 and power loss. */
  append(id: string, slice: StoredSlice): Promise<void>;
  /**
   * Adds a chunk to a session that is not being recorded: one that continues the last and takes no time, as better names
   * do. Durable when the promise resolves. `expected` is the number of slices that the chunk continues: others that were
   * added meanwhile make it throw StoreError.
   */
  amend(id: string, chunk: Uint8Array, expected: number): Promise<SessionSummary>;
  /** Ends the recording. */
  complete(id: string): Promise<SessionSummary>;
  list(): Promise<readonly SessionSummary[]>;
  get(id: string): Promise<SessionSummary>;
  rename(id: string, name: string): Promise<SessionSummary>;
  delete(id: string): Promise<void>;
  /** The stored slices, oldest first. */
  slices(id: string): AsyncIterable<StoredSlice>;
  close(): Promise<void>;
}
