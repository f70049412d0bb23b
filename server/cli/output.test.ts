import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutputError, openOutput } from './output';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-output-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('an output file', () => {
  it('appears under its name when it is whole, and not before', () => {
    const path = join(directory, 'profile.txt');
    const output = openOutput(path, false);
    expect(readdirSync(directory)).not.toContain('profile.txt');
    output.finish(['a;b', new TextEncoder().encode(' 1\n')]);
    expect(readFileSync(path, 'utf8')).toBe('a;b 1\n');
    output.discard();
    expect(readdirSync(directory)).toEqual(['profile.txt']);
  });

  it('leaves nothing behind when it is discarded, and the old file as it was', () => {
    const path = join(directory, 'profile.txt');
    writeFileSync(path, 'old');
    openOutput(path, false).discard();
    expect(readdirSync(directory)).toEqual(['profile.txt']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('replaces what a symbolic link points to, and not the link', () => {
    const target = join(directory, 'target.txt');
    const link = join(directory, 'link.txt');
    writeFileSync(target, 'old');
    symlinkSync(target, link);
    openOutput(link, false).finish(['new']);
    expect(readFileSync(target, 'utf8')).toBe('new');
    expect(readdirSync(directory).sort()).toEqual(['link.txt', 'target.txt']);
    openOutput(link, false).finish(['newer']);
    expect(readFileSync(target, 'utf8')).toBe('newer');
  });

  it('may be a device', () => {
    openOutput('/dev/null', true).finish(['x']);
  });

  it('is refused at once in a directory that is not there', () => {
    const path = join(directory, 'no', 'profile.txt');
    expect(() => openOutput(path, false)).toThrow(
      new OutputError(`cannot write ${path}: its directory does not exist`),
    );
  });

  it('is refused at once where a directory has its name', () => {
    mkdirSync(join(directory, 'profile.txt'));
    expect(() => openOutput(join(directory, 'profile.txt'), false)).toThrow(OutputError);
  });

  it('is refused at once where it may not be written, by root neither', () => {
    expect(() => openOutput('/sys/kernel/profile.txt', false)).toThrow(/permission denied/);
  });
});
