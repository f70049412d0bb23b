/** From the sample in the kernel to the message in the browser. */
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright/test';
import parser from 'socket.io-msgpack-parser';
import { CHROMIUM } from '@/e2e/chromium';
import { startServer } from '@/e2e/real-server';
import { type Chunk, decodeChunk } from '@/profile/chunk';
import { type Bench, percentile } from './bench';
import { compileWorkload } from './workloads/compile';
import { RunningWorkload } from './workloads/run';

const SECONDS = 20;
const P50_LIMIT_MS = 250;
const P99_LIMIT_MS = 500;

export const latency: Bench = {
  name: 'latency',
  what: 'from the sample in the kernel to the message in the browser',
  async run(report) {
    const server = await startServer();
    const browser = await chromium.launch(CHROMIUM);
    const page = await browser.newPage();
    // The browser's own clock, as the message arrives; the bytes are decoded here, afterwards.
    const received: { readonly timeMs: number; readonly bytes: Buffer }[] = [];
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    session.on('Network.webSocketFrameReceived', ({ response }) => {
      if (response.opcode === 2) {
        received.push({ timeMs: Date.now(), bytes: Buffer.from(response.payloadData, 'base64') });
      }
    });
    await page.goto(server.url);
    await sleep(3000);
    received.length = 0;
    const workload = new RunningWorkload(compileWorkload('shares'), [SECONDS]);
    await workload.result();
    await sleep(500);
    const delaysMs = received.flatMap(({ timeMs, bytes }) =>
      chunksOf(bytes).flatMap(({ header, tables: { samples } }) =>
        Array.from(
          samples.columns.timeNs.subarray(0, samples.length),
          (ns) => timeMs - (ns + header.wallOffsetNs) / 1e6,
        ),
      ),
    );
    await browser.close();
    await server.stop();
    if (delaysMs.length < SECONDS * 50)
      throw new Error(`only ${delaysMs.length} samples reached the browser`);
    report('sample to browser, p50', 'ms', percentile(delaysMs, 50), 'limit', P50_LIMIT_MS);
    report('sample to browser, p99', 'ms', percentile(delaysMs, 99), 'limit', P99_LIMIT_MS);
  },
};

/** The chunks in a message of socket.io. */
function chunksOf(message: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  const decoder = new parser.Decoder();
  decoder.on('decoded', ({ data }: { data: unknown }) => {
    if (Array.isArray(data) && data[0] === 'chunk')
      chunks.push(decodeChunk(new Uint8Array(data[1])));
  });
  decoder.add(message);
  return chunks;
}
