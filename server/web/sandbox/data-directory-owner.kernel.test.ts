/** Needs root: only root can give files away. */
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectoryError, giveDataDirectory } from './data-directory-owner';

const NOBODY = { become: { uid: 65534, gid: 65534, name: 'nobody' }, notes: [] };
const ROOT_USER = { become: undefined, notes: [] };

describe('giving the data directory away', () => {
  let directory: string;
  let web: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-owner-'));
    web = join(directory, 'web');
    mkdirSync(web, { mode: 0o700 });
    mkdirSync(join(directory, 'agent'), { mode: 0o700 });
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const ownerOf = (path: string): number => lstatSync(path).uid;

  it('gives the web part and its files, lets the user pass, and keeps the rest', () => {
    writeFileSync(join(web, 'hearth.duckdb'), '');
    giveDataDirectory(directory, web, NOBODY);
    expect(ownerOf(web)).toBe(65534);
    expect(ownerOf(join(web, 'hearth.duckdb'))).toBe(65534);
    expect(statSync(directory)).toMatchObject({ uid: 0 });
    expect(statSync(directory).mode & 0o777).toBe(0o711);
    expect(ownerOf(join(directory, 'agent'))).toBe(0);
  });

  it('takes it back where the web process stays root', () => {
    writeFileSync(join(web, 'token'), '');
    giveDataDirectory(directory, web, NOBODY);
    giveDataDirectory(directory, web, ROOT_USER);
    expect(ownerOf(web)).toBe(0);
    expect(ownerOf(join(web, 'token'))).toBe(0);
  });

  it('follows no links, and gives away no file that has another name elsewhere', () => {
    const secret = join(directory, 'secret');
    writeFileSync(secret, '');
    symlinkSync(secret, join(web, 'token'));
    linkSync(secret, join(web, 'hearth.duckdb'));
    chmodSync(directory, 0o711);
    giveDataDirectory(directory, web, NOBODY);
    expect(ownerOf(secret)).toBe(0);
    expect(ownerOf(join(web, 'token'))).toBe(0);
  });

  it('refuses a web part that is a link', () => {
    const elsewhere = join(directory, 'elsewhere');
    mkdirSync(elsewhere);
    rmSync(web, { recursive: true });
    symlinkSync(elsewhere, web);
    chmodSync(directory, 0o711);
    expect(() => giveDataDirectory(directory, web, NOBODY)).toThrow(DataDirectoryError);
    expect(ownerOf(elsewhere)).toBe(0);
  });

  it("refuses a web part that is somebody else's, and holds what is not Hearth's", () => {
    writeFileSync(join(web, 'index.html'), '');
    expect(() => giveDataDirectory(directory, web, NOBODY)).toThrow(/index\.html/);
    expect(ownerOf(web)).toBe(0);
  });

  it('does not open a directory that holds other things than its own', () => {
    writeFileSync(join(directory, 'private'), '');
    expect(() => giveDataDirectory(directory, web, NOBODY)).toThrow(/can't be passed through/);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    // Nothing to open: it is the user's own, or passable already.
    chownSync(directory, 65534, 65534);
    giveDataDirectory(directory, web, NOBODY);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });
});
