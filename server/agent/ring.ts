/**
 * Reads a BPF ring buffer in place, without a system call or a copy.
 *
 * The kernel maps it as: a page with the consumer's position (ours to write), a page with the producer's position, then
 * the data twice in a row, so that a record that wraps is still contiguous. Each record: u32 length with two flags, u32
 * for the kernel, then the bytes, padded to 8. Source: Linux, Documentation/bpf/ringbuf.rst.
 */

import type { BpfMap } from './libbpf';
import { MappedMemory, PAGE_BYTES } from './libc';

const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;
const HEADER_BYTES = 8;

/** Called for each record, with the offset of its first byte in `Ring.bytes` and its length. */
export type RecordReader = (offset: number, length: number) => void;

export class Ring {
  /** The ring's data, and its views. Valid until `dispose`; records only during the call of the reader. */
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  readonly #mask: number;
  readonly #consumer: MappedMemory;
  readonly #producer: MappedMemory;
  readonly #consumed: BigUint64Array;
  readonly #produced: BigUint64Array;
  #disposed = false;

  constructor(map: BpfMap) {
    const size = map.maxEntries;
    this.#mask = size - 1;
    this.#consumer = new MappedMemory(map.fd, PAGE_BYTES, 0, true);
    this.#producer = new MappedMemory(map.fd, PAGE_BYTES + 2 * size, PAGE_BYTES, false);
    this.#consumed = new BigUint64Array(this.#consumer.buffer, 0, 1);
    this.#produced = new BigUint64Array(this.#producer.buffer, 0, 1);
    this.bytes = new Uint8Array(this.#producer.buffer, PAGE_BYTES);
    this.u32 = new Uint32Array(this.#producer.buffer, PAGE_BYTES);
    this.view = new DataView(this.#producer.buffer, PAGE_BYTES);
  }

  /** How far the ring is written now, for `drain`. */
  position(): number {
    return this.#disposed ? 0 : Number(Atomics.load(this.#produced, 0));
  }

  /**
   * Reads the records before position `end` in the order of their reservation; stops early at one that is still being
   * written. Returns how many.
   */
  drain(end: number, read: RecordReader): number {
    if (this.#disposed) return 0;
    let at = Number(this.#consumed[0]);
    let givenBack = at;
    let records = 0;
    try {
      while (at < end) {
        // Bit by bit: what can't be written while much is being read is lost.
        if (at - givenBack > this.#mask >>> 4) {
          Atomics.store(this.#consumed, 0, BigInt(at));
          givenBack = at;
        }
        const offset = at % (this.#mask + 1);
        const header = Atomics.load(this.u32, offset >>> 2);
        if ((header & BUSY) !== 0) break;
        const length = header & ~DISCARDED;
        at += (HEADER_BYTES + length + 7) & ~7;
        if ((header & DISCARDED) === 0) {
          records++;
          read(offset + HEADER_BYTES, length);
        }
      }
    } finally {
      // The kernel may write over the records from here on.
      Atomics.store(this.#consumed, 0, BigInt(at));
    }
    return records;
  }

  dispose(): void {
    this.#disposed = true;
    this.#consumer.dispose();
    this.#producer.dispose();
  }
}
