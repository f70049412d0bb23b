import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '@/server/root';
import { openStore } from './duckdb';
import { StoreCorruptError, StoreLockedError } from './errors';
import { type NewSession, SessionNotFoundError, type Store, type StoredSlice } from './store';

const NEW: NewSession = {
  name: "it's “mine”",
  startedMs: 1_700_000_000_000.5,
  frequencyHz: 99,
  host: { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' },
};

const slice = (second: number, bytes = 20_000): StoredSlice => ({
  chunks: new Uint8Array(randomBytes(bytes)),
  startNs: second * 1e9,
  endNs: (second + 1) * 1e9,
  samples: 198,
});

async function read(store: Store, id: string): Promise<StoredSlice[]> {
  const slices: StoredSlice[] = [];
  for await (const stored of store.slices(id)) slices.push(stored);
  return slices;
}

describe('the store', () => {
  let directory: string;
  let stores: Store[];

  const open = async (): Promise<Store> => {
    const store = await openStore(directory);
    stores.push(store);
    return store;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-store-'));
    stores = [];
  });

  afterEach(async () => {
    for (const store of stores) await store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('gives back what was appended, in order, before and after it was opened again', async () => {
    const slices = [slice(0), slice(1, 0), slice(2, 3_000_000), slice(3, 1), slice(4, 4000)];
    let store = await open();
    const { id } = await store.create(NEW);
    for (const one of slices) await store.append(id, one);
    expect((await read(store, id)).map(plain)).toEqual(slices.map(plain));
    const completed = await store.complete(id);
    expect(completed).toMatchObject({
      ...NEW,
      id,
      state: 'complete',
      durationMs: 5000,
      samples: 5 * 198,
    });
    expect(completed.bytes).toBeGreaterThan(3_000_000);
    await store.close();

    store = await open();
    expect(await store.get(id)).toEqual(completed);
    expect((await read(store, id)).map(plain)).toEqual(slices.map(plain));
  });

  it('takes slices that are half as large as its memory', { timeout: 30_000 }, async () => {
    const store = await open();
    const { id } = await store.create(NEW);
    const slices = [0, 1, 2].map((second) => slice(second, 16_000_000));
    for (const one of slices) await store.append(id, one);
    let second = 0;
    for await (const { chunks } of store.slices(id)) {
      expect(Buffer.compare(chunks, slices[second++].chunks)).toBe(0);
    }
    expect(second).toBe(3);
    await store.delete(id);
  });

  it('adds to a session that has ended what continues it, and nothing else', async () => {
    let store = await open();
    const { id } = await store.create(NEW);
    const slices = [slice(3), slice(4)];
    for (const one of slices) await store.append(id, one);
    const late = slice(0, 5000).chunks;
    await expect(store.amend(id, late, 2)).rejects.toThrow(/is being recorded/);
    const completed = await store.complete(id);
    await expect(store.amend(id, late, 1)).rejects.toThrow(/has changed meanwhile/);
    expect(await store.get(id)).toEqual(completed);

    const amended = await store.amend(id, late, 2);
    expect(amended.bytes).toBeGreaterThan(completed.bytes);
    expect(amended).toEqual({ ...completed, bytes: amended.bytes });
    await store.close();
    store = await open();
    expect(await store.get(id)).toEqual(amended);
    const end = { chunks: late, startNs: 5e9, endNs: 5e9, samples: 0 };
    expect((await read(store, id)).map(plain)).toEqual([...slices, end].map(plain));
    await store.amend(id, late, 3);
    expect(await read(store, id)).toHaveLength(4);
    await expect(store.amend('nothing', late, 0)).rejects.toThrow(SessionNotFoundError);
  });

  it('lists the newest first, and keeps sessions apart', async () => {
    const store = await open();
    const older = await store.create({ ...NEW, startedMs: 1 });
    const newer = await store.create({ ...NEW, startedMs: 2 });
    await store.append(older.id, slice(7));
    await store.append(newer.id, slice(8));
    await store.append(older.id, slice(9));
    expect((await store.list()).map(({ id }) => id)).toEqual([newer.id, older.id]);
    expect((await read(store, older.id)).map(({ startNs }) => startNs)).toEqual([7e9, 9e9]);
    expect((await read(store, newer.id)).map(({ startNs }) => startNs)).toEqual([8e9]);
  });

  it('renames, and remembers it', async () => {
    let store = await open();
    const { id } = await store.create(NEW);
    expect((await store.rename(id, 'other; DROP TABLE sessions')).name).toBe(
      'other; DROP TABLE sessions',
    );
    await store.close();
    store = await open();
    expect((await store.get(id)).name).toBe('other; DROP TABLE sessions');
  });

  it('deletes, and uses the space again', async () => {
    const store = await open();
    const fill = async (): Promise<string> => {
      const { id } = await store.create(NEW);
      for (let second = 0; second < 12; second++) await store.append(id, slice(second, 1_000_000));
      await store.complete(id);
      return id;
    };
    const size = (): number =>
      readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    await store.delete(await fill());
    const once = size();
    for (let round = 0; round < 3; round++) await store.delete(await fill());
    expect(size()).toBeLessThan(once * 1.7);
    expect(await store.list()).toEqual([]);
  });

  it('says which session is not there', async () => {
    const store = await open();
    const { id } = await store.create(NEW);
    await store.delete(id);
    for (const attempt of [
      () => store.get(id),
      () => store.rename(id, 'x'),
      () => store.delete(id),
      () => store.append(id, slice(0)),
      () => store.complete(id),
      () => read(store, id),
    ]) {
      await expect(attempt()).rejects.toThrow(SessionNotFoundError);
    }
  });

  it('adds nothing to a session that has ended', async () => {
    const store = await open();
    const { id } = await store.create(NEW);
    await store.complete(id);
    await expect(store.append(id, slice(0))).rejects.toThrow(/complete/);
  });

  it('refuses a file that another process has open, and says which', async () => {
    await open();
    const child = await runInChild(
      directory,
      `openStore(directory).catch((error) => console.log(error.name, error.message));`,
    );
    const [text] = await once(child.stdout, 'data');
    expect(String(text)).toMatch(new RegExp(`^${StoreLockedError.name} .*\\(${process.pid}\\)`));
    if (child.exitCode === null) await once(child, 'exit');
  });

  it('keeps everything that was appended when it is killed, as an interrupted session', async () => {
    const child = await runInChild(
      directory,
      `const store = await openStore(directory);
       const { id } = await store.create(${JSON.stringify(NEW)});
       for (let second = 0; ; second++) {
         const chunks = new Uint8Array(20000).map((_, i) => (i * 7 + second) & 255);
         await store.append(id, { chunks, startNs: second * 1e9, endNs: (second + 1) * 1e9, samples: 3 });
         console.log(second);
       }`,
    );
    let acknowledged = -1;
    child.stdout.on('data', (text: Buffer) => {
      acknowledged = Number(text.toString().trim().split('\n').at(-1));
      if (acknowledged >= 150) child.kill('SIGKILL');
    });
    await once(child, 'close');
    expect(acknowledged).toBeGreaterThanOrEqual(150);

    const store = await open();
    const [session] = await store.list();
    expect(session).toMatchObject({ name: NEW.name, state: 'interrupted' });
    const slices = await read(store, session.id);
    // One more may have become durable just before the kill.
    expect([acknowledged + 1, acknowledged + 2]).toContain(slices.length);
    expect(session).toMatchObject({
      durationMs: slices.length * 1000,
      samples: slices.length * 3,
    });
    slices.forEach(({ chunks, startNs }, second) => {
      expect(startNs).toBe(second * 1e9);
      expect(chunks[1]).toBe((7 + second) & 255);
      expect(chunks.length).toBe(20_000);
    });
  });

  it.each([
    ['is no database', () => 'hello'],
    ['is cut short', (file: Buffer) => file.subarray(0, file.length - 100_000)],
    [
      'has a damaged header',
      (file: Buffer) => Buffer.concat([Buffer.alloc(4096), file.subarray(4096)]),
    ],
  ])('says what to do about a file that %s, and leaves it as it is', async (_, damage) => {
    const store = await open();
    const { id } = await store.create(NEW);
    for (let second = 0; second < 3; second++) await store.append(id, slice(second, 1_000_000));
    await store.close();
    const path = join(directory, 'hearth.duckdb');
    writeFileSync(path, damage(readFileSync(path)));
    const before = readFileSync(path);
    const failure = await openStore(directory).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreCorruptError);
    expect((failure as Error).message).toContain('Nothing was deleted');
    expect((failure as Error).message).toContain(path);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('makes its directory, and says why it can not', async () => {
    const nested = join(directory, 'a/b');
    const store = await openStore(nested);
    stores.push(store);
    expect(existsSync(join(nested, 'hearth.duckdb'))).toBe(true);
    writeFileSync(join(directory, 'file'), '');
    await expect(openStore(join(directory, 'file/x'))).rejects.toThrow(/can't be made/);
  });
});

const plain = ({ chunks, ...rest }: StoredSlice) => ({
  ...rest,
  chunks: Buffer.from(chunks).toString('base64'),
});

/** Runs `body` as a module of its own in another process, with `openStore` and `directory` at hand. */
async function runInChild(directory: string, body: string) {
  const script = join(directory, 'child.mjs');
  await build({
    stdin: {
      contents: `import { openStore } from '@/server/store/duckdb';
        const directory = ${JSON.stringify(directory)};\n${body}`,
      resolveDir: ROOT,
      loader: 'ts',
    },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { '@': ROOT },
    logLevel: 'silent',
  });
  // Run from the checkout, where node_modules is.
  return spawn(process.execPath, ['--input-type=module', '--eval', readFileSync(script, 'utf8')], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
