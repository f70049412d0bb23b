/**
 * The agent process: profiles the machine and writes frames (server/wire.ts) to file descriptor 3, a socket pair of the
 * launcher's, from which it also reads control lines. It ends when the other end is closed.
 */
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { encodeChunk } from '@/profile/chunk';
import { type AgentFrame, encodeFrame, lineSchema } from '@/server/wire';
import { Collector } from './collector';
import { raisePriority } from './priority';

const WIRE_FD = 3;
/** A web process that doesn't read for so long is stuck: chunks are not kept for it without bound. */
const MAX_UNSENT_BYTES = 128 * 1024 * 1024;

async function main(): Promise<void> {
  process.title = 'hearth-agent';
  raisePriority();
  const [frequencyHz, cacheDirectory] = [Number(process.argv[2] ?? 99), process.argv[3]];
  const wire = new Socket({ fd: WIRE_FD, readable: true, writable: true });
  const send = (frame: AgentFrame): void => {
    // What is sent in one turn goes as one write: each wakes the reader.
    if (wire.writableCorked === 0) {
      wire.cork();
      process.nextTick(() => wire.uncork());
    }
    for (const piece of encodeFrame(frame)) wire.write(piece);
    if (wire.writableLength > MAX_UNSENT_BYTES) fail('the web process does not read');
  };
  const fail = (message: string): void => {
    send({ type: 'failure', failure: { message } });
    wire.end(() => process.exit(1));
  };

  let collector: Collector;
  try {
    collector = await Collector.start({
      frequencyHz,
      filter: { kind: 'all' },
      cacheDirectory,
      onChunk: (chunk) => send({ type: 'chunk', bytes: encodeChunk(chunk) }),
      onStatus: (status) => send({ type: 'status', status }),
    });
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return;
  }
  send({ type: 'hello', hello: { pid: process.pid, host: collector.host } });

  const controls = createInterface({ input: wire });
  // It passes the errors of the wire on, which end the process.
  controls.on('error', () => {});
  controls.on('line', (line) => {
    const control = lineSchema.parse(JSON.parse(line));
    if ('ask' in control) {
      void collector
        .recordingEnd()
        .then((chunk) => send({ type: 'recordingEnd', bytes: encodeChunk(chunk) }));
      return;
    }
    switch (control.set) {
      case 'frequency':
        collector.setFrequency(control.frequencyHz);
        break;
      case 'filter':
        collector.setFilter(control.filter);
        break;
      case 'latency':
        void collector.setLatency(control.sources, control.stacks);
        break;
      case 'latencyThinning':
        void collector.setLatencyThinning(control.oneIn);
        break;
      case 'offCpu':
        void collector.trySetOffCpu(
          control.enabled ? { thresholdNs: control.thresholdNs } : undefined,
        );
        break;
    }
  });
  let isEnding = false;
  const end = async (): Promise<void> => {
    // The launcher sends a signal, and web's end of the wire closes.
    if (isEnding) return;
    isEnding = true;
    await collector.stop();
    process.exit(0);
  };
  wire.on('close', end);
  wire.on('error', end);
  process.on('SIGTERM', end);
  // The terminal sends them to the whole group; the launcher says when to end.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
}

await main();
