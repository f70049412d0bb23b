/**
 * Two connected sockets, for two child processes to talk over. Node.js makes such a pair for a child's `stdio: 'pipe'`
 * too, but begins to read this process's end at once: bytes that arrive before that end has been passed on are lost (tried:
 * 50,000 of 51,000). A server with `pauseOnConnect` is Node's own way to a socket that nobody has read from.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SocketPair {
  /** For `stdio` of a child; destroy it here once the child has it. */
  readonly inherited: Socket;
  /** For `child.send`: it was accepted by no server, whose sockets Node.js would count for as long as it runs. */
  readonly sent: Socket;
}

/** Both unread and paused. Nobody else can connect: the path is in a directory of this user alone, and soon gone. */
export async function socketPair(): Promise<SocketPair> {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-'));
  const server = createServer({ pauseOnConnect: true });
  try {
    const path = join(directory, 'socket');
    server.listen(path);
    await once(server, 'listening');
    const sent = connect(path);
    sent.pause();
    const [[inherited]] = await Promise.all([
      once(server, 'connection') as Promise<[Socket]>,
      once(sent, 'connect'),
    ]);
    return { inherited, sent };
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
