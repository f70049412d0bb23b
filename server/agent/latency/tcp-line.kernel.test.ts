import { expect, it } from 'vitest';
import { expectQuantiles, histogram, measureWorkload } from '@/bench/workloads/measure-for-tests';

const DELAY_NS = 20_000_000;
const CONNECTIONS = 30;
/** Fewer, as each waits until the sender notices. */
const LOSSY_CONNECTIONS = 10;
/** Of 1000 bytes and an answer of 500, on each connection. */
const TALKS = 3;
/** Half a bucket. */
const BUCKET_ERROR = 0.035;
/** Waking the thread that carries packets, on a busy machine, there and back. */
const CARRYING_NS = 5_000_000;

it('TCP over a line of 20 ms takes 40 ms to connect, and for a round trip from either end', async () => {
  const { buckets, truth } = await measureWorkload('delayed-tcp', ['tcp'], [CONNECTIONS, DELAY_NS]);
  expectQuantiles(histogram(buckets, 'connect to 10.9.0.2'), truth);
  for (const label of ['connect to 10.9.0.2', 'round trip to 10.9.0.2', 'round trip to 10.9.0.1']) {
    const times = histogram(buckets, label);
    expect(times.count, label).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(times.quantile(0)?.value, label).toBeGreaterThan(2 * DELAY_NS * (1 - BUCKET_ERROR));
    expect(times.quantile(0.5)?.value, label).toBeLessThan(
      (2 * DELAY_NS + CARRYING_NS) * (1 + BUCKET_ERROR),
    );
  }
  const bytes = (label: string): number => histogram(buckets, label).sum;
  expect(bytes('sent to 10.9.0.2, bytes')).toBe(CONNECTIONS * TALKS * 1000);
  expect(bytes('received from 10.9.0.2, bytes')).toBe(CONNECTIONS * TALKS * 500);
  expect(bytes('sent to 10.9.0.1, bytes')).toBe(CONNECTIONS * TALKS * 500);
  expect(bytes('received from 10.9.0.1, bytes')).toBe(CONNECTIONS * TALKS * 1000);
});

it('TCP segments that the line loses are counted as retransmitted, with their bytes', async () => {
  const { buckets } = await measureWorkload(
    'delayed-tcp',
    ['tcp'],
    [LOSSY_CONNECTIONS, DELAY_NS, 'lossy'],
  );
  const retransmitted = histogram(buckets, 'retransmitted to 10.9.0.2, bytes');
  // On a busy machine, an answer may come so late that a segment is sent a third time, or one is lost that was sent twice.
  expect(retransmitted.count).toBeGreaterThan(LOSSY_CONNECTIONS * 0.5);
  expect(retransmitted.count).toBeLessThan(LOSSY_CONNECTIONS * 1.5);
  expect(retransmitted.sum).toBe(retransmitted.count * 1000);
  expect(histogram(buckets, 'retransmitted to 10.9.0.1, bytes').count).toBeLessThan(
    LOSSY_CONNECTIONS * 0.5,
  );
  expect(histogram(buckets, 'received from 10.9.0.1, bytes').sum).toBe(
    LOSSY_CONNECTIONS * TALKS * 1000,
  );
});
