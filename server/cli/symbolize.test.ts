import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { symbolize } from './symbolize';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-symbolize-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('makes no data directory where there is none, and says how to name another', async () => {
  const dataDir = join(directory, 'none');
  await expect(symbolize({ session: 'slow', dataDir, json: false })).rejects.toThrow(
    /^No session is stored in .*none.*--data-dir/,
  );
  expect(existsSync(dataDir)).toBe(false);
});
