/**
 * The last five minutes of the agent's chunk stream, as live viewers see them: its bytes, bounded in time and number, and the
 * tables of what came before. The agent's own chunks go to viewers as they are; one is decoded only when it is forgotten,
 * together with many, or when somebody needs its tables.
 */
import {
  applyChunk,
  type Chunk,
  ChunkFormatError,
  type ChunkHeader,
  chunkOf,
  decodeChunk,
  decodeHeader,
  encodeChunk,
} from '@/profile/chunk';
import type { EncodedHeader } from '@/profile/chunk-header';
import { Profile } from '@/profile/profile';
import { EVENT_TABLES, type EventTable, emptyColumns } from '@/profile/schema';

export interface RingBounds {
  readonly seconds: number;
  /** Samples and other events but counted latencies. */
  readonly samples: number;
  /** Rows of latencies. A bound of their own: sources with many processes must not push samples out. */
  readonly latencies: number;
  /** Of all chunks together. */
  readonly bytes: number;
}

const BOUNDS: RingBounds = {
  seconds: 300,
  samples: 1_000_000,
  latencies: 1_000_000,
  bytes: 96 * 1024 * 1024,
};
/** Live views have windows of so much. */
const KEPT_SECONDS = 60;
/** How far above its bounds the ring grows before it forgets: what is decoded together costs a fraction of one by one. */
const SLACK = 1 / 20;

/** All that the ring holds. */
export interface RingSnapshot {
  /** Chunks, of which the first starts over. */
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  /** Of the chunk that continues them, which may be yet to come (`LiveRing.since`). */
  readonly next: number;
}

/** One of the agent's chunks. */
interface Slice {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly header: ChunkHeader;
  /** Rows of the event tables but latencies. */
  readonly events: number;
  readonly latencies: number;
}

/** Adds to a profile what stays of a chunk: its tables, its losses, and not what happened. */
function fold(profile: Profile, chunk: Chunk): void {
  applyChunk(profile, chunk);
  for (const name of EVENT_TABLES) profile[name].clear();
}

export class LiveRing {
  readonly #bounds: RingBounds;
  /** Of all but the last minute. */
  #maxBytes: number;
  #slices: Slice[] = [];
  #events = 0;
  #latencies = 0;
  #bytes = 0;
  /** Tables as they were before the oldest slice; and all that was lost before it, whatever has become of the tables. */
  #before = new Profile();
  /** The same as a chunk, as long as somebody may ask for it again. */
  #encodedBefore: Uint8Array<ArrayBuffer> | undefined;
  /** How many chunks have ever been pushed. */
  #pushed = 0;

  constructor(bounds: RingBounds = BOUNDS) {
    this.#bounds = bounds;
    this.#maxBytes = bounds.bytes;
  }

