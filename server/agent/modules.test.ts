import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keptOpen, Modules } from './modules';

let directory: string;
let modules: Modules;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-modules-'));
  modules = new Modules();
});
afterEach(() => {
  modules.dispose();
  rmSync(directory, { recursive: true });
});

function mapped(name: string) {
  const path = join(directory, name);
  writeFileSync(path, name);
  return { pid: process.pid, parentPid: 0, start: 0x1000, end: 0x2000, path, buildId: '' };
}

it('closes files that nothing maps any more, the second time that it looks', () => {
  const [used, unused] = [modules.of(mapped('used')), modules.of(mapped('unused'))];
  expect(used.fd).toBeDefined();
  for (const stillOpen of [true, false]) {
    modules.forgetUnused(new Set([used]));
    expect(unused.fd !== undefined).toBe(stillOpen);
  }
  expect(readFileSync(used.fd as number, 'utf8')).toBe('used');
  expect(modules.of(mapped('used'))).toBe(used);
  expect(modules.of(mapped('unused')).fd).toBeDefined();
});

it('keeps a file open that is mapped again, or being read', async () => {
  const module = modules.of(mapped('file'));
  modules.forgetUnused(new Set());
  modules.forgetUnused(new Set([module]));
  modules.forgetUnused(new Set());
  expect(module.fd).toBeDefined();
  await keptOpen(module, async () => {
    modules.forgetUnused(new Set());
    modules.forgetUnused(new Set());
    expect(module.fd).toBeDefined();
  });
  modules.forgetUnused(new Set());
  modules.forgetUnused(new Set());
  expect(module.fd).toBeUndefined();
});
