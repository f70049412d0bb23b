import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataDirectoryError, dataDirectory, makeDataDirectory } from './data-directory';

const choose = (environment: Record<string, string>, isRoot: boolean, asked?: string): string =>
  dataDirectory({ asked, environment, isRoot });

describe('the data directory', () => {
  it('is what the command line says, before the environment', () => {
    expect(choose({ HEARTH_DATA_DIR: '/b' }, true, '/a')).toBe('/a');
  });

  it('is $HEARTH_DATA_DIR for everybody', () => {
    expect(choose({ HEARTH_DATA_DIR: '/b' }, true)).toBe('/b');
    expect(choose({ HEARTH_DATA_DIR: '/b', XDG_DATA_HOME: '/x' }, false)).toBe('/b');
  });

  it('is /var/lib/hearth for root', () => {
    expect(choose({ XDG_DATA_HOME: '/x', HOME: '/root' }, true)).toBe('/var/lib/hearth');
  });

  it("is the XDG one for others, whose relative paths don't count", () => {
    expect(choose({ XDG_DATA_HOME: '/x', HOME: '/home/a' }, false)).toBe('/x/hearth');
    expect(choose({ XDG_DATA_HOME: 'x', HOME: '/home/a' }, false)).toBe(
      '/home/a/.local/share/hearth',
    );
    expect(choose({ HOME: '/home/a' }, false)).toBe('/home/a/.local/share/hearth');
  });

  it('is made absolute', () => {
    expect(choose({}, true, 'data')).toBe(join(process.cwd(), 'data'));
  });

  it('is made for its owner alone, and where it can not be says so', () => {
    const parent = mkdtempSync(join(tmpdir(), 'hearth-data-directory-'));
    try {
      makeDataDirectory(join(parent, 'a/b'));
      expect(statSync(join(parent, 'a/b')).mode & 0o777).toBe(0o700);
      makeDataDirectory(join(parent, 'a/b'));
      writeFileSync(join(parent, 'file'), '');
      for (const path of ['file', 'file/a'])
        expect(() => makeDataDirectory(join(parent, path))).toThrow(DataDirectoryError);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
});
