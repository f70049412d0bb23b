/** Needs root, for a file system that is small enough to fill. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskCache } from './disk-cache';

const KEY = '0123456789abcdef';
const OTHER = 'fedcba9876543210';

describe('a cache on a full disk', () => {
  let disk: string;
  let cache: DiskCache;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'hearth-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    cache = new DiskCache(join(disk, 'cache'), { suffixes: ['.x'], maxBytes: 1 << 30 });
  });

  afterEach(() => {
    cache.close();
    execFileSync('umount', [disk]);
    rmdirSync(disk);
  });

  it('keeps what it has, says what is wrong, leaves nothing half-written, and goes on when there is room', () => {
    expect(cache.put(KEY, '.x', [Buffer.alloc(100_000, 1)])).toBe(true);
    const filler = join(disk, 'filler');
    writeFileSync(filler, Buffer.alloc(800_000));
    expect(cache.put(OTHER, '.x', [Buffer.alloc(400_000, 2)])).toBe(false);
    expect(cache.problem).toMatch(/ENOSPC/);
    const slowly = cache.create(OTHER, '.x');
    for (let i = 0; i < 100; i++) slowly?.write(Buffer.alloc(10_000, 2));
    expect(slowly?.commit()).toBe(false);
    expect(readdirSync(join(disk, 'cache'))).toEqual([`${KEY}.x`]);
    expect(cache.read(KEY, '.x')).toEqual(new Uint8Array(100_000).fill(1));
    expect(cache.read(OTHER, '.x')).toBeUndefined();

    rmSync(filler);
    expect(cache.put(OTHER, '.x', [Buffer.alloc(400_000, 2)])).toBe(true);
    expect(cache.read(OTHER, '.x')?.length).toBe(400_000);
    expect(cache.bytes).toBe(500_000);
  });
});
