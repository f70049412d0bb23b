/**
 * What the symbol worker and the process that fetches debug files say to each other. To it: a line of JSON per request. From
 * it: frames of u32 request, u8 type, u32 length, payload; numbers are little-endian.
 */

export interface FetchRequest {
  readonly id: number;
  /** Lower-case hex. */
  readonly buildId: string;
}

/** Given to the process as its argument, as JSON. */
export interface FetchSettings {
  /** Without a slash at the end; asked one after the other. */
  readonly urls: readonly string[];
  /** A transfer that does not bring 100 KiB in this time is given up. */
  readonly timeoutMs: number;
  /** A debug file that is larger is given up. */
  readonly maxBytes: number;
}

export const FrameType = {
  /** A piece of the file. */
  Data: 1,
  /** The file is whole. */
  End: 2,
  /** No server has it. */
  Missing: 3,
  /** It could not be had, for the reason in the payload. */
  Failed: 4,
  /** What came until now is to be forgotten: another server is asked. */
  Restart: 5,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export interface FetchFrame {
  readonly id: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 9;
/** Payloads are pieces of a download; more means that the stream is broken. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

export function encodeFrame(id: number, type: FrameType, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt32LE(id, 0);
  frame[4] = type;
  frame.writeUInt32LE(payload.length, 5);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Cuts a stream into frames. */
export class FetchFrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that `piece` completes; their payloads are views, good until the next call. Throws on what is no frame. */
  *push(piece: Buffer): Generator<FetchFrame> {
    let bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(5);
      if (length > MAX_PAYLOAD_BYTES) throw new Error(`a frame of ${length} bytes`);
      const end = HEADER_BYTES + length;
      if (bytes.length < end) break;
      yield {
        id: bytes.readUInt32LE(0),
        type: bytes[4],
        payload: bytes.subarray(HEADER_BYTES, end),
      };
      bytes = bytes.subarray(end);
    }
    this.#rest = Buffer.from(bytes);
  }
}
