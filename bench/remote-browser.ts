/** The live page as the server sees it when its browser runs on another machine: it takes what is sent, and draws nothing here. */
import { once } from 'node:events';
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import type { RealServer } from '@/e2e/real-server';
import type { BrowserToServer, ServerToBrowser } from '@/profile/live-protocol';

export interface RemoteBrowser {
  /** Chunks and snapshots that have come. */
  readonly received: number;
  close(): void;
}

/** Logs in, connects and subscribes. */
export async function openRemoteBrowser({ url, origin }: RealServer): Promise<RemoteBrowser> {
  const login = await fetch(url, { redirect: 'manual' });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const socket: Socket<ServerToBrowser, BrowserToServer> = io(origin, {
    transports: ['websocket'],
    parser,
    extraHeaders: { cookie, origin },
  });
  let received = 0;
  const take = (acknowledge?: () => void): void => {
    received++;
    acknowledge?.();
  };
  socket.on('snapshot', (_chunks, _part, acknowledge) => take(acknowledge));
  socket.on('chunk', (_chunks, acknowledge) => take(acknowledge));
  socket.on('connect', () => socket.emit('subscribe'));
  await once(socket as unknown as NodeJS.EventEmitter, 'connect');
  return {
    get received() {
      return received;
    },
    close: () => {
      socket.close();
    },
  };
}
