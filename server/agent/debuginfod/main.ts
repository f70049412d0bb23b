/**
 * Fetches debug files from debuginfod servers, for the agent, which opens no socket itself. Started by the symbol worker
 * when a file is wanted; gives up root before it opens a connection, reads no file, and writes to its standard output only:
 *
 *   node dist/debuginfod.js SETTINGS
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { encodeFrame, type FetchRequest, type FetchSettings, FrameType } from './protocol';

/** Of the kernel, for whom nothing belongs to. */
const NOBODY = 65534;
const AT_ONCE = 2;
/** As elfutils has it: so much must come in the time of the timeout. */
const LEAST_BYTES = 100 * 1024;
const NOTHING = new Uint8Array(0);

/** All threads of this process become nobody, which takes their capabilities away. */
function giveUpRoot(): void {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  if (process.getuid?.() === 0) throw new Error('root can not be given up');
}

async function send(id: number, type: FrameType, payload: Uint8Array = NOTHING): Promise<void> {
  if (!process.stdout.write(encodeFrame(id, type, payload))) await once(process.stdout, 'drain');
}

type Outcome = { readonly found: boolean } | { readonly failure: string };

async function fetchFile(settings: FetchSettings, { id, buildId }: FetchRequest): Promise<void> {
  const failures: string[] = [];
  for (const [index, url] of settings.urls.entries()) {
    if (index > 0) await send(id, FrameType.Restart);
    const outcome = await fetchFrom(`${url}/buildid/${buildId}/debuginfo`, id, settings);
    if ('failure' in outcome) failures.push(`${url}: ${outcome.failure}`);
    else if (outcome.found) return send(id, FrameType.End);
  }
  if (failures.length === 0) return send(id, FrameType.Missing);
  return send(id, FrameType.Failed, Buffer.from(failures.join('; ')));
}

async function fetchFrom(
  url: string,
  id: number,
  { timeoutMs, maxBytes }: FetchSettings,
): Promise<Outcome> {
  const abort = new AbortController();
  let bytes = 0;
  let bytesBefore = 0;
  const watchdog = setInterval(() => {
    if (bytes - bytesBefore < LEAST_BYTES) {
      abort.abort(new Error(`less than 100 KiB came in ${timeoutMs / 1000} s`));
    }
    bytesBefore = bytes;
  }, timeoutMs);
  try {
    const response = await fetch(url, {
      signal: abort.signal,
      headers: { 'user-agent': 'hearth' },
    });
    if (response.status === 404) return { found: false };
    if (!response.ok || response.body === null) return { failure: `HTTP ${response.status}` };
    const declared = Number(response.headers.get('x-debuginfod-size') ?? 0);
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      if (Math.max(bytes, declared) > maxBytes) {
        // What is caught below.
        abort.abort(new Error(`it has more than the ${maxBytes} bytes allowed`));
      }
      abort.signal.throwIfAborted();
      await send(id, FrameType.Data, piece);
    }
    return { found: true };
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = abort.signal.aborted ? (abort.signal.reason as Error).message : message;
    return { failure: cause instanceof Error ? `${reason}: ${cause.message}` : reason };
  } finally {
    clearInterval(watchdog);
  }
}

function main(): void {
  process.title = 'hearth-fetch';
  const settings = JSON.parse(process.argv[2]) as FetchSettings;
  giveUpRoot();
  const waiting: FetchRequest[] = [];
  let running = 0;
  const next = (): void => {
    if (running >= AT_ONCE) return;
    const request = waiting.shift();
    if (request === undefined) return;
    running++;
    void fetchFile(settings, request).finally(() => {
      running--;
      next();
    });
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    waiting.push(JSON.parse(line) as FetchRequest);
    next();
  });
  // Whoever asked is gone.
  lines.on('close', () => process.exit(0));
  process.stdout.on('error', () => process.exit(1));
}

main();
