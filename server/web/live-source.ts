/** The agent's chunk stream, decoded once, and handed to those who keep what they want of it. */
import { applyChunk, type Chunk, decodeChunk } from '@/profile/chunk';
import { Profile } from '@/profile/profile';
import { EVENT_TABLES } from '@/profile/schema';

/** Keeps a part of the stream in tables of its own. */
export interface LiveTarget {
  /** A new stream starts: indices that were seen before mean nothing any more. */
  restart(source: Profile): void;
  /** The chunk has been applied to the source; its samples are only in the chunk. */
  take(chunk: Chunk): void;
}

export class LiveSource {
  #profile = new Profile();
  readonly #targets = new Set<LiveTarget>();

  add(target: LiveTarget): void {
    this.#targets.add(target);
    target.restart(this.#profile);
  }

  remove(target: LiveTarget): void {
    this.#targets.delete(target);
  }

  /** Throws ChunkFormatError for what is not the stream's next chunk. */
  push(bytes: Uint8Array): void {
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
