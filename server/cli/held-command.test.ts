import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandError, findProgram, HeldCommand } from './held-command';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-held-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('a held command', () => {
  it('does nothing until it is released, then runs as the process that was held', async () => {
    const out = join(directory, 'pid');
    const command = await HeldCommand.start(['sh', '-c', `echo $$ > ${out}; exit 7`], false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => readFileSync(out)).toThrow();
    command.release();
    expect(await command.ended).toEqual({ kind: 'exited', code: 7 });
    expect(readFileSync(out, 'utf8').trim()).toBe(String(command.pid));
    expect(command.running).toBe(false);
  });

  it('gets its arguments as they are, and none of Hearth’s file descriptors', async () => {
    const out = join(directory, 'arguments');
    const script = join(directory, 'print.sh');
    writeFileSync(
      script,
      '#!/bin/sh\nout=$1; shift\nprintf "<%s>" "$@" > "$out"\nls /proc/$$/fd >> "$out"\n',
      {
        mode: 0o755,
      },
    );
    const command = await HeldCommand.start([script, out, 'two words', '$HOME', '--', ''], false);
    command.release();
    await command.ended;
    const [args, ...fds] = readFileSync(out, 'utf8').trim().split('\n');
    expect(args).toBe('<two words><$HOME><--><>0');
    // The shell reads its script by 255 or 10.
    expect(fds.filter((fd) => Number(fd) > 2 && Number(fd) < 10)).toEqual([]);
  });

  it('can be ended before its release', async () => {
    const command = await HeldCommand.start(['true'], false);
    command.terminate();
    expect(await command.ended).toEqual({ kind: 'killed', signal: 'SIGTERM' });
  });

  it('that is no program is an error before anything starts', async () => {
    await expect(HeldCommand.start(['hearth-no-such-program'], false)).rejects.toThrow(
      new CommandError('cannot run hearth-no-such-program: no such program in PATH'),
    );
    await expect(HeldCommand.start([join(directory, 'gone')], false)).rejects.toThrow(
      /no such file/,
    );
  });
});

describe('a program', () => {
  it('is found as a shell finds it', () => {
    const program = join(directory, 'tool');
    writeFileSync(program, '', { mode: 0o755 });
    expect(findProgram('tool', `/nowhere:${directory}`)).toBe(program);
    expect(findProgram(program, '')).toBe(program);
  });

  it('must be a file that may be executed', () => {
    const text = join(directory, 'text');
    writeFileSync(text, '', { mode: 0o644 });
    expect(() => findProgram(text)).toThrow(/permission denied/);
    expect(() => findProgram(directory)).toThrow(/not a file/);
  });
});
