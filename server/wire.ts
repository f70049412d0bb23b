/**
 * What the agent and the web process say to each other. The agent writes frames to its end of a socket pair that the
 * launcher made, and reads control lines from it; end of file at either end means that the other process has died.
 *
 * Agent to web, each frame: u32 length of the payload, u8 type, payload.
 * Web to agent: one line of JSON each, checked against `lineSchema` by the agent.
 */
import { z } from 'zod';
import { LATENCY_SOURCES } from '@/profile/latency/sources';
import type { CollectorStatus, HostDescription } from '@/profile/status';

export const FrameType = { Hello: 1, Chunk: 2, Status: 3, Failure: 4, RecordingEnd: 5 } as const;

/** The first frame of every agent: a new chunk stream starts, its tables at 0. */
export interface Hello {
  readonly pid: number;
  readonly host: HostDescription;
}

/** The agent can't go on; it exits after saying why and what the user can do. */
export interface Failure {
  readonly message: string;
}

export type AgentFrame =
  | { readonly type: 'hello'; readonly hello: Hello }
  /** The chunk stream starts over, tables at 0, at every chunk with sequence 0 (the agent bounds its tables so). */
  | { readonly type: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'status'; readonly status: CollectorStatus }
  | { readonly type: 'failure'; readonly failure: Failure }
  /**
   * The answer to a question: what a recording that ends now has beyond the chunks until now, as one chunk with tables of its
   * own. It is no part of the stream, which says it in its own time.
   */
  | { readonly type: 'recordingEnd'; readonly bytes: Uint8Array<ArrayBuffer> };

export const filterSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({
    kind: z.literal('processes'),
    pids: z.array(z.int().min(1).max(4_194_304)).min(1).max(1024),
  }),
  /** The processes and everything that they fork from now on; what they are until their next exec is left out where that is said. */
  z.strictObject({
    kind: z.literal('trees'),
    pids: z.array(z.int().min(1).max(4_194_304)).min(1).max(1024),
    fromExec: z.boolean().optional(),
  }),
  /** The cgroup v2 (its directory below the cgroup2 mount) and those below it. */
  z.strictObject({ kind: z.literal('cgroup'), path: z.string().max(4096) }),
]);
export type Filter = z.infer<typeof filterSchema>;

const controlSchema = z.discriminatedUnion('set', [
  z.strictObject({ set: z.literal('frequency'), frequencyHz: z.int().min(1).max(4999) }),
  z.strictObject({ set: z.literal('filter'), filter: filterSchema }),
  z.strictObject({
    set: z.literal('latency'),
    sources: z.array(z.enum(LATENCY_SOURCES)),
    /** Of whose events stacks are taken, too. */
    stacks: z.array(z.enum(LATENCY_SOURCES)),
  }),
  /** Of so many events of THINNED_SOURCES one is timed, and counts for all. */
  z.strictObject({ set: z.literal('latencyThinning'), oneIn: z.int().min(1).max(1024) }),
  z.strictObject({
    set: z.literal('offCpu'),
    enabled: z.boolean(),
    /** Waits of this length are always taken, shorter ones in proportion. */
    thresholdNs: z.number().min(1e3).max(1e9),
  }),
]);
export type Control = z.infer<typeof controlSchema>;

const questionSchema = z.strictObject({ ask: z.literal('recordingEnd') });
export type Question = z.infer<typeof questionSchema>;

export const lineSchema = z.union([controlSchema, questionSchema]);

const HEADER_BYTES = 5;
/** No frame is larger; more means that the stream is broken. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024;

export class WireError extends Error {
  override readonly name = 'WireError';
}

export function encodeFrame(frame: AgentFrame): Uint8Array[] {
  const [type, payload] = encodePayload(frame);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header[4] = type;
  return [header, payload];
}

function encodePayload(frame: AgentFrame): [type: number, payload: Uint8Array] {
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  switch (frame.type) {
    case 'hello':
      return [FrameType.Hello, json(frame.hello)];
    case 'chunk':
      return [FrameType.Chunk, frame.bytes];
    case 'status':
      return [FrameType.Status, json(frame.status)];
    case 'failure':
      return [FrameType.Failure, json(frame.failure)];
    case 'recordingEnd':
      return [FrameType.RecordingEnd, frame.bytes];
  }
}

/** Cuts a byte stream into frames; feed it what arrives. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** The frames that `data` completes. Throws WireError where the stream can't be the agent's. */
  *push(data: Buffer): Generator<AgentFrame> {
    this.#pieces.push(data);
    this.#bytes += data.length;
    while (this.#bytes >= HEADER_BYTES) {
      const header = this.#peek(HEADER_BYTES);
      const length = header.readUInt32LE(0);
      if (length > MAX_FRAME_BYTES) throw new WireError(`frame of ${length} bytes`);
      if (this.#bytes < HEADER_BYTES + length) return;
      const whole = this.#peek(HEADER_BYTES + length);
      // Copied, so that chunk columns are aligned and a small frame does not keep a large read alive.
      const payload = new Uint8Array(length);
      payload.set(whole.subarray(HEADER_BYTES, HEADER_BYTES + length));
      this.#pieces = [whole.subarray(HEADER_BYTES + length)];
      this.#bytes -= HEADER_BYTES + length;
      yield decodeFrame(header[4], payload);
    }
  }

  /** At least `length` bytes in one piece. */
  #peek(length: number): Buffer {
    if (this.#pieces[0].length < length) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0];
  }
}

function decodeFrame(type: number, payload: Uint8Array<ArrayBuffer>): AgentFrame {
  const json = () => JSON.parse(Buffer.from(payload.buffer).toString());
  switch (type) {
    case FrameType.Hello:
      return { type: 'hello', hello: json() };
    case FrameType.Chunk:
      return { type: 'chunk', bytes: payload };
    case FrameType.Status:
      return { type: 'status', status: json() };
    case FrameType.Failure:
      return { type: 'failure', failure: json() };
    case FrameType.RecordingEnd:
      return { type: 'recordingEnd', bytes: payload };
    default:
      throw new WireError(`frame of unknown type ${type}`);
  }
}
