/**
 * Has a stored session named again, by a process of its own (server/agent/session-symbols-main.ts) with the rights of this
 * one: the web process's where a browser asked, which can read what everybody may read, and the user's on the command line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { chunkByteLength } from '@/profile/chunk';
import type { SymbolizingMessage, SymbolizingReport } from '@/profile/symbolizing';
import { distFile } from '@/server/root';
import type { Store } from '@/server/store/store';

/** One module takes seconds; one of which nothing is heard for so long never ends. */
const SILENCE_MS = 120_000;
const MAX_CHUNK_BYTES = 256 * 1024 * 1024;
const HEAP_MB = 512;

export interface NamedSession {
  /** A chunk that continues the session's; undefined where nothing has changed. */
  readonly chunk: Uint8Array | undefined;
  readonly report: SymbolizingReport;
}

export interface NamingOptions {
  readonly startedMs: number;
  /** Where tables of symbols are kept from run to run, if this process may write there. */
  readonly cacheDirectory?: string;
  readonly onProgress: (message: SymbolizingMessage & { readonly kind: 'progress' }) => void;
  /** The program's bundle. */
  readonly program?: string;
  readonly silenceMs?: number;
}

/** The session could not be named again; nothing has changed. */
export class NamingError extends Error {
  override readonly name = 'NamingError';
}

/** Names what `chunks` hold. Throws NamingError, and whatever `chunks` throw. */
export async function nameSessionAgain(
  chunks: AsyncIterable<Uint8Array>,
  options: NamingOptions,
): Promise<NamedSession> {
  const { startedMs, cacheDirectory, onProgress, silenceMs = SILENCE_MS } = options;
  const child = spawn(
    process.execPath,
    [
      `--max-old-space-size=${HEAP_MB}`,
      options.program ?? distFile('session-symbols.js'),
      String(startedMs),
      ...(cacheDirectory === undefined ? [] : [cacheDirectory]),
    ],
    { stdio: ['pipe', 'pipe', 'inherit', 'pipe'] },
  );
  let silent = false;
  const watchdog = setTimeout(() => {
    silent = true;
    child.kill('SIGKILL');
  }, silenceMs);
  let report: SymbolizingReport | undefined;
  let problem: string | undefined;
  const messages = (async () => {
    for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
      watchdog.refresh();
      const message = JSON.parse(line) as SymbolizingMessage;
      if (message.kind === 'progress') onProgress(message);
      else if (message.kind === 'report') report = message.report;
      else problem = message.error;
    }
  })();
  const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>;
  const result = readAll(child.stdout as Readable);
  let inputFailure: unknown;
  const input = sendAll(chunks, child).catch((error: unknown) => {
    inputFailure = error;
    child.kill('SIGKILL');
  });
  try {
    const [bytes, [code, signal]] = await Promise.all([result, ended, messages, input]);
    if (inputFailure !== undefined) throw inputFailure;
    if (problem !== undefined)
      throw new NamingError(`The session can't be named again: ${problem}`);
    if (report === undefined || code !== 0) {
      const how = silent
        ? `it was silent for ${silenceMs / 1000} s`
        : `it ended with ${signal ?? `exit status ${code}`}`;
      throw new NamingError(`The process that names the session failed: ${how}.`);
    }
    return { chunk: bytes.length === 0 ? undefined : wholeChunk(bytes), report };
  } finally {
    clearTimeout(watchdog);
    child.kill('SIGKILL');
  }
}

/** Ends early, without an error, where the process does: its own end says why. */
async function sendAll(chunks: AsyncIterable<Uint8Array>, child: ChildProcess): Promise<void> {
  try {
    await pipeline(Readable.from(chunks, { objectMode: true }), child.stdin as Writable);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ECONNRESET')
      throw error;
  }
}

async function readAll(stream: Readable): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_CHUNK_BYTES) {
      throw new NamingError(`The names take more than ${MAX_CHUNK_BYTES} bytes.`);
    }
  }
  // A copy of its own, so that the chunk's columns are aligned.
  return new Uint8Array(Buffer.concat(pieces));
}

function wholeChunk(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  if (chunkByteLength(bytes) !== bytes.length) {
    throw new NamingError('The process that names the session has answered something else.');
  }
  return bytes;
}

/** Names a stored session again, and adds what has changed to it. Throws NamingError, and what the store throws. */
export async function symbolizeStored(
  store: Store,
  id: string,
  options: NamingOptions,
): Promise<SymbolizingReport> {
  let slices = 0;
  const chunks = (async function* () {
    for await (const slice of store.slices(id)) {
      slices++;
      yield slice.chunks;
    }
  })();
  const { chunk, report } = await nameSessionAgain(chunks, options);
  if (chunk !== undefined) await store.amend(id, chunk, slices);
  return report;
}
