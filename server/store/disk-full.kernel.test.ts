/** Needs root, for a file system that is small enough to fill. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from './duckdb';
import { StoreFullError } from './errors';
import type { Store } from './store';

const HOST = { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' };

describe('a full disk', () => {
  let directory: string;
  let store: Store | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory]);
  });

  afterEach(async () => {
    await store?.close();
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  });

  it('is an error of its own; what was stored stays, and storing goes on when there is space', async () => {
    const filler = join(directory, 'filler');
    writeFileSync(filler, Buffer.alloc(8 * 1024 * 1024));
    store = await openStore(directory);
    const { id } = await store.create({ name: 'a', startedMs: 1, frequencyHz: 99, host: HOST });
    const append = (second: number): Promise<void> | undefined =>
      store?.append(id, {
        chunks: new Uint8Array(randomBytes(500_000)).fill(second, 0, 8),
        startNs: second * 1e9,
        endNs: (second + 1) * 1e9,
        samples: 1,
      });
    let stored = 0;
    const failure = await (async () => {
      for (; stored < 100; stored++) await append(stored);
    })().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreFullError);
    expect(stored).toBeGreaterThan(4);
    await expect(append(stored)).rejects.toThrow(StoreFullError);

    rmSync(filler);
    await append(stored);
    expect(await store.complete(id)).toMatchObject({ state: 'complete', samples: stored + 1 });
    await store.close();
    store = await openStore(directory);
    const seconds: number[] = [];
    for await (const { chunks, startNs } of store.slices(id)) {
      expect(chunks[0]).toBe(startNs / 1e9);
      seconds.push(startNs / 1e9);
    }
    expect(seconds).toEqual(Array.from({ length: stored + 1 }, (_, second) => second));
  });
});
