/** The agent's chunk stream: kept for live viewers as it is, and decoded for those who take a part of it, while there are any. */
import { applyChunk, type Chunk, decodeChunk } from '@/profile/chunk';
import { Profile } from '@/profile/profile';
import { EVENT_TABLES } from '@/profile/schema';
import { LiveRing } from './live-ring';

/** Keeps a part of the stream in tables of its own. */
export interface LiveTarget {
  /** A new stream starts: indices that were seen before mean nothing any more. */
  restart(source: Profile): void;
  /** The chunk has been applied to the source; its samples are only in the chunk. */
  take(chunk: Chunk): void;
}

export class LiveSource {
  readonly ring: LiveRing;
  /** The stream's tables; undefined while nobody needs them. */
  #profile: Profile | undefined;
  readonly #targets = new Set<LiveTarget>();

  constructor(ring = new LiveRing()) {
    this.ring = ring;
  }

  add(target: LiveTarget): void {
    this.#profile ??= this.ring.tables();
    this.#targets.add(target);
    target.restart(this.#profile);
  }

  remove(target: LiveTarget): void {
    this.#targets.delete(target);
    if (this.#targets.size === 0) this.#profile = undefined;
  }

  /** Throws ChunkFormatError for what is not the stream's next chunk. `bytes` is the source's from now on. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.ring.push(bytes);
    if (this.#profile === undefined) return;
    const chunk = decodeChunk(bytes);
    if (chunk.header.sequence === 0) {
      this.#profile = new Profile();
      for (const target of this.#targets) target.restart(this.#profile);
    }
    applyChunk(this.#profile, chunk);
    for (const name of EVENT_TABLES) this.#profile[name].clear();
    for (const target of this.#targets) target.take(chunk);
  }
}
