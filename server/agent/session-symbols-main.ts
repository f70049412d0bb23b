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
import { ProfileBuilder } from '@/profile/builder';
import { applyChunk, chunkByteLength, decodeChunk, encodeChunk } from '@/profile/chunk';
import { Profile } from '@/profile/profile';
import { EVENT_TABLES } from '@/profile/schema';
import type { SymbolizingMessage } from '@/profile/symbolizing';
import { nameSession } from './session-symbols';
import { SymbolService } from './symbols/symbol-service';

const MESSAGES_FD = 3;
const RESULT_FD = 1;

function tell(message: SymbolizingMessage): void {
  writeAll(MESSAGES_FD, Buffer.from(`${JSON.stringify(message)}\n`));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** The profile of all chunks, without samples. */
async function readProfile(input: AsyncIterable<Buffer>): Promise<Profile> {
  const profile = new Profile();
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
      applyChunk(profile, decodeChunk(bytes.subarray(0, wanted)));
      for (const name of EVENT_TABLES) profile[name].clear();
      pieces = [bytes.subarray(wanted)];
      length -= wanted;
    }
  }
  if (length > 0) throw new Error('the session ends within a chunk');
  return profile;
}

async function main(): Promise<void> {
  const [startedMs, cacheDirectory] = [Number(process.argv[2]), process.argv[3]];
  const profile = await readProfile(process.stdin);
  const { header } = profile;
  const builder = new ProfileBuilder(profile);
  const service = new SymbolService({ cacheDirectory });
  const report = nameSession(builder, service, {
    startedMs,
    onProgress: (done, modules, module) => tell({ kind: 'progress', done, modules, module }),
  });
  service.close();
  if (report.changed > 0 && header !== undefined) {
    // It adds no time: what it holds belongs to the whole session.
    const chunk = builder.cutChunk({ ...header, startNs: header.endNs }, []);
    writeAll(RESULT_FD, encodeChunk(chunk));
  }
  tell({ kind: 'report', report });
}

main().catch((error: unknown) => {
  tell({ kind: 'error', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
});
