/**
 * Live viewers: each gets a snapshot in parts, then chunks, and acknowledges each part and one chunk in eight. One that has not
 * acknowledged some is sent nothing more until it has, and then goes on where it was, for the ring has what it lacks: nothing is
 * buffered for it, and it is not sent all over again.
 */
import type { Server, Socket } from 'socket.io';
import type { BrowserToServer, ServerToBrowser } from '@/profile/live-protocol';
import type { SessionSummary } from '@/profile/session';
import type { LiveStatus } from '@/profile/status';
import type { LiveRing } from './live-ring';

export type LiveServer = Server<BrowserToServer, ServerToBrowser>;
type LiveSocket = Socket<BrowserToServer, ServerToBrowser>;

/** To read an acknowledgement costs as much as to send a chunk, so it is asked of one chunk in so many, and for all before. */
const ACKNOWLEDGED_EVERY = 8;
/** With so many acknowledgements to come a viewer is sent nothing more: for two parts, say, and sixteen chunks. */
const MAX_AWAITED = 3;
/** Chunks that are sent together are at most so long, or one: others are sent in between, and a slow viewer gets on. */
const PART_BYTES = 1024 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

interface Viewer {
  readonly socket: LiveSocket;
  isSubscribed: boolean;
  /** Acknowledgements that have been asked for and have not come, also of what was sent before it unsubscribed. */
  awaited: number;
  /** Chunks since the last of which one was asked for. */
  unasked: number;
  /** What is still to be sent of a snapshot. */
  snapshot: { chunks: readonly Bytes[]; isFirst: boolean } | undefined;
  /** The number of the chunk that it needs next, after that; undefined: a new snapshot, before any chunk. */
  next: number | undefined;
}

export class Broadcast {
  readonly #server: LiveServer;
  readonly #ring: LiveRing;
  readonly #viewers = new Set<Viewer>();

  /** `greet`: what every new connection is told at once. */
  constructor(
    server: LiveServer,
    ring: LiveRing,
    greet: () => { readonly status: LiveStatus; readonly sessions: readonly SessionSummary[] },
  ) {
    this.#server = server;
    this.#ring = ring;
    server.on('connection', (socket) => {
      const { status, sessions } = greet();
      socket.emit('status', status);
      socket.emit('sessions', sessions);
      const viewer: Viewer = {
        socket,
        isSubscribed: false,
        awaited: 0,
        unasked: 0,
        snapshot: undefined,
        next: undefined,
      };
      this.#viewers.add(viewer);
      socket.on('subscribe', () => {
        viewer.isSubscribed = true;
        startOver(viewer);
        this.#advance(viewer);
      });
      socket.on('unsubscribe', () => {
        viewer.isSubscribed = false;
        startOver(viewer);
      });
      socket.on('disconnect', () => this.#viewers.delete(viewer));
    });
  }

  get hasConnections(): boolean {
    return this.#viewers.size > 0;
  }

  /** The ring has taken a chunk. */
  chunk(): void {
    for (const viewer of this.#viewers) this.#advance(viewer);
  }

  status(status: LiveStatus): void {
    if (this.hasConnections) this.#server.emit('status', status);
  }

  sessions(sessions: readonly SessionSummary[]): void {
    if (this.hasConnections) this.#server.emit('sessions', sessions);
  }

  /** Sends what a viewer lacks, as long as it does not owe too many acknowledgements. */
  #advance(viewer: Viewer): void {
    if (!viewer.isSubscribed) return;
    for (;;) {
      const lacking = viewer.next === undefined ? undefined : this.#ring.since(viewer.next);
      if (lacking === undefined) {
        startOver(viewer);
        // What it was sent before is taken in first: else who asks again and again would be sent as many.
        const snapshot = viewer.awaited === 0 ? this.#ring.snapshot() : undefined;
        if (snapshot === undefined) return;
        viewer.snapshot = { chunks: snapshot.chunks, isFirst: true };
        viewer.next = snapshot.next;
      } else if (viewer.awaited >= MAX_AWAITED) {
        return;
      } else if (viewer.snapshot !== undefined) {
        this.#sendPart(viewer, viewer.snapshot);
      } else {
        const chunks = firstPart(lacking);
        if (chunks.length === 0) return;
        viewer.next = (viewer.next ?? 0) + chunks.length;
        this.#sendChunks(viewer, chunks);
      }
    }
  }

  #sendPart(viewer: Viewer, { chunks, isFirst }: NonNullable<Viewer['snapshot']>): void {
    const part = firstPart(chunks);
    const rest = chunks.slice(part.length);
    viewer.snapshot = rest.length === 0 ? undefined : { chunks: rest, isFirst: false };
    viewer.socket.emit(
      'snapshot',
      joined(part),
      { isFirst, restBytes: byteLength(rest) },
      this.#awaited(viewer),
    );
  }

  #sendChunks(viewer: Viewer, chunks: readonly Bytes[]): void {
    viewer.unasked += chunks.length;
    if (viewer.unasked < ACKNOWLEDGED_EVERY) {
      viewer.socket.emit('chunk', joined(chunks));
      return;
    }
    viewer.unasked = 0;
    viewer.socket.emit('chunk', joined(chunks), this.#awaited(viewer));
  }

  #awaited(viewer: Viewer): () => void {
    viewer.awaited++;
    return () => {
      viewer.awaited--;
      this.#advance(viewer);
    };
  }
}

function startOver(viewer: Viewer): void {
  viewer.snapshot = undefined;
  viewer.next = undefined;
}

/** As many of the first as are sent together. */
function firstPart(chunks: readonly Bytes[]): readonly Bytes[] {
  let count = 0;
  for (let bytes = 0; count < chunks.length; count++) {
    bytes += chunks[count].length;
    if (count > 0 && bytes > PART_BYTES) break;
  }
  return chunks.slice(0, count);
}

const byteLength = (chunks: readonly Bytes[]): number =>
  chunks.reduce((sum, { length }) => sum + length, 0);

/** On this side binary is a Buffer; the browser gets an ArrayBuffer. */
function joined(chunks: readonly Bytes[]): ArrayBuffer {
  const [{ buffer, byteOffset, length }] = chunks;
  const bytes =
    chunks.length === 1 ? Buffer.from(buffer, byteOffset, length) : Buffer.concat(chunks);
  return bytes as never as ArrayBuffer;
}
