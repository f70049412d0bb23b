import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cgroup2Mount } from '@/server/agent/cgroups';
import { ROOT } from '@/server/root';

const HEARTH = join(ROOT, 'bin/hearth');

function hearth(...args: string[]) {
  return spawnSync(HEARTH, ['latency', ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 << 20,
  });
}

const SHORT_LIVED = 'while :; do /bin/true; sleep 0.01; done';

/** Measures while a shell runs `script`, which it has begun. */
function withShell<T>(script: string, measure: (shell: { readonly pid: number }) => T): T {
  const shell = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true });
  const pid = shell.pid as number;
  try {
    return measure({ pid });
  } finally {
    // With what it has started.
    process.kill(-pid, 'SIGKILL');
    while (existsSync(`/proc/${pid}/cwd`)) spawnSync('sleep', ['0.01']);
  }
}

describe('hearth latency', () => {
  it('prints histograms as text, and nothing else, on the standard output', () => {
    const { status, stdout, stderr } = hearth('syscalls', '-d', '1');
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^syscalls, 1\.\d s\n/);
    expect(stdout).toMatch(/count\s+total\s+mean\s+p50\s+p90\s+p99\s+p99\.9\s+max/);
    expect(stdout).toMatch(/\|\*+ *\|/);
    expect(stderr).toBe('');
  });

  it('prints JSON whose buckets add up', () => {
    const { status, stdout } = hearth('runqueue', '-d', '1', '--json');
    expect(status).toBe(0);
    const { labels, lost } = JSON.parse(stdout);
    expect(lost).toBe(0);
    expect(labels).toHaveLength(1);
    const [{ count, buckets, processes }] = labels;
    const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
    expect(sum(buckets.map(([, , events]: number[]) => events))).toBe(count);
    expect(sum(processes.map((process: { count: number }) => process.count))).toBe(count);
  });

  it('measures the chosen processes alone', () => {
    const sleeper = spawn('sh', ['-c', 'while :; do sleep 0.05; done'], { stdio: 'ignore' });
    try {
      const { status, stdout } = hearth('syscalls', '-d', '1', '-p', String(sleeper.pid), '--json');
      expect(status).toBe(0);
      const pids = JSON.parse(stdout).labels.flatMap((label: { processes: { pid: number }[] }) =>
        label.processes.map(({ pid }) => pid),
      );
      expect(new Set(pids)).toEqual(new Set([sleeper.pid]));
    } finally {
      sleeper.kill();
    }
  });

  it('names processes that have long ended, those of a name together', () => {
    const { stdout } = withShell(SHORT_LIVED, () => hearth('syscalls', '-d', '2'));
    expect(stdout).toMatch(/^by .*\btrue \(\d+ processes\) \d+%/m);
    expect(stdout).not.toMatch(/ended|not known|\bpid \d/);
  });

  it('prints histograms of each process, and of those of a name that have ended', () => {
    const { stdout } = withShell(SHORT_LIVED, ({ pid }) => {
      const result = hearth('syscalls', '-d', '2', '--by', 'process');
      expect(result.stdout).toMatch(new RegExp(`^sh \\(${pid}\\) +wait4 +\\d+ `, 'm'));
      return result;
    });
    expect(stdout).toMatch(/^process +count +total/m);
    expect(stdout).toMatch(/^true \(\d+ that ended\) +mmap +\d+ /m);
    expect(stdout).toMatch(/^process = .*, \w+\n +from +to below/m);
  });

  it('prints histograms of each container and cgroup', () => {
    const name = `hearth-cli-${process.pid}`;
    const directory = join(cgroup2Mount() ?? '', name);
    mkdirSync(directory);
    try {
      const loop = `echo $$ > ${directory}/cgroup.procs; ${SHORT_LIVED}`;
      const { json, text } = withShell(loop, () => ({
        json: hearth('syscalls', '-d', '2', '--by', 'cgroup', '--json').stdout,
        text: hearth('syscalls', '-d', '1', '--by', 'cgroup').stdout,
      }));
      const inside = JSON.parse(json).labels.filter(
        ({ cgroup }: { cgroup: string }) => cgroup === `/${name}`,
      );
      const starts = inside.find(({ label }: { label: string }) => label === 'set_tid_address');
      expect(starts.count).toBeGreaterThan(10);
      expect(new Set(starts.processes.map((one: { name: string }) => one.name))).toEqual(
        new Set(['sleep', 'true']),
      );
      expect(text).toMatch(new RegExp(`^/${name} +wait4 +\\d+ `, 'm'));
    } finally {
      rmdirSync(directory);
    }
  });

  it('prints everything, however slow its reader is', () => {
    const { stdout } = withShell(SHORT_LIVED, () =>
      spawnSync(
        'sh',
        ['-c', `"$0" latency syscalls -d 2 --by process --json | (sleep 4; cat)`, HEARTH],
        { encoding: 'utf8', maxBuffer: 64 << 20 },
      ),
    );
    expect(stdout.length).toBeGreaterThan(1 << 16); // what a pipe holds
    expect(JSON.parse(stdout).labels.length).toBeGreaterThan(1);
  });

  it('fails, and says so, where there was nothing to measure', () => {
    const idle = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const { status, stdout, stderr } = hearth('fs', '-d', '0.5', '-p', String(idle.pid));
      expect(status).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('nothing to measure');
    } finally {
      idle.kill();
    }
    const gone = hearth('fs', '-d', '0.5', '-p', '4194303');
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain('no such process');
    expect(hearth('weather').status).toBe(2);
  });
});
