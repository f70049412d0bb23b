/** Reads whole profiles: a session from the server, a file from the disk. */
import { CollapsedParser } from '@/profile/formats/collapsed';
import type { Profile } from '@/profile/profile';
import { ChunkSplitter } from './chunk-splitter';

/** As much of a file is read at once. */
const PIECE_BYTES = 64 * 1024;

export type Progress = (loadedBytes: number, totalBytes: number | undefined) => void;

/** The profile can't be loaded; the message says why and what to do. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/**
 * Fetches a session's chunks and hands over each as soon as it is whole; its bytes are valid during that call only.
 * Throws LoadError, ChunkFormatError.
 */
export async function loadSession(
  url: string,
  take: (chunk: Uint8Array) => void,
  progress: Progress,
): Promise<void> {
  const response = await fetch(url, { credentials: 'same-origin' }).catch(() => {
    throw new LoadError('Hearth does not answer. Is it still running?');
  });
  if (response.status === 401 || response.status === 403)
    throw new LoadError('No access: open the link that `hearth serve` has printed.');
  if (response.status === 404)
    throw new LoadError('There is no such session. It may have been deleted.');
  if (!response.ok || response.body === null)
    throw new LoadError(`The session could not be read (HTTP ${response.status}).`);
  const total = Number(response.headers.get('X-Hearth-Bytes')) || undefined;
  const splitter = new ChunkSplitter();
  const reader = response.body.getReader();
  let loaded = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new LoadError(
        'The connection broke off while the session was being read. Load it again.',
      );
    });
    if (done) break;
    loaded += value.length;
    splitter.push(value, take);
    progress(loaded, total);
  }
  if (splitter.rest > 0) throw new LoadError('The session ends in the middle. Load it again.');
}

/** Reads a file of collapsed stacks. Throws LoadError, CollapsedFormatError. */
export async function loadFile(file: File, progress: Progress): Promise<Profile> {
  const parser = new CollapsedParser();
  const read = pieceReader(file);
  let loaded = 0;
  for (;;) {
    const piece = await read().catch((error: unknown) => {
      const why = error instanceof Error ? ` (${error.message})` : '';
      throw new LoadError(
        `The file could not be read: it may have changed or gone since it was chosen${why}.`,
      );
    });
    if (piece === undefined) break;
    parser.push(piece);
    loaded += piece.length;
    progress(loaded, file.size);
  }
  return parser.end().profile;
}

/** Gives a file's next bytes with each call, valid until the next one; undefined at its end. */
function pieceReader(file: File): () => Promise<Uint8Array | undefined> {
  const stream = file.stream();
  let buffer = new Uint8Array(PIECE_BYTES);
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    // Safari: each piece has memory of its own, and the whole file is there until it is collected.
    const plain = stream.getReader();
    return async () => (await plain.read()).value;
  }
  return async () => {
    const { done, value } = await reader.read(buffer);
    if (done) return undefined;
    buffer = new Uint8Array(value.buffer);
    return value;
  };
}
