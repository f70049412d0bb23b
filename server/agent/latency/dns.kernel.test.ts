import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectQuantiles, histogram, measureWorkload } from '@/bench/workloads/measure-for-tests';
import { LatencyPrograms } from './latency-programs';

const SERVER = '127.0.0.99';
const DELAY_MS = 10;
const [QR, NAME_ERROR] = [0x80, 3];

let servers: Socket[];

beforeAll(async () => {
  servers = await Promise.all([serve('udp4', SERVER), serve('udp6', '::1')]);
});

afterAll(() => {
  for (const server of servers) server.close();
});

/** Answers each query after a delay: with an error for 'missing.test', not at all for 'silent.test'. */
async function serve(type: 'udp4' | 'udp6', address: string): Promise<Socket> {
  const server = createSocket(type);
  server.on('message', (query, from) => {
    const name = query.toString('latin1', 12);
    if (name.includes('silent')) return;
    query[2] |= QR;
    if (name.includes('missing')) query[3] |= NAME_ERROR;
    setTimeout(() => server.send(query, from.port, from.address), DELAY_MS);
  });
  server.bind(53, address);
  await once(server, 'listening');
  return server;
}

describe('DNS look-ups', () => {
  it('last as long as the program says, which asks through the C library', async () => {
    const { buckets, truth, pid } = await measureWorkload('dns', ['dns'], [100, SERVER, 'a.test']);
    const answers = histogram(buckets, `answer from ${SERVER}`);
    expectQuantiles(answers, truth, 500_000);
    expect(answers.quantile(0)?.value ?? 0).toBeGreaterThan(DELAY_MS * 0.9e6);
    expect(new Set(buckets.map((row) => row.pid))).toEqual(new Set([pid]));
  });

  it('are seen of sockets that are not connected', async () => {
    const { buckets, truth } = await measureWorkload(
      'dns',
      ['dns'],
      [100, SERVER, 'a.test', 'unconnected'],
    );
    expectQuantiles(histogram(buckets, `answer from ${SERVER}`), truth, 500_000);
  });

  it('are seen over IPv6, many at once', async () => {
    const LOOKUPS = 50;
    const programs = new LatencyPrograms({ onlyPids: [process.pid] });
    try {
      await programs.set(['dns']);
      const resolver = new Resolver();
      resolver.setServers(['[::1]:53']);
      const names = Array.from({ length: LOOKUPS }, (_, i) => `missing.test${i}`);
      const results = await Promise.allSettled(names.map((name) => resolver.resolve4(name)));
      expect(results.every(({ status }) => status === 'rejected')).toBe(true);
      const lookups = histogram(await programs.take(), 'no such name from ::1');
      expect(lookups.count).toBe(LOOKUPS);
      expect(lookups.quantile(0)?.value ?? 0).toBeGreaterThan(DELAY_MS * 0.9e6);
    } finally {
      programs.dispose();
    }
  });

  it('are told apart by result', async () => {
    const { buckets, truth } = await measureWorkload('dns', ['dns'], [50, SERVER, 'missing.test']);
    expectQuantiles(histogram(buckets, `no such name from ${SERVER}`), truth, 500_000);
    expect(buckets.every(({ label }) => label === `no such name from ${SERVER}`)).toBe(true);
  });

  it('without an answer are counted when the next query is sent', async () => {
    // Each look-up gives up after a second; five seconds after the first, it counts.
    const { buckets } = await measureWorkload('dns', ['dns'], [8, SERVER, 'silent.test']);
    const unanswered = histogram(buckets, `no answer from ${SERVER} in 5 s`);
    expect(unanswered.count).toBeGreaterThanOrEqual(1);
    expect(unanswered.count).toBeLessThanOrEqual(4);
    expect(unanswered.quantile(0.5)?.value).toBeCloseTo(5e9, -9);
    expect(histogram(buckets, `answer from ${SERVER}`).count).toBe(0);
  });
});
