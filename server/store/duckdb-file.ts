/**
 * One DuckDB database file: opening it, running one piece of work after another on it, and opening it again after a
 * failure that DuckDB does not survive.
 *
 * What the settings are for, measured with slices of 20 KB to 16 MB:
 * - DuckDB checkpoints a row group in memory as a whole. Blobs are therefore cut into pieces that it keeps inline (below
 *   4,096 bytes), and the smallest row groups are used (2,048 rows): 8 MB at a time, whatever a session's size. With
 *   whole slices as blobs, a checkpoint needs the row group's hundreds of megabytes. 32 MB do, then, of which a third
 *   is used most of the time.
 * - The file is attached to an in-memory database, for only ATTACH takes the row group's size.
 * - Checkpoints are made by `checkpoint`, not by DuckDB within a commit: one that fails for want of space would look
 *   like a failed commit, though the commit is durable.
 */
import { existsSync, statSync } from 'node:fs';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { StoreError, storeError } from './errors';

const SETTINGS = {
  threads: '1',
  memory_limit: '32MB',
  checkpoint_threshold: '1TB',
  // No spilling: nothing here sorts or joins more than fits, and no files appear where nobody expects them.
  temp_directory: '',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
} as const;
const ROW_GROUP_ROWS = 2048;
/** Beyond this size the write-ahead log goes into the database file. */
const CHECKPOINT_WAL_BYTES = 8 * 1024 * 1024;

interface OpenDatabase {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
}

export class DuckDbFile {
  readonly path: string;
  #open: OpenDatabase | undefined;
  #closed = false;
  /** The work that was asked for last; the next waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens or makes the file, and lets `prepare` make its tables. Throws StoreError of the fitting kind. */
  static async open(
    path: string,
    prepare: (connection: DuckDBConnection) => Promise<void>,
  ): Promise<DuckDbFile> {
    const file = new DuckDbFile(path);
    await file.run(prepare);
    return file;
  }

  /**
   * Runs `work` when all work before it has ended. After a failure the connection is thrown away, so that work always
   * starts on a sound one, outside of transactions. Throws StoreError.
   */
  run<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#closed) throw new StoreError(`${this.path} is closed`);
      try {
        this.#open ??= await attach(this.path);
        return await work(this.#open.connection);
      } catch (error) {
        this.#discard();
        throw storeError(this.path, error);
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** Runs `work` in a transaction: durable when the promise resolves, undone when it rejects. */
  transaction<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return this.run(async (connection) => {
      await connection.run('BEGIN');
      const result = await work(connection);
      await connection.run('COMMIT');
      return result;
    });
  }

  /**
   * Moves the write-ahead log into the database file where it has grown large, or in any case. A checkpoint that fails
   * takes nothing away: the log stays as it is, and holds everything.
   */
  checkpoint(when: 'due' | 'now'): Promise<void> {
    return this.run(async (connection) => {
      if (when === 'due' && this.#walBytes() < CHECKPOINT_WAL_BYTES) return;
      await connection.run('CHECKPOINT');
    });
  }

  /** Waits for work under way. The log stays where a last checkpoint fails. */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#open !== undefined) await this.checkpoint('now').catch(() => {});
    await this.#last;
    this.#closed = true;
    this.#discard();
  }

  #walBytes(): number {
    const wal = `${this.path}.wal`;
    return existsSync(wal) ? statSync(wal).size : 0;
  }

  #discard(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.connection.closeSync();
    open?.instance.closeSync();
  }
}

async function attach(path: string): Promise<OpenDatabase> {
  const instance = await DuckDBInstance.create(':memory:', SETTINGS);
  let connection: DuckDBConnection | undefined;
  try {
    connection = await instance.connect();
    const literal = `'${path.replaceAll("'", "''")}'`;
    await connection.run(`ATTACH ${literal} AS hearth (ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`);
    await connection.run('USE hearth');
    return { instance, connection };
  } catch (error) {
    connection?.closeSync();
    instance.closeSync();
    throw error;
  }
}
