import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFiles } from './program-files';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-program-files-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function executable(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
}

/** The files of whose code a process of `cat` has something mapped. */
function filesOfCat(): Set<string> {
  const maps = execFileSync('cat', ['/proc/self/maps'], { encoding: 'utf8' });
  return new Set([...maps.matchAll(/^\S+ r-xp .* (\/.*)$/gm)].map(([, path]) => path));
}

describe('the files of a program', () => {
  it('are those that its process maps', async () => {
    const files = filesOfCat();
    // Itself, the loader, the C library.
    expect(files.size).toBeGreaterThanOrEqual(3);
    expect(new Set(await programFiles('cat'))).toEqual(files);
  });

  it('are those of the interpreter, for a script, whatever stands for it', async () => {
    const files = filesOfCat();
    const byPath = executable('by-path', `#!${execFileSync('which', ['cat'])}`);
    const nested = executable('nested', `#! ${byPath} argument\n`);
    for (const script of [byPath, nested])
      expect(new Set(await programFiles(script)), script).toEqual(files);
    const byName = executable('by-name', '#!/usr/bin/env cat\nbody\n');
    const env = realpathSync('/usr/bin/env');
    expect(new Set(await programFiles(byName))).toEqual(new Set([...files, env]));
  });

  it('are none of what is no program', async () => {
    const itself = join(directory, 'itself');
    executable('itself', `#!${itself}\n`);
    for (const path of [executable('text', 'echo\n'), executable('empty', ''), itself, '/nowhere'])
      expect(await programFiles(path), path).toEqual([]);
  });
});
