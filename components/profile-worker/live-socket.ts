/** The connection to the server, in a module of its own: pages of files and sessions do without it. */
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import type { BrowserToServer, ServerToBrowser } from '@/profile/live-protocol';

export type LiveSocket = Socket<ServerToBrowser, BrowserToServer>;

export function connect(): LiveSocket {
  return io({ transports: ['websocket'], parser, reconnectionDelayMax: 3000 });
}