  /** Of all chunks that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of those that are older than what it holds in any case. */
  get oldBytes(): number {
    let bytes = this.#bytes;
    for (let i = this.#slices.length - 1; i >= 0 && this.#ageNs(i) <= KEPT_SECONDS * 1e9; i--)
      bytes -= this.#slices[i].bytes.length;
    return bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** From now on it holds no more; but what the windows of live views need, within the bounds that it has. */
  limitBytes(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    if (this.#slices.length > 0) this.#forget();
  }

  /** How long before the newest chunk's end one ended. */
  #ageNs(slice: number): number {
    return this.#slices[this.#slices.length - 1].header.endNs - this.#slices[slice].header.endNs;
  }

  /** Throws ChunkFormatError for what is not the stream's next chunk. `bytes` is the ring's from now on. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    const encoded = decodeHeader(bytes);
    const { sequence } = encoded.header;
    const newest = this.#slices.at(-1)?.header.sequence;
    if (sequence !== 0 && sequence - 1 !== newest) {
      throw new ChunkFormatError(
        `a chunk is missing: number ${sequence} came after ${newest ?? 'none'}`,
      );
    }
    const slice = sliceOf(bytes, encoded);
    this.#slices.push(slice);
    this.#pushed++;
    this.#count(slice, 1);
    this.#forget();
    this.#forgetLatencies();
  }

  /** All that the ring holds, none of it copied; undefined before the first chunk. */
  snapshot(): RingSnapshot | undefined {
    if (this.#slices.length === 0) return undefined;
    const chunks = this.#slices.map(({ bytes }) => bytes);
    const { header } = this.#slices[0];
    if (this.#before.header !== undefined) {
      // Its slice is empty: what happened is whole from the next chunk on.
      const first = { ...header, sequence: 0, endNs: header.startNs };
      this.#encodedBefore ??= encodeChunk(chunkOf(this.#before, first));
      chunks.unshift(this.#encodedBefore);
    }
    return { chunks, next: this.#pushed };
  }

  /** The chunk of that number and all after it; undefined where it is forgotten already. */
  since(number: number): readonly Uint8Array<ArrayBuffer>[] | undefined {
    const oldest = this.#pushed - this.#slices.length;
    if (number < oldest) return undefined;
    return this.#slices.slice(number - oldest).map(({ bytes }) => bytes);
  }

  /** The stream's tables as of now, with nothing that happened: the caller's own. */
  tables(): Profile {
    const start = this.#slices.findLastIndex(({ header }) => header.sequence === 0);
    const profile = new Profile();
    if (start < 0 && this.#before.header !== undefined)
      fold(profile, chunkOf(this.#before, this.#before.header));
    for (const { bytes } of this.#slices.slice(Math.max(0, start)))
      fold(profile, decodeChunk(bytes));
    return profile;
  }

  #count(slice: Slice, sign: 1 | -1): void {
    this.#events += sign * slice.events;
    this.#latencies += sign * slice.latencies;
    this.#bytes += sign * slice.bytes.length;
  }

  #forget(): void {
    const { seconds, samples, bytes } = this.#bounds;
    let oldest = 0;
    const exceeds = (slack: number): boolean =>
      this.#events > samples * slack ||
      this.#bytes > bytes * slack ||
      (this.#bytes > this.#maxBytes * slack && this.#ageNs(oldest) > KEPT_SECONDS * 1e9) ||
      this.#ageNs(oldest) > seconds * 1e9 * slack;
    if (!exceeds(1 + SLACK)) return;
    while (oldest < this.#slices.length - 1 && exceeds(1)) this.#count(this.#slices[oldest++], -1);
    const forgotten = this.#slices.splice(0, oldest);
    this.#encodedBefore = undefined;
    try {
      for (const { bytes: encoded } of forgotten) this.#foldBefore(decodeChunk(encoded));
      if (this.#slices[0].header.sequence === 0) this.#startOver();
    } catch (error) {
      // What follows can't be read either: the next stream starts with nothing.
      this.#clear();
      throw error;
    }
  }

  #foldBefore(chunk: Chunk): void {
    if (chunk.header.sequence === 0) this.#startOver();
    fold(this.#before, chunk);
  }

  /** Nothing points to the tables before any more. */
  #startOver(): void {
    const { losses, header } = this.#before;
    this.#before = new Profile();
    this.#before.header = header;
    this.#before.addLosses(Array.from(losses, ([reason, count]) => ({ reason, count })));
  }

  #clear(): void {
    this.#slices = [];
    this.#before = new Profile();
    this.#encodedBefore = undefined;
    this.#events = this.#latencies = this.#bytes = 0;
  }

  /** Drops the oldest latencies above their bound, but for the newest chunk's, and leaves what else happened then. */
  #forgetLatencies(): void {
    if (this.#latencies <= this.#bounds.latencies * (1 + SLACK)) return;
    for (let i = 0; i < this.#slices.length - 1; i++) {
      if (this.#latencies <= this.#bounds.latencies) return;
      const slice = this.#slices[i];
      if (slice.latencies === 0) continue;
      this.#count(slice, -1);
      this.#slices[i] = withoutLatencies(slice);
      this.#count(this.#slices[i], 1);
    }
  }
}

function sliceOf(bytes: Uint8Array<ArrayBuffer>, { header, tables }: EncodedHeader): Slice {
  const rows = (name: EventTable): number => tables[name]?.[1] ?? 0;
  const latencies = rows('latencies');
  const events = EVENT_TABLES.reduce((sum, name) => sum + rows(name), -latencies);
  return { bytes, header, events, latencies };
}

function withoutLatencies(slice: Slice): Slice {
  const chunk = decodeChunk(slice.bytes);
  const latencies = { base: 0, length: 0, columns: emptyColumns('latencies') };
  const bytes = encodeChunk({ ...chunk, tables: { ...chunk.tables, latencies } });
  return { ...slice, bytes, latencies: 0 };
}
