/**
 * Names a stored session again, in a process of its own: files from anywhere are read here, and memory is given back with
 * its end. It has the rights of whoever starts it, and opens neither store nor socket.
 *
 *   node dist/session-symbols.js STARTED_MS [CACHE_DIRECTORY]
 *
 * reads the session's chunks from the standard input, writes a chunk that continues them to the standard output, if names
 * have changed, and lines of JSON (SymbolizingMessage) to file descriptor 3.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProfileBuilder } from '@/profile/builder';
import { chunkByteLength, encodeChunk } from '@/profile/chunk';
import { applyNext, ChunkStream } from '@/profile/chunk-stream';
import { Profile } from '@/profile/profile';
import { EVENT_TABLES } from '@/profile/schema';
import type { SymbolizingMessage, SymbolizingReport } from '@/profile/symbolizing';
import { nameSession } from './session-symbols';
import { SymbolService } from './symbols/symbol-service';

const MESSAGES_FD = 3;
const RESULT_FD = 1;
const FETCH_MS = 300_000;
const FETCH_POLL_MS = 250;

function tell(message: SymbolizingMessage): void {
  writeAll(MESSAGES_FD, Buffer.from(`${JSON.stringify(message)}\n`));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** The profile of all chunks, without what happened: samples and the like, which have no names. */
async function readProfile(input: AsyncIterable<Buffer>): Promise<Profile> {
  const stream = new ChunkStream(new Profile());
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of input) {
    pieces.push(piece);
    length += piece.length;
    for (;;) {
      if (length < 16) break;
      if (pieces[0].length < 16) pieces = [Buffer.concat(pieces)];
      const wanted = chunkByteLength(pieces[0]) as number;
      if (length < wanted) break;
      const bytes = Buffer.concat(pieces);
      applyNext(stream, bytes.subarray(0, wanted));
      for (const name of EVENT_TABLES) stream.profile[name].clear();
      pieces = [bytes.subarray(wanted)];
      length -= wanted;
    }
  }
  if (length > 0) throw new Error('the session ends within a chunk');
  return stream.profile;
}

/** Resolves when the debug files that were asked for have come, or will not, or have taken too long. */
async function fetched(service: SymbolService, modules: number): Promise<void> {
  const endMs = performance.now() + FETCH_MS;
  while (service.isFetching && performance.now() < endMs) {
    tell({ kind: 'progress', done: 0, modules, module: 'waiting for debuginfod' });
    await sleep(FETCH_POLL_MS);
  }
}

/** What has come of it, where all was named a second time. */
function inTwoSteps(first: SymbolizingReport, second: SymbolizingReport): SymbolizingReport {
  const before = new Map(first.modules.map((module) => [module.module, module]));
  const changed = (frames: number, a: number, b: number): number => Math.min(frames, a + b);
  return {
    ...second,
    unnamedBefore: first.unnamedBefore,
    changed: changed(second.frames, first.changed, second.changed),
    modules: second.modules.map((module) => ({
      ...module,
      unnamedBefore: before.get(module.module)?.unnamedBefore ?? module.unnamedBefore,
      changed: changed(module.frames, before.get(module.module)?.changed ?? 0, module.changed),
    })),
  };
}

async function main(): Promise<void> {
  process.title = 'hearth-symbols';
  const [startedMs, cacheDirectory] = [Number(process.argv[2]), process.argv[3]];
  const profile = await readProfile(process.stdin);
  const { header } = profile;
  const builder = new ProfileBuilder(profile);
  const service = new SymbolService({ cacheDirectory });
  const name = (): SymbolizingReport =>
    nameSession(builder, service, {
      startedMs,
      onProgress: (done, modules, module) => tell({ kind: 'progress', done, modules, module }),
    });
  let report = name();
  if (service.isFetching) {
    await fetched(service, report.modules.length);
    report = inTwoSteps(report, name());
  }
  service.close();
  if (report.changed > 0 && header !== undefined) {
    // It adds no time: what it holds belongs to the whole session.
    const chunk = builder.cutChunk({ ...header, startNs: header.endNs, amends: true }, []);
    writeAll(RESULT_FD, encodeChunk(chunk));
  }
  tell({ kind: 'report', report });
}

main().catch((error: unknown) => {
  tell({ kind: 'error', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
});
