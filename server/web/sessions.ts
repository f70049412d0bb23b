/** Sessions as the API serves them: the store, and the one that is being recorded. */
import type { SessionSummary } from '@/profile/session';
import type { HostDescription } from '@/profile/status';
import type { SymbolizingReport } from '@/profile/symbolizing';
import type { Store } from '@/server/store/store';
import { Recorder, type RecordingStream } from './recorder';
import { type NamingOptions, symbolizeStored } from './session-symbols';

/** The request can't be done in the present state: HTTP 409. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
}

export interface SessionsOptions extends RecordingStream {
  /** A session, the recording or what is wrong with it has changed. */
  onChange(sessions: readonly SessionSummary[]): void;
}

export class Sessions {
  readonly #store: Store;
  readonly #options: SessionsOptions;
  #problem: string | undefined;
  /** Until its recording is stored to its end. */
  #recorder: Recorder | undefined;
  #stopping: Promise<SessionSummary> | undefined;
  #starting = false;
  /** The session that is being named again: one at a time, for it takes memory and CPU time. */
  #symbolizing: string | undefined;
  #known: readonly SessionSummary[] = [];

  private constructor(store: Store, options: SessionsOptions) {
    this.#store = store;
    this.#options = options;
  }

  static async open(store: Store, options: SessionsOptions): Promise<Sessions> {
    const sessions = new Sessions(store, options);
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
      this.#recorder = new Recorder(session, this.#options, this.#store, {
        stored: () => void this.#changed(),
        problem: (text) => {
          if (text !== undefined && text !== this.#problem) console.error(`hearth: ${text}`);
          this.#problem = text;
          this.#options.onChange(this.#known);
        },
        exhausted: () => void this.#stopExhausted(session.id),
      });
      await this.#changed();
      return session;
    } finally {
      this.#starting = false;
    }
  }

  /** Who stops it again while it ends gets the same. */
  async stop(id: string): Promise<SessionSummary> {
    if (this.#recorder?.session.id === id) {
      this.#stopping ??= this.#end(this.#recorder);
      return this.#stopping;
    }
    const { state } = await this.#store.get(id);
    if (state !== 'recording') throw new ConflictError('this session is not being recorded');
    // Its recording has ended, but that could not be stored then.
    const session = await this.#store.complete(id);
    await this.#changed();
    return session;
  }

  async #end(recorder: Recorder): Promise<SessionSummary> {
    try {
      return await recorder.stop();
    } finally {
      this.#recorder = undefined;
      this.#stopping = undefined;
      await this.#changed();
    }
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
    try {
      if (this.#recorder !== undefined) await this.stop(this.#recorder.session.id);
    } finally {
      await this.#store.close();
    }
  }

  async #changed(): Promise<void> {
    this.#known = await this.#store.list();
    this.#options.onChange(this.#known);
  }
}
