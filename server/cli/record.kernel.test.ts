import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { readStolenSeconds } from '@/server/agent/cost';
import { ROOT } from '@/server/root';

const HEARTH = join(ROOT, 'bin/hearth');

let directory: string;
let shares: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-record-'));
  shares = compileWorkload('shares');
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

function hearth(...args: string[]): Run {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(HEARTH, args, { encoding: 'utf8', timeout: 60_000 });
  return { status, stdout, stderr, seconds: (performance.now() - started) / 1000 };
}

interface Line {
  readonly frames: readonly string[];
  readonly weight: number;
}

function parseLines(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.lastIndexOf(' ');
      return { frames: line.slice(0, space).split(';'), weight: Number(line.slice(space + 1)) };
    });
}

const sum = (lines: readonly Line[]): number =>
  lines.reduce((total, line) => total + line.weight, 0);

/** What the workload says of itself. */
interface Truth {
  readonly cpuSeconds: number;
  readonly shares: Readonly<Record<string, number>>;
}

describe('hearth record', () => {
  it('profiles a command and nothing else, with shares and totals that are true', async () => {
    const other = spawn(compileWorkload('recursion'), ['5', '30'], { stdio: 'ignore' });
    const path = join(directory, 'out.txt');
    const hz = 999;
    const stolenBefore = readStolenSeconds();
    const run = hearth('record', '-F', String(hz), '-o', path, '--', shares, '3');
    other.kill('SIGKILL');
    expect(run.status, run.stderr).toBe(0);
    const truth: Truth = JSON.parse(run.stdout);
    const lines = parseLines(readFileSync(path, 'utf8'));
    expect(new Set(lines.map(({ frames }) => frames[0]))).toEqual(new Set(['shares']));
    const total = sum(lines);
    const atMost = truth.cpuSeconds + readStolenSeconds() - stolenBefore;
    expect(total).toBeGreaterThan(0.97 * hz * truth.cpuSeconds);
    expect(total).toBeLessThan(1.03 * hz * atMost);
    for (const [name, share] of Object.entries(truth.shares)) {
      const found = sum(lines.filter(({ frames }) => frames.includes(name))) / total;
      expect(Math.abs(found - share), `${name}: ${found}, truly ${share}`).toBeLessThan(
        4 * Math.sqrt((share * (1 - share)) / total),
      );
    }
  });

  it('writes the profile alone to the standard output, and tells the command’s exit code', () => {
    const script =
      'echo from the command; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 3';
    const run = hearth('record', '-F', '999', '--', 'sh', '-c', script);
    expect(run.status, run.stderr).toBe(0);
    expect(run.stdout).not.toContain('from the command');
    expect(parseLines(run.stdout).every(({ weight }) => weight > 0)).toBe(true);
    expect(run.stderr).toContain('from the command');
    expect(run.stderr).toContain('sh ended with exit code 3');
    expect(run.stderr).toMatch(/[\d,]+ samples, 0 lost, in \d+\.\d s at 999 Hz/);
  });

  it('has whole stacks of a program that never ran before from its first instruction on', () => {
    const path = join(directory, 'first.txt');
    const program = compileWorkload('shares', ['-O1', '-pthread']);
    // Its unwind table is not kept from an earlier run.
    const env = { ...process.env, HEARTH_DATA_DIR: join(directory, 'first') };
    const args = ['record', '-F', '4999', '-o', path, '--', program, '0.2'];
    const run = spawnSync(HEARTH, args, { encoding: 'utf8', env });
    expect(run.status, run.stderr).toBe(0);
    const stops = readFileSync(path, 'utf8').match(/\[unwinding stopped: .*?\]/g) ?? [];
    const untimely = /newly mapped code|unwind table still being made/;
    expect(stops.filter((stop) => untimely.test(stop))).toEqual([]);
    expect(sum(parseLines(readFileSync(path, 'utf8')))).toBeGreaterThan(500);
  });

  it('does not wait for its turn on a busy machine, and its command is as any other', () => {
    const path = join(directory, 'nice.txt');
    const script = 'nice; cut -d " " -f 19 /proc/$PPID/stat';
    const run = hearth('record', '-o', path, '--', 'sh', '-c', script);
    expect(run.status, run.stderr).toBe(0);
    expect(run.stdout.trim().split('\n')).toEqual([`${getPriority()}`, '-20']);
  });

  it('ends after its duration, and the command with it', () => {
    const path = join(directory, 'sleep.txt');
    const run = hearth('record', '-d', '1', '-o', path, '--', 'sleep', '300.25');
    expect(run.status, run.stderr).toBe(0);
    expect(run.seconds).toBeLessThan(20);
    expect(run.stderr).toContain('sleep was ended by SIGTERM');
    expect(commandLines().filter((line) => line === 'sleep 300.25')).toEqual([]);
    expect(existsSync(path)).toBe(true);
  });

  it('profiles a process that runs already, until it ends', async () => {
    const workload = spawn(shares, ['10'], { stdio: 'ignore' });
    const path = join(directory, 'attached.txt');
    const run = hearth('record', '-F', '499', '-p', String(workload.pid), '-o', path);
    expect(run.status, run.stderr).toBe(0);
    expect(workload.exitCode ?? (await once(workload, 'exit'))[0]).toBe(0);
    const lines = parseLines(readFileSync(path, 'utf8'));
    expect(new Set(lines.map(({ frames }) => frames[0]))).toEqual(new Set(['shares']));
    expect(sum(lines)).toBeGreaterThan(499);
  });

  it('ends at the first Ctrl-C with the profile written', async () => {
    const path = join(directory, 'interrupted.txt');
    const child = spawn(HEARTH, ['record', '-o', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    await saying(child, 'Ctrl-C ends it');
    await sleep(1000);
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).toBe(0);
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['cpu', 'shares', '2', 'burn_sixty'],
    ['off-cpu', 'waits', 'sleeps', 'sleep_50ms'],
    ['wall', 'waits', 'sleeps', 'sleep_50ms'],
  ])('writes pprof of %s that Go reads, where Go is', (kind, workload, argument, functionName) => {
    const path = join(directory, `${kind}.pb.gz`);
    const command = [compileWorkload(workload), argument];
    const run = hearth('record', `--${kind}`, '-F', '499', '-o', path, '--', ...command);
    expect(run.status, run.stderr).toBe(0);
    expect(gunzipSync(readFileSync(path)).length).toBeGreaterThan(100);
    if (spawnSync('go', ['version']).error !== undefined) return;
    const pprof = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync('go', ['tool', 'pprof', ...args, path], {
        encoding: 'utf8',
      });
      expect(status, stderr).toBe(0);
      expect(stderr).toBe('');
      return stdout;
    };
    const raw = pprof('-raw');
    expect(raw).toContain(`samples/count ${kind}/nanoseconds[dflt]\n`);
    // Mappings with build IDs, the program's first, which gives the profile its name.
    expect(raw).toMatch(
      new RegExp(`^Mappings\\n1: 0x\\S+ \\S*/${workload} [0-9a-f]{40} \\[FN\\]`, 'm'),
    );
    const top = pprof('-top', '-nodefraction=0');
    expect(top).toMatch(new RegExp(`^File: ${workload}$`, 'm'));
    expect(top).toContain(`Type: ${kind}\n`);
    expect(top).toContain(functionName);
  });

  it('leaves no file behind where it fails', () => {
    const path = join(directory, 'none', 'out.txt');
    for (const args of [
      ['-p', '4194304', '-o', join(directory, 'failed.txt')],
      ['-o', join(directory, 'failed.txt'), '--', join(directory, 'no-such-program')],
      ['-d', '1', '-o', path],
    ]) {
      const run = hearth('record', ...args);
      expect(run.status, run.stderr).toBe(1);
      expect(run.stderr).toMatch(/^hearth: (no such process|cannot run|cannot write)/m);
    }
    expect(readdirSync(directory).filter((name) => name.includes('failed'))).toEqual([]);
    expect(hearth('record', '-F', '0').status).toBe(2);
  });
});

