import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TableCache } from './cache';
import type { UnwindTable } from './format';
import { tableOfRows } from './table-for-tests';

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'hearth-unwind-'));
  folder = join(parent, 'unwind');
});
afterEach(() => rmSync(parent, { recursive: true }));

const idOf = (number: number): string => number.toString(16).padStart(40, '0');

function tableOf(number: number, rows = 100): UnwindTable {
  const placed = Array.from({ length: rows }, (_, i) => ({
    address: 0x1000 + i * 4,
    cfaOffset: number + (i % 2),
  }));
  return tableOfRows(placed, 0x1000 + rows * 4, idOf(number));
}

const onlyFile = (): string => join(folder, readdirSync(folder)[0]);

describe('the cache of tables', () => {
  it('keeps a table for the next start', () => {
    const table = tableOf(1);
    const cache = new TableCache(folder);
    expect(cache.get(idOf(1), 5000)).toBeUndefined();
    cache.put(5000, table);
    cache.close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);

    const next = new TableCache(folder);
    expect(next.bytes).toBe(statSync(onlyFile()).size);
    expect(next.get(idOf(1), 5000)).toEqual(table);
    // The same build ID, but not the same file.
    expect(next.get(idOf(1), 5001)).toBeUndefined();
    expect(next.get(idOf(2), 5000)).toBeUndefined();
    expect(next.problem).toBeUndefined();
    next.close();
    expect(next.get(idOf(1), 5000)).toBeUndefined();
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, 100)],
    ['empty', (path: string) => truncateSync(path, 0)],
    ['overwritten', (path: string) => writeFileSync(path, 'x'.repeat(600))],
  ])('forgets a file that was %s', (_, damage) => {
    const cache = new TableCache(folder);
    cache.put(5000, tableOf(1));
    damage(onlyFile());
    expect(cache.get(idOf(1), 5000)).toBeUndefined();
    expect(cache.problem).toMatch(/not a table file/);
    expect(readdirSync(folder)).toEqual([]);
    cache.put(5000, tableOf(1));
    expect(cache.get(idOf(1), 5000)).toEqual(tableOf(1));
  });

  it('stays within its bytes: what was used longest ago goes first', () => {
    const probe = new TableCache(folder);
    probe.put(1, tableOf(0));
    const fileBytes = probe.bytes;
    const cache = new TableCache(folder, fileBytes * 8);
    for (let number = 0; number < 8; number++) {
      cache.put(1, tableOf(number));
      const atS = 1_000_000 + number;
      utimesSync(join(folder, `${idOf(number)}-1.unwind`), atS, atS);
    }
    expect(cache.get(idOf(0), 1)).toBeDefined();
    cache.put(1, tableOf(8));
    expect(cache.bytes).toBeLessThanOrEqual(fileBytes * 8);
    const kept = [...Array(9).keys()].filter((number) => cache.get(idOf(number), 1) !== undefined);
    expect(kept).toEqual([0, 3, 4, 5, 6, 7, 8]);
    // One that would take a quarter of it is not kept at all.
    cache.put(1, tableOf(9, 5000));
    expect(cache.get(idOf(9), 1)).toBeUndefined();
    // A smaller bound holds from the start on.
    expect(new TableCache(folder, fileBytes * 4).bytes).toBeLessThanOrEqual(fileBytes * 4);
  });

  it('removes what a killed process left behind, and touches no other files', () => {
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, '.123-4.tmp'), 'x');
    writeFileSync(join(folder, 'notes.txt'), 'x');
    new TableCache(folder, 0).close();
    expect(readdirSync(folder)).toEqual(['notes.txt']);
  });

  it('works without a folder that is safe to use, and says why', () => {
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const shared = new TableCache(folder);
    expect(shared.problem).toMatch(/writable by nobody else/);
    shared.put(1, tableOf(1));
    expect(shared.get(idOf(1), 1)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    const link = join(parent, 'link');
    symlinkSync(folder, link);
    expect(new TableCache(link).problem).toBeDefined();
    writeFileSync(join(parent, 'file'), '');
    expect(new TableCache(join(parent, 'file')).problem).toBeDefined();
  });

  it('follows no link in the folder', () => {
    const cache = new TableCache(folder);
    const target = join(parent, 'target');
    writeFileSync(target, 'x');
    symlinkSync(target, join(folder, `${idOf(1)}-1.unwind`));
    expect(cache.get(idOf(1), 1)).toBeUndefined();
    cache.put(1, tableOf(1));
    expect(statSync(target).size).toBe(1);
    expect(cache.get(idOf(1), 1)).toEqual(tableOf(1));
  });
});
