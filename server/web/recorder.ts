/**
 * Records the live stream into a session of the store, from now on, second by second, with the tables that this needs and no
 * more. Where the live stream starts over, the recording does: its memory is bounded as the agent's is. What can't be stored is
 * kept and tried again, within bounds; then the recording ends with what was stored.
 */
import { ProfileBuilder } from '@/profile/builder';
import {
  type Chunk,
  type ChunkHeader,
  decodeChunk,
  encodeChunk,
  type Loss,
  ratesKey,
} from '@/profile/chunk';
import { Merger } from '@/profile/merge';
import type { Profile } from '@/profile/profile';
import type { SessionSummary } from '@/profile/session';
import { waitsWithin } from '@/profile/waits';
import type { Store, StoredSlice } from '@/server/store/store';
import type { EndReceiver } from './agent-link';
import type { LiveSource, LiveTarget } from './live-source';

const FLUSH_MS = 1000;
/** An agent that doesn't say for so long how a recording ends is stuck. */
const END_MS = 3000;

export interface RecorderBounds {
  /** Chunks that wait for the store, in bytes. */
  readonly unwrittenBytes: number;
}

const BOUNDS: RecorderBounds = { unwrittenBytes: 32 * 1024 * 1024 };

/** Where recordings come from. */
export interface RecordingStream {
  readonly source: LiveSource;
  /** As in AgentLink. */
  askForEnd(receive: EndReceiver): void;
}

export interface RecorderEvents {
  /** The session's summary has changed: more of it is stored. */
  stored(): void;
  /** What is wrong with storing, in words for the user; undefined once it works again. */
  problem(text: string | undefined): void;
  /** The recording can't go on, and should be stopped; `problem` has said why. */
  exhausted(): void;
}

export class Recorder implements LiveTarget {
  #builder = new ProfileBuilder();
  readonly #stream: RecordingStream;
  readonly #store: Store;
  readonly #events: RecorderEvents;
  readonly #bounds: RecorderBounds;
  readonly #timer: NodeJS.Timeout;
  #merger: Merger | undefined;
  /** CLOCK_MONOTONIC; undefined before the first chunk. */
  #startNs: number | undefined;
  #header: Omit<ChunkHeader, 'sequence'> | undefined;
  #losses: Loss[] = [];
  #unwritten: StoredSlice[] = [];
  #unwrittenBytes = 0;
  #flushing: Promise<void> = Promise.resolve();
  #hasProblem = false;
  #isExhausted = false;

  /** `session` has been created in the store. */
  constructor(
    readonly session: SessionSummary,
    stream: RecordingStream,
    store: Store,
    events: RecorderEvents,
    bounds: RecorderBounds = BOUNDS,
  ) {
    this.#stream = stream;
    this.#store = store;
    this.#events = events;
    this.#bounds = bounds;
    stream.source.add(this);
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
  }

  restart(source: Profile): void {
    this.#cut();
    this.#builder = new ProfileBuilder();
    this.#merger = new Merger(this.#builder, source);
  }

  take(chunk: Chunk): void {
    if (this.#isExhausted) return;
    this.#cutWhereRatesChange(chunk.header);
    this.#merger?.take(this.#inside(chunk));
    this.#took(chunk);
  }

  /** Stores what has come since the last time. Resolves when it is durable, or has failed and been reported. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /**
   * Ends the recording with what was recorded until now, which the agent may still hold: it is asked for, and waited for
   * shortly. Throws what the store throws.
   */
  async stop(): Promise<SessionSummary> {
    await this.#end();
    clearInterval(this.#timer);
    await this.flush();
    return this.#store.complete(this.session.id);
  }

  /** Resolves when nothing is taken any more. */
  #end(): Promise<void> {
    return new Promise((resolve) => {
      let isOver = false;
      const end: EndReceiver = (bytes) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        // At once: the stream's next chunk may be here already, and is none of the recording's.
        this.#stream.source.remove(this);
        // It is over even where the answer can't be read, which the agent's link deals with.
        resolve();
        if (bytes !== undefined && !this.#isExhausted) this.#takeEnd(decodeChunk(bytes));
      };
      const timer = setTimeout(end, END_MS, undefined);
      this.#stream.askForEnd(end);
    });
  }

  /** What is beyond the stream's chunks, in tables of its own. */
  #takeEnd(chunk: Chunk): void {
    this.#cutWhereRatesChange(chunk.header);
    new Merger(this.#builder).append(this.#inside(chunk, chunk.header.endNs));
    this.#took(chunk);
  }

  /** Of its waits the part that is in the recording, as far as that is known. */
  #inside(chunk: Chunk, endNs = Number.POSITIVE_INFINITY): Chunk {
    this.#startNs ??= chunk.header.startNs;
    const waits = waitsWithin(this.#startNs, endNs, chunk.tables.waits);
    return { ...chunk, tables: { ...chunk.tables, waits } };
  }

  #took({ header: { sequence: _, ...header }, losses }: Chunk): void {
    this.#header = { ...header, startNs: this.#header?.startNs ?? header.startNs };
    this.#losses.push(...losses);
  }

  /** A slice has the rates of its end. */
  #cutWhereRatesChange(next: ChunkHeader): void {
    if (this.#header !== undefined && ratesKey(this.#header) !== ratesKey(next)) this.#cut();
  }

  async #write(): Promise<void> {
    this.#cut();
    try {
      while (this.#unwritten.length > 0) {
        await this.#store.append(this.session.id, this.#unwritten[0]);
        this.#unwrittenBytes -= this.#unwritten[0].chunks.length;
        this.#unwritten.shift();
        this.#events.stored();
      }
      if (this.#hasProblem && !this.#isExhausted) this.#report(undefined);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#isExhausted) return;
      if (this.#unwrittenBytes > this.#bounds.unwrittenBytes) this.#exhaust(text);
      else this.#report(`The recording can't be stored right now, and is tried again: ${text}`);
    }
  }

  #cut(): void {
    if (this.#header === undefined) return;
    const chunk = this.#builder.cutChunk(this.#header, this.#losses);
    const chunks = encodeChunk(chunk);
    this.#unwritten.push({
      chunks,
      startNs: this.#header.startNs,
      endNs: this.#header.endNs,
      samples: chunk.tables.samples.length,
    });
    this.#unwrittenBytes += chunks.length;
    this.#header = undefined;
    this.#losses = [];
  }

  #exhaust(reason: string): void {
    if (this.#isExhausted) return;
    this.#isExhausted = true;
    clearInterval(this.#timer);
    this.#report(`The recording was stopped: ${reason}. What was stored until then is kept.`);
    this.#events.exhausted();
  }

  #report(text: string | undefined): void {
    this.#hasProblem = text !== undefined;
    this.#events.problem(text);
  }
}
