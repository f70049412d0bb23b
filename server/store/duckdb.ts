/**
 * Sessions in DuckDB: one file, `hearth.duckdb`, in the data directory, open in one process at a time.
 *
 *   sessions  one row each; duration, samples and bytes are filled in when the recording ends
 *   slices    what was appended at a time, about a second of a recording
 *   pieces    a slice's chunks, deflated, cut into pieces (see duckdb-file.ts for why)
 *
 * The summaries of all sessions are kept in memory too: lists are shown often, and are small.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import type { SessionSummary } from '@/profile/session';
import { makeDataDirectory } from './data-directory';
import { DuckDbFile } from './duckdb-file';
import { StoreCorruptError, StoreError } from './errors';
import { readSummaries } from './session-rows';
import { type NewSession, SessionNotFoundError, type Store, type StoredSlice } from './store';

const FILE_NAME = 'hearth.duckdb';
const FORMAT_VERSION = 1;
/** DuckDB keeps values of up to 4,096 bytes in its own pages; longer ones go to separate blocks. */
const PIECE_BYTES = 4000;
/** About what one read takes into memory. */
const PAGE_BYTES = 2 * 1024 * 1024;
/** The fastest: chunks shrink to about a half for little time. */
const DEFLATE_LEVEL = 1;

const TABLES = `
  CREATE TABLE IF NOT EXISTS format (version INTEGER);
  CREATE TABLE IF NOT EXISTS sessions (
    key INTEGER, id VARCHAR, name VARCHAR, state VARCHAR, started_ms DOUBLE, frequency_hz DOUBLE, host VARCHAR,
    duration_ms DOUBLE, samples DOUBLE, bytes DOUBLE
  );
  CREATE TABLE IF NOT EXISTS slices (
    session INTEGER, ordinal INTEGER, start_ns DOUBLE, end_ns DOUBLE, samples INTEGER, stored_bytes INTEGER
  );
  CREATE TABLE IF NOT EXISTS pieces (
    session INTEGER, ordinal INTEGER, piece INTEGER, content BLOB USING COMPRESSION uncompressed
  )`;

const deflate = promisify(deflateRaw) as (
  bytes: Uint8Array,
  options: { level: number },
) => Promise<Buffer>;
const inflate = promisify(inflateRaw) as (bytes: Uint8Array) => Promise<Buffer>;

interface Entry {
  /** Of the session's rows. */
  readonly key: number;
  summary: SessionSummary;
  nextOrdinal: number;
  /** Start of the first slice. */
  startNs: number | undefined;
  /** An append failed, and it is not known whether it became durable all the same. */
  uncertain: boolean;
}

/**
 * Opens the store in `directory`, which is made where it is missing. Sessions that a crash left recording become
 * `interrupted`. Throws StoreLockedError, StoreCorruptError, StoreFullError, or StoreError.
 */
