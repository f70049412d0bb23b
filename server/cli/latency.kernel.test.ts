import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '@/server/root';

const HEARTH = join(ROOT, 'bin/hearth');

function hearth(...args: string[]) {
  return spawnSync(HEARTH, ['latency', ...args], { encoding: 'utf8', timeout: 60_000 });
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