describe('hearth doctor', () => {
  it('finds that this machine can be profiled', () => {
    const run = hearth('doctor', '--json');
    const report: { usable: boolean; checks: { id: string; state: string }[] } = JSON.parse(
      run.stdout,
    );
    for (const id of ['sampling', 'off-cpu', 'thread-times', 'wakers'])
      expect(report.checks).toContainEqual(expect.objectContaining({ id, state: 'ok' }));
    expect(report.checks).toContainEqual(
      expect.objectContaining({ id: 'off-cpu-stacks', found: expect.stringMatching(/^taken/) }),
    );
    expect(report.usable).toBe(true);
    expect(run.status).toBe(0);
  });
});

/** Resolves when the process says `text` on its standard error. */
async function saying(child: ChildProcess, text: string): Promise<void> {
  let said = '';
  for await (const piece of child.stderr ?? []) {
    said += String(piece);
    if (said.includes(text)) break;
  }
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
          .replace(/\0$/, '')
          .replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}

describe('waiting', () => {
  it('is written in nanoseconds, by what was waited for', () => {
    const { status, stdout, stderr } = hearth('record', '--off-cpu', '--', 'sleep', '1');
    expect(status).toBe(0);
    const slept = parseLines(stdout).filter(
      ({ frames }) => frames[0] === 'sleep' && frames.at(-1) === '[waiting: sleep]',
    );
    expect(sum(slept) / 1e9).toBeGreaterThanOrEqual(0.99);
    expect(sum(slept) / 1e9).toBeLessThan(2);
    expect(stderr).toMatch(/sleep +\d+\.\d+ s/);
    expect(stderr).toMatch(/exactly, over \d+ threads?/);
  });

  it.each(['off-cpu', 'wall'])(
    'that goes on for all of a recording is in it (%s), by its function',
    async (kind) => {
      const SECONDS = 3;
      const workload = spawn(compileWorkload('waits'), ['still', '60'], { stdio: 'ignore' });
      try {
        await sleep(500);
        const { status, stdout, stderr } = hearth(
          ...['record', `--${kind}`, '-d', String(SECONDS), '-p', String(workload.pid)],
        );
        expect(status, stderr).toBe(0);
        const lines = parseLines(stdout);
        for (const [name, wait] of [
          ['sleep_all_the_time', '[waiting: sleep]'],
          ['wait_all_the_time', '[waiting: lock]'],
          // The main thread waits for the end of the others.
          ['main', '[waiting: lock]'],
        ] as const) {
          const mine = lines.filter(({ frames }) => frames.includes(name));
          expect(sum(mine) / 1e9, name).toBeCloseTo(SECONDS, 2);
          expect(mine.every(({ frames }) => frames[0] === 'waits' && frames.at(-1) === wait)).toBe(
            true,
          );
        }
        expect(sum(lines) / 1e9).toBeCloseTo(3 * SECONDS, 2);
        expect(stderr).toMatch(
          /exactly, over 3 threads: .* 9\.000 s blocked; .* more than 0\.0\d%/,
        );
      } finally {
        workload.kill();
      }
    },
  );

  it('of others, whatever is not seen of it, is no loss of a recording of some processes', async () => {
    const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
    const others = spawn(compileWorkload('waits'), ['short', '10000000'], { stdio: 'ignore' });
    try {
      const { status, stderr } = hearth(
        ...['record', '--off-cpu', '-d', '6', '-p', String(sleeper.pid), '-o', '/dev/null'],
      );
      expect(status, stderr).toBe(0);
      expect(stderr).toMatch(/sleep +6\.000 s 100\.0%/);
      expect(stderr).not.toMatch(/lost .*: (switches|waits)/);
    } finally {
      sleeper.kill();
      others.kill('SIGKILL');
    }
  });

  it('that has not ended is told of', () => {
    const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const { status, stderr } = hearth(
        ...['record', '--off-cpu', '-d', '2', '-p', String(sleeper.pid), '-o', '/dev/null'],
      );
      expect(status, stderr).toBe(0);
      expect(stderr).toContain('1 thread has been waiting for over a second:');
      expect(stderr).toMatch(
        new RegExp(`  sleep \\(${sleeper.pid}\\): sleep for [2-9]\\.\\d s, in \\w*nanosleep`),
      );
    } finally {
      sleeper.kill();
    }
  });

  it('and CPU time together are the wall clock', () => {
    const { status, stdout } = hearth('record', '--wall', '--', shares, '2');
    expect(status).toBe(0);
    const lines = parseLines(stdout).filter(({ frames }) => frames[0] === 'shares');
    const [waited, ran] = [true, false].map((isWait) =>
      sum(lines.filter(({ frames }) => frames.at(-1)?.startsWith('[waiting: ') === isWait)),
    );
    expect(ran).toBeGreaterThan(0);
    expect((waited + ran) / 2e9).toBeGreaterThan(0.8);
    expect((waited + ran) / 2e9).toBeLessThan(1.5);
  });
});