export async function openStore(directory: string): Promise<Store> {
  try {
    makeDataDirectory(directory);
  } catch (cause) {
    throw new StoreError((cause as Error).message, { cause });
  }
  const file = await DuckDbFile.open(join(directory, FILE_NAME), async (connection) => {
    await connection.run(TABLES);
    await connection.run('INSERT INTO format SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM format)', [
      FORMAT_VERSION,
    ]);
  });
  try {
    const entries = await file.transaction((connection) => load(file.path, connection));
    return new DuckDbStore(file, entries);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function load(path: string, connection: DuckDBConnection): Promise<Entry[]> {
  const version = (await connection.runAndReadAll('SELECT version FROM format')).getRows()[0][0];
  if (version !== FORMAT_VERSION) {
    throw new StoreCorruptError(
      `${path} has format ${version}, and this Hearth reads format ${FORMAT_VERSION}: start the Hearth that wrote it. ` +
        'Nothing was changed.',
    );
  }
  await connection.run(`
    UPDATE sessions SET state = 'interrupted', duration_ms = 0, samples = 0, bytes = 0 WHERE state = 'recording'`);
  await connection.run(`
    UPDATE sessions
    SET duration_ms = stored.duration_ms, samples = stored.samples, bytes = stored.bytes
    FROM (
      SELECT session, (max(end_ns) - min(start_ns)) / 1e6 AS duration_ms, sum(samples)::DOUBLE AS samples,
        sum(stored_bytes)::DOUBLE AS bytes
      FROM slices GROUP BY session
    ) AS stored
    WHERE stored.session = sessions.key AND sessions.state = 'interrupted' AND sessions.samples = 0`);
  return (await readSummaries(connection)).map(({ key, summary }) => ({
    key,
    summary,
    nextOrdinal: 0,
    startNs: undefined,
    uncertain: false,
  }));
}

class DuckDbStore implements Store {
  readonly #file: DuckDbFile;
  readonly #entries = new Map<string, Entry>();
  #nextKey = 0;

  constructor(file: DuckDbFile, entries: readonly Entry[]) {
    this.#file = file;
    for (const entry of entries) {
      this.#entries.set(entry.summary.id, entry);
      this.#nextKey = Math.max(this.#nextKey, entry.key + 1);
    }
  }

  async create(session: NewSession): Promise<SessionSummary> {
    const key = this.#nextKey++;
    const summary: SessionSummary = {
      id: randomBytes(8).toString('hex'),
      name: session.name,
      state: 'recording',
      startedMs: session.startedMs,
      durationMs: 0,
      samples: 0,
      bytes: 0,
      frequencyHz: session.frequencyHz,
      host: session.host,
    };
    await this.#file.transaction((connection) =>
      connection.run(
        `INSERT INTO sessions VALUES
          ($1::INTEGER, $2, $3, 'recording', $4::DOUBLE, $5::DOUBLE, $6, 0, 0, 0)`,
        [
          key,
          summary.id,
          summary.name,
          summary.startedMs,
          summary.frequencyHz,
          JSON.stringify(summary.host),
        ],
      ),
    );
    const entry = { key, summary, nextOrdinal: 0, startNs: undefined, uncertain: false };
    this.#entries.set(summary.id, entry);
    return summary;
  }

  async append(id: string, slice: StoredSlice): Promise<void> {
    const entry = this.#recording(id);
    const content = await deflate(slice.chunks, { level: DEFLATE_LEVEL });
    const { key, nextOrdinal: ordinal } = entry;
    try {
      await this.#file.transaction(async (connection) => {
        if (entry.uncertain) await deleteSlices(connection, key, ordinal);
        await appendSlice(connection, key, ordinal, content, slice);
      });
    } catch (error) {
      entry.uncertain = true;
      throw error;
    }
    entry.uncertain = false;
    entry.nextOrdinal = ordinal + 1;
    entry.startNs ??= slice.startNs;
    entry.summary = {
      ...entry.summary,
      durationMs: (slice.endNs - entry.startNs) / 1e6,
      samples: entry.summary.samples + slice.samples,
      bytes: entry.summary.bytes + content.length,
    };
    // The slice is durable in the log. A checkpoint that fails leaves the log; an append that fails too will say so.
    this.#file.checkpoint('due').catch(() => {});
  }

  async amend(id: string, chunk: Uint8Array, expected: number): Promise<SessionSummary> {
    const entry = this.#entry(id);
    if (entry.summary.state === 'recording') {
      throw new StoreError(
        `session ${id} is being recorded: it can be changed when that has ended`,
      );
    }
    const content = await deflate(chunk, { level: DEFLATE_LEVEL });
    const { key } = entry;
    await this.#file.transaction(async (connection) => {
      const stored = await connection.runAndReadAll(
        `SELECT count(*)::INTEGER, coalesce(max(ordinal), -1), coalesce(max(end_ns), 0) FROM slices
        WHERE session = $1::INTEGER`,
        [key],
      );
      const [slices, lastOrdinal, endNs] = stored.getRows()[0].map(Number);
      if (slices !== expected) {
        throw new StoreError(`session ${id} has changed meanwhile: try again`);
      }
      await appendSlice(connection, key, lastOrdinal + 1, content, {
        startNs: endNs,
        endNs,
        samples: 0,
      });
      await connection.run(
        'UPDATE sessions SET bytes = bytes + $2::DOUBLE WHERE key = $1::INTEGER',
        [key, content.length],
      );
    });
    // After the transaction: another change may have come between.
    entry.summary = { ...entry.summary, bytes: entry.summary.bytes + content.length };
    this.#file.checkpoint('due').catch(() => {});
    return entry.summary;
  }

  async complete(id: string): Promise<SessionSummary> {
    const entry = this.#recording(id);
    const summary: SessionSummary = { ...entry.summary, state: 'complete' };
    await this.#file.transaction((connection) =>
      connection.run(
        `UPDATE sessions SET state = 'complete', duration_ms = $2::DOUBLE, samples = $3::DOUBLE, bytes = $4::DOUBLE
        WHERE key = $1::INTEGER`,
        [entry.key, summary.durationMs, summary.samples, summary.bytes],
      ),
    );
    entry.summary = summary;
    return summary;
  }

  async list(): Promise<readonly SessionSummary[]> {
    return [...this.#entries.values()]
      .map(({ summary }) => summary)
      .sort((a, b) => b.startedMs - a.startedMs);
  }

  async get(id: string): Promise<SessionSummary> {
    return this.#entry(id).summary;
  }

  async rename(id: string, name: string): Promise<SessionSummary> {
    const entry = this.#entry(id);
    await this.#file.transaction((connection) =>
      connection.run('UPDATE sessions SET name = $2 WHERE key = $1::INTEGER', [entry.key, name]),
    );
    entry.summary = { ...entry.summary, name };
    return entry.summary;
  }

  /** The space in the file is free for other sessions afterwards; the file itself shrinks only where its end is free. */
  async delete(id: string): Promise<void> {
    const entry = this.#entry(id);
    await this.#file.transaction(async (connection) => {
      await deleteSlices(connection, entry.key, 0);
      await connection.run('DELETE FROM sessions WHERE key = $1::INTEGER', [entry.key]);
    });
    this.#entries.delete(id);
    // Deleted for good already; without the checkpoint the space comes free with the next one.
    await this.#file.checkpoint('now').catch(() => {});
  }

  async *slices(id: string): AsyncGenerator<StoredSlice> {
    const { key } = this.#entry(id);
    const index = await this.#file.run(async (connection) =>
      (
        await connection.runAndReadAll(
          `SELECT ordinal, start_ns, end_ns, samples, stored_bytes FROM slices
          WHERE session = $1::INTEGER ORDER BY ordinal`,
          [key],
        )
      ).getRows(),
    );
    for (let first = 0; first < index.length; ) {
      let end = first;
      let bytes = 0;
      while (end < index.length && (end === first || bytes < PAGE_BYTES)) {
        bytes += Number(index[end++][4]);
      }
      const page = index.slice(first, end);
      const contents = await this.#contents(key, Number(page[0][0]), Number(page.at(-1)?.[0]));
      for (const [ordinal, startNs, endNs, samples] of page) {
        const pieces = contents.get(Number(ordinal));
        if (pieces === undefined) throw new SessionNotFoundError('the session was just deleted');
        yield {
          chunks: await inflate(Buffer.concat(pieces)),
          startNs: Number(startNs),
          endNs: Number(endNs),
          samples: Number(samples),
        };
      }
      first = end;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Pieces by slice, in order. */
  async #contents(key: number, first: number, last: number): Promise<Map<number, Uint8Array[]>> {
    const rows = await this.#file.run(async (connection) =>
      (
        await connection.runAndReadAll(
          `SELECT ordinal, content FROM pieces
          WHERE session = $1::INTEGER AND ordinal BETWEEN $2::INTEGER AND $3::INTEGER ORDER BY ordinal, piece`,
          [key, first, last],
        )
      ).getRows(),
    );
    const contents = new Map<number, Uint8Array[]>();
    for (const [ordinal, content] of rows) {
      const pieces = contents.get(Number(ordinal));
      const { bytes } = content as { bytes: Uint8Array };
      if (pieces === undefined) contents.set(Number(ordinal), [bytes]);
      else pieces.push(bytes);
    }
    return contents;
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new SessionNotFoundError(`there is no session ${id}`);
    return entry;
  }

  #recording(id: string): Entry {
    const entry = this.#entry(id);
    if (entry.summary.state !== 'recording')
      throw new StoreError(`session ${id} is ${entry.summary.state}: nothing can be added to it`);
    return entry;
  }
}

