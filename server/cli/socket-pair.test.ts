import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { socketPair } from './socket-pair';

const BYTES = 50_000;
const WRITER = `
  const socket = new (require('node:net').Socket)({ fd: 3 });
  socket.end(Buffer.alloc(${BYTES}));`;
/** Is busy while the writer writes, so that its socket waits in the IPC channel. */
const READER = `
  process.on('message', (message, socket) => {
    if (socket === undefined) {
      for (const end = Date.now() + 500; Date.now() < end; );
      return;
    }
    let bytes = 0;
    socket.on('data', (data) => { bytes += data.length; });
    socket.on('end', () => { process.send(bytes); process.disconnect(); });
  });
  process.send('ready');`;

describe('a pair of sockets', () => {
  it('sends one that no server has accepted: Node.js would keep count of it', async () => {
    const { inherited, sent } = await socketPair();
    expect((sent as { server?: unknown }).server).toBeFalsy();
    inherited.destroy();
    sent.destroy();
  });

  it('loses nothing that is written before the other process has got its end', async () => {
    const reader = spawn(process.execPath, ['-e', READER], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(reader, 'message');
    reader.send('be busy');
    const { inherited, sent } = await socketPair();
    spawn(process.execPath, ['-e', WRITER], { stdio: ['ignore', 'inherit', 'inherit', inherited] });
    inherited.destroy();
    reader.send('read', sent, { keepOpen: false });
    expect((await once(reader, 'message'))[0]).toBe(BYTES);
  });
});
