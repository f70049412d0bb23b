/**
 * Live viewers: each gets a snapshot, then chunks, and acknowledges one in eight. One that falls behind is sent nothing until
 * it has caught up, then a new snapshot: nothing is buffered for it without bound.
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
/** With so many acknowledgements to come a viewer is sent nothing more: a snapshot's, say, and those of sixteen chunks. */
const MAX_AWAITED = 3;

interface Viewer {
  readonly socket: LiveSocket;
  isSubscribed: boolean;
  /** Acknowledgements that have been asked for and have not come, also of what was sent before it unsubscribed. */
  awaited: number;
  /** Chunks since the last of which one was asked for. */
  unasked: number;
  /** Must have a snapshot before any further chunk. */
  needsSnapshot: boolean;
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
        needsSnapshot: true,
      };
      this.#viewers.add(viewer);
      socket.on('subscribe', () => {
        viewer.isSubscribed = true;
        viewer.needsSnapshot = true;
        this.#sendSnapshot(viewer);
      });
      socket.on('unsubscribe', () => {
        viewer.isSubscribed = false;
      });
      socket.on('disconnect', () => this.#viewers.delete(viewer));
    });
  }

  get hasConnections(): boolean {
    return this.#viewers.size > 0;
  }

  /** The ring has taken a chunk: `bytes`. */
  chunk(bytes: Uint8Array<ArrayBuffer>): void {
    for (const viewer of this.#viewers) {
      if (!viewer.isSubscribed) continue;
      if (viewer.needsSnapshot) this.#sendSnapshot(viewer);
      else if (viewer.awaited >= MAX_AWAITED) viewer.needsSnapshot = true;
      else this.#send(viewer, 'chunk', bytes);
    }
  }

  status(status: LiveStatus): void {
    if (this.hasConnections) this.#server.emit('status', status);
  }

  sessions(sessions: readonly SessionSummary[]): void {
    if (this.hasConnections) this.#server.emit('sessions', sessions);
  }

  /** Sends the ring as it is, unless the viewer is busy or there is nothing yet: then the next update tries again. */
  #sendSnapshot(viewer: Viewer): void {
    const bytes = viewer.awaited === 0 ? this.#ring.snapshot() : undefined;
    if (bytes === undefined) return;
    viewer.needsSnapshot = false;
    this.#send(viewer, 'snapshot', bytes);
  }

  #send(viewer: Viewer, event: 'snapshot' | 'chunk', bytes: Uint8Array<ArrayBuffer>): void {
    // On this side binary is a Buffer; the browser gets an ArrayBuffer.
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) as never as ArrayBuffer;
    if (event === 'chunk' && ++viewer.unasked < ACKNOWLEDGED_EVERY) {
      viewer.socket.emit(event, chunk);
      return;
    }
    viewer.unasked = 0;
    viewer.awaited++;
    viewer.socket.emit(event, chunk, () => {
      viewer.awaited--;
    });
  }
}
