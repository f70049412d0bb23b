import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { type Socket as ClientSocket, io } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeChunk, splitChunks } from '@/profile/chunk';
import { applyNext, ChunkStream } from '@/profile/chunk-stream';
import type { BrowserToServer, ServerToBrowser } from '@/profile/live-protocol';
import { Profile } from '@/profile/profile';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import type { LiveStatus } from '@/profile/status';
import { Broadcast, type LiveServer } from './broadcast';
import { LiveRing, type RingBounds } from './live-ring';
import { LiveSource } from './live-source';

type Client = ClientSocket<ServerToBrowser, BrowserToServer>;
const BOUNDS: RingBounds = { seconds: 1e6, samples: 60, latencies: 60, bytes: 64e6 };
const STATUS: LiveStatus = {
  collector: undefined,
  web: { cpu: { value: 0 }, residentBytes: { value: 0 } },
  budget: {
    cpuPercent: 0,
    memoryBytes: 300e6,
    usedPercent: undefined,
    usedBytes: undefined,
    isLowered: false,
    stopped: [],
    wishedHz: 99,
    changes: [],
  },
  agent: { state: 'starting' },
  recording: undefined,
  host: undefined,
};

describe('live viewers', () => {
  let http: HttpServer;
  let server: LiveServer;
  let broadcast: Broadcast;
  let source: LiveSource;
  let agent: TestProfile;
  let clients: Client[];

  beforeEach(async () => {
    http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
    server = new Server(http, { serveClient: false, transports: ['websocket'], parser });
    source = new LiveSource(new LiveRing(BOUNDS));
    broadcast = new Broadcast(server, source.ring, () => ({ status: STATUS, sessions: [] }));
    agent = new TestProfile();
    clients = [];
  });

  afterEach(async () => {
    for (const client of clients) client.disconnect();
    await server.close();
  });

  let pushed = 0;
  /** `nameLength`: so that a chunk is as long as that. */
  const push = (nameLength = 0): void => {
    agent.add({ stack: ['main', `f${pushed++}`.padEnd(nameLength, '_')] });
    const bytes = encodeChunk(agent.builder.cutChunk(HEADER, []));
    source.push(bytes);
    broadcast.chunk();
  };

  /** A viewer that acknowledges only when it is told to. */
  const connect = async () => {
    const client: Client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
      transports: ['websocket'],
      parser,
      forceNew: true,
    });
    clients.push(client);
    const received: string[] = [];
    const waiting: ((() => void) | undefined)[] = [];
    let stream = new ChunkStream(new Profile());
    const take = (bytes: ArrayBuffer): void => {
      for (const one of splitChunks(new Uint8Array(bytes))) applyNext(stream, one);
    };
    client.on('snapshot', (bytes, { isFirst, restBytes }, acknowledge) => {
      received.push(restBytes === 0 ? 'snapshot' : 'part');
      if (isFirst) stream = new ChunkStream(new Profile());
      take(bytes);
      waiting.push(acknowledge);
    });
    client.on('chunk', (bytes, acknowledge) => {
      received.push('chunk');
      take(bytes);
      waiting.push(acknowledge);
    });
    await once(client as never, 'connect');
    return {
      client,
      received,
      samples: () => stream.profile.samples.length,
      acknowledge: () => {
        for (const one of waiting.splice(0)) one?.();
      },
    };
  };

  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

  it('are greeted with the status and the sessions', async () => {
    const client: Client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
      transports: ['websocket'],
      parser,
      forceNew: true,
    });
    clients.push(client);
    const [[status], [sessions]] = await Promise.all([
      once(client as never, 'status'),
      once(client as never, 'sessions'),
    ]);
    expect(status).toMatchObject({ agent: { state: 'starting' } });
    expect(sessions).toEqual([]);
    expect(broadcast.hasConnections).toBe(true);
  });

  it('get a snapshot and what follows it, once they ask, and until they ask no more', async () => {
    push();
    const viewer = await connect();
    push();
    await settle();
    expect(viewer.received).toEqual([]);
    viewer.client.emit('subscribe');
    await settle();
    push();
    await settle();
    expect(viewer.received).toEqual(['snapshot', 'chunk']);
    expect(viewer.samples()).toBe(3);
    viewer.client.emit('unsubscribe');
    await settle();
    push();
    await settle();
    expect(viewer.received).toHaveLength(2);
  });

  it('who subscribe before there is anything get it when it comes', async () => {
    const viewer = await connect();
    viewer.client.emit('subscribe');
    await settle();
    push();
    await settle();
    expect(viewer.received).toEqual(['snapshot']);
    expect(viewer.samples()).toBe(1);
  });

  it('who ask again and again without acknowledging get one snapshot', async () => {
    push();
    const viewer = await connect();
    for (let i = 0; i < 20; i++) {
      viewer.client.emit('subscribe');
      viewer.client.emit('unsubscribe');
    }
    viewer.client.emit('subscribe');
    await settle();
    expect(viewer.received).toEqual(['snapshot']);
    viewer.acknowledge();
    await settle();
    expect(viewer.received).toEqual(['snapshot', 'snapshot']);
  });

  it('who do not acknowledge get a few chunks, then nothing, then what they lack', async () => {
    push();
    const slow = await connect();
    const quick = await connect();
    slow.client.emit('subscribe');
    quick.client.emit('subscribe');
    await settle();
    for (let i = 0; i < 30; i++) {
      push();
      if (i % 3 === 0) {
        await settle();
        quick.acknowledge();
        await settle();
      }
    }
    await settle();
    expect(slow.received).toEqual(['snapshot', ...new Array(16).fill('chunk')]);
    expect(quick.received.filter((kind) => kind === 'snapshot')).toHaveLength(1);
    expect(quick.samples()).toBe(31);

    slow.acknowledge();
    await settle();
    expect(slow.received.slice(17)).toEqual(['chunk']);
    expect(slow.samples()).toBe(31);
    push();
    await settle();
    expect(slow.received.slice(17)).toEqual(['chunk', 'chunk']);
    expect(slow.samples()).toBe(32);
  });

  it('get a large snapshot in parts, each when they have taken in some before, and then what came meanwhile', async () => {
    for (let i = 0; i < 8; i++) push(800_000);
    const viewer = await connect();
    viewer.client.emit('subscribe');
    await settle();
    expect(viewer.received).toEqual(['part', 'part', 'part']);
    push();
    push();
    await settle();
    expect(viewer.received).toHaveLength(3);
    for (let i = 0; i < 3; i++) {
      viewer.acknowledge();
      await settle();
    }
    expect(viewer.received).toEqual([...new Array(7).fill('part'), 'snapshot', 'chunk']);
    expect(viewer.samples()).toBe(10);
  });

  it('who take in nothing until what they lack is forgotten get a new snapshot', async () => {
    push();
    const viewer = await connect();
    viewer.client.emit('subscribe');
    await settle();
    for (let i = 0; i < 99; i++) push();
    await settle();
    expect(viewer.received).toHaveLength(17);
    viewer.acknowledge();
    await settle();
    expect(viewer.received.slice(17)).toEqual(['snapshot']);
    expect(viewer.samples()).toBeGreaterThanOrEqual(60);
    expect(viewer.samples()).toBeLessThan(64);
  });
});
