/** Cuts a stream of chunks, which the network delivers in pieces of any size, into its chunks. */
import { ChunkFormatError, chunkByteLength } from '@/profile/chunk';

const MIN_CHUNK_BYTES = 16;

export class ChunkSplitter {
  #buffer = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  /**
   * Takes the next piece and hands over each chunk that is whole by it, in order; its bytes are valid during the call
   * only. Throws ChunkFormatError where something else than a chunk starts.
   */
  push(piece: Uint8Array, take: (chunk: Uint8Array) => void): void {
    this.#append(piece);
    for (;;) {
      const held = this.#buffer.subarray(0, this.#end);
      const length = chunkByteLength(held, this.#start);
      if (length === undefined) break;
      if (length < MIN_CHUNK_BYTES) throw new ChunkFormatError(`a chunk of ${length} bytes`);
      if (this.#start + length > this.#end) break;
      take(held.subarray(this.#start, this.#start + length));
      this.#start += length;
    }
  }

  /** Bytes of a chunk whose end has not come yet. */
  get rest(): number {
    return this.#end - this.#start;
  }

  /** Room grows with the bytes that are there, not with the length that a chunk claims to have. */
  #append(piece: Uint8Array): void {
    if (this.#end + piece.length > this.#buffer.length) {
      const held = this.#buffer.subarray(this.#start, this.#end);
      const needed = held.length + piece.length;
      // Moved to the front where that leaves half of it free, so that bytes are moved about once.
      const target = needed * 2 <= this.#buffer.length ? this.#buffer : new Uint8Array(needed * 2);
      target.set(held);
      this.#buffer = target;
      this.#end = held.length;
      this.#start = 0;
    }
    this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
  }
}
