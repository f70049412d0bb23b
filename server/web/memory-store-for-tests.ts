/** A store in memory, which can be told to fail. */
import type { SessionSummary } from '@/profile/session';
import { StoreError } from '@/server/store/errors';
import {
  type NewSession,
  SessionNotFoundError,
  type Store,
  type StoredSlice,
} from '@/server/store/store';

export class MemoryStore implements Store {
  readonly #sessions = new Map<string, { summary: SessionSummary; slices: StoredSlice[] }>();
  /** What appending fails with. */
  failure: Error | undefined;
  appends = 0;
  closed = false;

  async create(session: NewSession): Promise<SessionSummary> {
    const summary: SessionSummary = {
      ...session,
      id: `session${this.#sessions.size}`,
      state: 'recording',
      durationMs: 0,
      samples: 0,
      bytes: 0,
    };
    this.#sessions.set(summary.id, { summary, slices: [] });
    return summary;
  }

  async append(id: string, slice: StoredSlice): Promise<void> {
    this.appends++;
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    const entry = this.#entry(id);
    entry.slices.push(slice);
    entry.summary = {
      ...entry.summary,
      samples: entry.summary.samples + slice.samples,
      bytes: entry.summary.bytes + slice.chunks.length,
    };
  }

  async amend(id: string, chunk: Uint8Array, expected: number): Promise<SessionSummary> {
    const entry = this.#entry(id);
    if (this.failure !== undefined) throw this.failure;
    if (entry.slices.length !== expected) throw new StoreError('it has changed meanwhile');
    const endNs = entry.slices.at(-1)?.endNs ?? 0;
    entry.slices.push({ chunks: chunk, startNs: endNs, endNs, samples: 0 });
    entry.summary = { ...entry.summary, bytes: entry.summary.bytes + chunk.length };
    return entry.summary;
  }

  async complete(id: string): Promise<SessionSummary> {
    const entry = this.#entry(id);
    entry.summary = { ...entry.summary, state: 'complete' };
    return entry.summary;
  }

  async list(): Promise<readonly SessionSummary[]> {
    return [...this.#sessions.values()].map(({ summary }) => summary).reverse();
  }

  async get(id: string): Promise<SessionSummary> {
    return this.#entry(id).summary;
  }

  async rename(id: string, name: string): Promise<SessionSummary> {
    const entry = this.#entry(id);
    entry.summary = { ...entry.summary, name };
    return entry.summary;
  }

  async delete(id: string): Promise<void> {
    this.#entry(id);
    this.#sessions.delete(id);
  }

  async *slices(id: string): AsyncGenerator<StoredSlice> {
    yield* this.#entry(id).slices;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #entry(id: string) {
    const entry = this.#sessions.get(id);
    if (entry === undefined) throw new SessionNotFoundError(`there is no session ${id}`);
    return entry;
  }
}
