/** Sessions as the API serves them: the store, and the one that is being recorded. */
import type { SessionSummary } from '@/profile/session';
import type { HostDescription } from '@/profile/status';
import type { SymbolizingReport } from '@/profile/symbolizing';
import type { Store } from '@/server/store/store';
import type { LiveSource } from './live-source';
import { Recorder } from './recorder';
import { type NamingOptions, symbolizeStored } from './session-symbols';

/** The request can't be done in the present state: HTTP 409. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}

export class Sessions {
  readonly #store: Store;
  readonly #source: LiveSource;
  readonly #onChange: (sessions: readonly SessionSummary[]) => void;
  #problem: string | undefined;
  #recorder: Recorder | undefined;
  #starting = false;
  /** The session that is being named again: one at a time, for it takes memory and CPU time. */
  #symbolizing: string | undefined;
  #known: readonly SessionSummary[] = [];

  private constructor(
    store: Store,
    source: LiveSource,
    onChange: (sessions: readonly SessionSummary[]) => void,
  ) {
    this.#store = store;
    this.#source = source;
    this.#onChange = onChange;
  }

  /** `onChange`: a session, the recording or what is wrong with it has changed. */
  static async open(
    store: Store,
    source: LiveSource,
    onChange: (sessions: readonly SessionSummary[]) => void,
  ): Promise<Sessions> {
    const sessions = new Sessions(store, source, onChange);
    sessions.#known = await store.list();
    return sessions;
  }

  /** Newest first, as of the last change. */
  get known(): readonly SessionSummary[] {
    return this.#known;
  }

  get recording(): SessionSummary | undefined {
    return this.#recorder?.session;
  }

  /** What is wrong with the recording, or was with the last one. */
  get problem(): string | undefined {
    return this.#problem;
  }

  async list(): Promise<readonly SessionSummary[]> {
    return this.#store.list();
  }

  get(id: string): Promise<SessionSummary> {
    return this.#store.get(id);
  }

  async record(name: string, frequencyHz: number, host: HostDescription): Promise<SessionSummary> {
    if (this.#recorder !== undefined || this.#starting) {
      throw new ConflictError('a recording is under way: stop it first');
    }
    this.#starting = true;
    try {
      const session = await this.#store.create({ name, startedMs: Date.now(), frequencyHz, host });
      this.#problem = undefined;
      this.#recorder = new Recorder(session, this.#source, this.#store, {
        stored: () => void this.#changed(),
        problem: (text) => {
          if (text !== undefined && text !== this.#problem) console.error(`hearth: ${text}`);
          this.#problem = text;
          this.#onChange(this.#known);
        },
        exhausted: () => void this.#stopExhausted(session.id),
      });
      await this.#changed();
      return session;
    } finally {
      this.#starting = false;
    }
  }

  async stop(id: string): Promise<SessionSummary> {
    const recorder = this.#recorder;
    if (recorder?.session.id !== id) {
      const { state } = await this.#store.get(id);
      if (state !== 'recording') throw new ConflictError('this session is not being recorded');
      // Its recording has ended, but that could not be stored then.
      const session = await this.#store.complete(id);
      await this.#changed();
      return session;
    }
    this.#recorder = undefined;
    const session = await recorder.stop();
    await this.#changed();
    return session;
  }

  /** The session stays `recording` in the store where even that can't be written, and is `interrupted` after a restart. */
  async #stopExhausted(id: string): Promise<void> {
    try {
      await this.stop(id);
    } catch (error) {
      if (!(error instanceof ConflictError))
        console.error(`hearth: ${error instanceof Error ? error.message : error}`);
    }
  }

  async rename(id: string, name: string): Promise<SessionSummary> {
    const session = await this.#store.rename(id, name);
    await this.#changed();
    return session;
  }

  async delete(id: string): Promise<void> {
    if (this.#recorder?.session.id === id) {
      throw new ConflictError('this session is being recorded: stop it first');
    }
    await this.#store.delete(id);
    await this.#changed();
  }

  /**
   * Names a session again, for better symbols may have appeared since, and adds what has changed to it. Throws
   * ConflictError while it is recorded or being named, NamingError, and what the store throws.
   */
  async symbolize(
    id: string,
    options: Omit<NamingOptions, 'startedMs'>,
  ): Promise<SymbolizingReport> {
    const { state, startedMs } = await this.#store.get(id);
    if (state === 'recording') {
      throw new ConflictError('this session is being recorded: stop it first');
    }
    if (this.#symbolizing !== undefined) {
      throw new ConflictError('a session is being symbolized: wait for its end');
    }
    this.#symbolizing = id;
    try {
      const report = await symbolizeStored(this.#store, id, { ...options, startedMs });
      await this.#changed();
      return report;
    } finally {
      this.#symbolizing = undefined;
    }
  }

  /** The session's stored chunks, one after another. */
  async *chunks(id: string): AsyncGenerator<Uint8Array> {
    for await (const slice of this.#store.slices(id)) yield slice.chunks;
  }

  /** Stores what a recording has so far, without waiting for its second to be over. */
  async flush(): Promise<void> {
    await this.#recorder?.flush();
  }

  /** Ends the recording, and closes the store. */
  async close(): Promise<void> {
    const recorder = this.#recorder;
    this.#recorder = undefined;
    try {
      await recorder?.stop();
    } finally {
      await this.#store.close();
    }
  }

  async #changed(): Promise<void> {
    this.#known = await this.#store.list();
    this.#onChange(this.#known);
  }
}