/** Appends rows within the transaction; only COMMIT waits for the disk, and not in this thread. */
async function appendRows(
  connection: DuckDBConnection,
  table: string,
  write: (row: DuckDBAppender) => void,
): Promise<void> {
  const appender = await connection.createAppender(table, 'main', 'hearth');
  try {
    write(appender);
    appender.flushSync();
  } catch (error) {
    appender.clear();
    throw error;
  } finally {
    appender.closeSync();
  }
}

/** Writes one slice's rows within the transaction; `content` are its chunks, deflated. */
async function appendSlice(
  connection: DuckDBConnection,
  key: number,
  ordinal: number,
  content: Uint8Array,
  { startNs, endNs, samples }: Omit<StoredSlice, 'chunks'>,
): Promise<void> {
  await appendRows(connection, 'slices', (row) => {
    row.appendInteger(key);
    row.appendInteger(ordinal);
    row.appendDouble(startNs);
    row.appendDouble(endNs);
    row.appendInteger(samples);
    row.appendInteger(content.length);
    row.endRow();
  });
  await appendRows(connection, 'pieces', (row) => {
    for (let at = 0, piece = 0; at < content.length; at += PIECE_BYTES, piece++) {
      row.appendInteger(key);
      row.appendInteger(ordinal);
      row.appendInteger(piece);
      row.appendBlob(content.subarray(at, at + PIECE_BYTES));
      row.endRow();
    }
  });
}

async function deleteSlices(
  connection: DuckDBConnection,
  key: number,
  firstOrdinal: number,
): Promise<void> {
  for (const table of ['slices', 'pieces']) {
    await connection.run(
      `DELETE FROM ${table} WHERE session = $1::INTEGER AND ordinal >= $2::INTEGER`,
      [key, firstOrdinal],
    );
  }
}
