import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import {
  ENTRY_NS,
  expectCalls,
  expectQuantiles,
  histogram,
  type Measured,
  measureWorkload,
  truthSchema,
} from '@/bench/workloads/measure-for-tests';
import type { Histogram } from '@/profile/latency/histogram';
import type { LatencySource } from '@/profile/latency/sources';
import { ROOT } from '@/server/root';
import { hasLibbpfTool } from '../libbpf-tools-for-tests';
import { LatencyPrograms } from './latency-programs';

/** Of wakeups and switches, on a machine that hides some of its threads from BPF. */
const UNSEEN = 0.03;

let programs: LatencyPrograms | undefined;
const children: ChildProcess[] = [];

afterEach(() => {
  programs?.dispose();
  programs = undefined;
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const measure = (
  sources: readonly LatencySource[],
  args: readonly (string | number)[],
): Promise<Measured> => measureWorkload('latency', sources, args);

describe('system calls', () => {
  it('are all counted, however often the tables are read meanwhile', async () => {
    const CALLS = 1_000_000;
    const { buckets, readings } = await measure(['syscalls'], ['getpid', CALLS]);
    expectCalls(histogram(buckets, 'getpid').count, CALLS);
    expect(readings).toBeGreaterThan(2);
  });

  it('are counted exactly where threads are so many that not all have a place of their own', async () => {
    const THREADS = 4000;
    // Of 8192 places; by their hashes 800 of these threads find theirs taken.
    const { buckets } = await measure(['runqueue', 'syscalls'], ['crowd', THREADS]);
    expect(histogram(buckets, 'getpid').count).toBe(10 * THREADS);
    // Each waited until it ran first, and when all were there.
    expect(histogram(buckets, 'waiting for a CPU').count).toBeGreaterThan(2 * THREADS - 100);
  });

  it('last as long as the program itself says', async () => {
    const { buckets, truth } = await measure(['syscalls'], ['sleep', 300, 2_000_000]);
    expectQuantiles(histogram(buckets, 'clock_nanosleep'), truth.sleep);
  });
});

describe('beside libbpf-tools', () => {
  it.runIf(hasLibbpfTool('syscount'))('system calls are as many as syscount says', async () => {
    // It finds its tracepoints in tracefs, which not every machine has mounted: here, for itself.
    const other = spawn('unshare', [
      '--mount',
      'sh',
      '-c',
      'mount -t tracefs nodev /sys/kernel/tracing; exec /usr/sbin/syscount -d 4 -T 100',
    ]);
    const ended = once(other, 'close');
    let text = '';
    other.stdout.on('data', (data: Buffer) => {
      text += data.toString();
    });
    await sleep(1000);
    const CALLS = 300_000;
    const { buckets } = await measure(['syscalls'], ['getpid', CALLS]);
    await ended;
    const count = Number(/^getpid\s+(\d+)/m.exec(text)?.[1]);
    expectCalls(histogram(buckets, 'getpid').count, CALLS);
    // It counts those of all processes.
    expect(count).toBeGreaterThanOrEqual(CALLS);
    expect(count).toBeLessThan(CALLS * 1.05);
  });
});

describe('futex waits', () => {
  it('are counted by how they ended, and last as long as the program says', async () => {
    const { buckets, truth } = await measure(['futex'], ['futex', 300, 2_000_000]);
    expectQuantiles(histogram(buckets, 'wait: timed out'), truth.wait);
    expectCalls(histogram(buckets, 'wait: value had changed').count, 300);
    expect(new Set(buckets.map(({ source }) => source))).toEqual(new Set(['futex']));
  });
});

describe('files', () => {
  it('are read from the device and synced to it in the time that the program says', async () => {
    const directory = mkdtempSync(join(ROOT, 'dist', '.latency-'));
    const BLOCKS = 60;
    try {
      const { buckets, truth, pid } = await measure(
        ['block', 'fs'],
        ['file', BLOCKS, join(directory, 'file')],
      );
      const type = execFileSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' });
      const name = type.trim() === 'ext2/ext3' ? 'ext4' : type.trim();
      expectQuantiles(histogram(buckets, `${name} fsync`), truth.fsync);
      const reads = histogram(buckets, `${name} read`);
      expect(reads.count).toBe(BLOCKS);
      expect(histogram(buckets, `${name} write`).count).toBe(BLOCKS);
      expect(histogram(buckets, `${name} open`).count).toBe(1);
      // Each read waited for the device at least once.
      const device = buckets.filter(({ label }) => label.endsWith('read, in the device'));
      const requests = device.reduce((sum, { count }) => sum + count, 0);
      expect(requests).toBeGreaterThanOrEqual(BLOCKS);
      expect(device.every((row) => row.pid === pid)).toBe(true);
      const inDeviceNs = device.reduce((sum, row) => sum + row.sum, 0);
      expect(inDeviceNs).toBeLessThan(2 * reads.sum);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('TCP', () => {
  it('counts connections and bytes exactly, and connecting takes as long as the program says', async () => {
    const CONNECTIONS = 200;
    const { buckets, truth } = await measure(['tcp'], ['tcp', CONNECTIONS]);
    const of = (label: string): Histogram => histogram(buckets, label);
    const connect = of('connect to 127.0.0.1');
    const told = truthSchema.parse(truth.connect);
    expect(connect.count).toBe(CONNECTIONS);
    // Microseconds, of which the way to the kernel is a large part.
    expect(connect.quantile(0.5)?.low ?? 0).toBeLessThan(told.p50);
    expect(connect.quantile(0.5)?.value ?? 0).toBeGreaterThan(told.p50 - ENTRY_NS);
    expect(of('sent to 127.0.0.1, bytes').sum).toBe(CONNECTIONS * 1500);
    expect(of('received from 127.0.0.1, bytes').sum).toBe(CONNECTIONS * 1500);
    expect(of('round trip to 127.0.0.1').count).toBeGreaterThanOrEqual(CONNECTIONS);
  });
});

describe('run queue', () => {
  it('adds up to what the scheduler says of two busy loops on one CPU', async () => {
    const loops = [0, 1].map(() => {
      const child = spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'], {
        stdio: 'ignore',
      });
      children.push(child);
      return child.pid ?? 0;
    });
    await sleep(300);
    programs = new LatencyPrograms({ onlyPids: loops });
    const waitedNs = (pid: number): number =>
      Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]);
    await programs.set(['runqueue']);
    const before = loops.map(waitedNs);
    await sleep(4000);
    const after = loops.map(waitedNs);
    const buckets = await programs.take();
    // Which waits until no CPU uses the table any more: some tens of milliseconds that it holds, too.
    const afterTaking = loops.map(waitedNs);
    expect(programs.losses.uncounted).toBe(0);
    loops.forEach((pid, i) => {
      const own = buckets.filter((row) => row.pid === pid);
      const sum = own.reduce((ns, row) => ns + row.sum, 0);
      const longest = histogram(own, 'waiting for a CPU').quantile(1)?.high ?? 0;
      // A wait that was under way at either end is in one of the two only.
      expect(sum).toBeGreaterThanOrEqual(after[i] - before[i] - 2 * longest);
      expect(sum).toBeLessThanOrEqual(afterTaking[i] - before[i] + 2 * longest);
      // It had to leave at least half of the CPU to the other.
      expect(after[i] - before[i]).toBeGreaterThan(0.3 * 4e9);
    });
  });

  it.runIf(hasLibbpfTool('runqlat'))('agrees with runqlat', async () => {
    const loop = (): ChildProcess => {
      const child = spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done']);
      children.push(child);
      return child;
    };
    const [pid] = [loop(), loop()].map((child) => child.pid ?? 0);
    await sleep(300);
    programs = new LatencyPrograms({ onlyPids: [pid] });
    await programs.set(['runqueue']);
    const other = spawnSync('/usr/sbin/runqlat', ['-p', String(pid), '3', '1'], {
      encoding: 'utf8',
    });
    const own = histogram(await programs.take(), 'waiting for a CPU');
    const rows = [...other.stdout.matchAll(/(\d+) -> (\d+)\s*: (\d+)/g)].map((match) =>
      match.slice(1).map(Number),
    );
    const events = rows.reduce((sum, [, , count]) => sum + count, 0);
    expect(events, other.stderr).toBeGreaterThan(0);
    // The two start and end a moment apart.
    expect(own.count / events).toBeGreaterThan(0.7);
    expect(own.count / events).toBeLessThan(1.6);
    const median = (own.quantile(0.5)?.value ?? 0) / 1000;
    let seen = 0;
    const row = rows.find(([, , count]) => {
      seen += count;
      return seen >= events / 2;
    });
    expect(median).toBeGreaterThan((row?.[0] ?? 0) / 2);
    expect(median).toBeLessThan((row?.[1] ?? 0) * 2);
  });
});

describe('where processes are more than the tables hold', () => {
  it('events count without their process, and how many is told', async () => {
    const RUNS = 1500;
    const repeat = (times: number, command: string): string =>
      `i=0; while [ $i -lt ${times} ]; do ${command}; i=$((i + 1)); done`;
    programs = new LatencyPrograms({ onlyPids: undefined });
    await programs.set(['syscalls']);
    const script = [
      'taskset -cp 0 $$',
      repeat(RUNS, '/bin/true'),
      // On a CPU that still has room of its own, threads that end with calls of several numbers to be counted.
      'taskset -cp 1 $$',
      repeat(100, `echo | '${compileWorkload('latency')}' frequent 300`),
    ].join('\n');
    await once(spawn('sh', ['-c', script], { stdio: 'ignore' }), 'exit');
    await programs.set([]);
    const buckets = await programs.take();
    const events = (rows: typeof buckets): number =>
      rows.reduce((sum, { count }) => sum + count, 0);
    const unknown = buckets.filter(({ pid }) => pid === 0);
    expect(programs.losses).toEqual({
      uncounted: 0,
      unseen: 0,
      withoutProcess: events(unknown),
    });
    // The last of them found the tables full.
    expect(events(unknown)).toBeGreaterThan(RUNS);
    expect(events(buckets.filter(({ label }) => label === 'execve'))).toBeGreaterThanOrEqual(RUNS);
  });
});

describe('waits', () => {
  it('last as long as the program itself says, by what they are for', async () => {
    const { buckets, truth } = await measure(['runqueue', 'waits'], ['sleep', 300, 2_000_000]);
    const waits = buckets.filter(({ source }) => source === 'waits');
    const sleeps = histogram(waits, 'sleep');
    const { count, p50, p90 } = truthSchema.parse(truth.sleep);
    expect(sleeps.count).toBeLessThanOrEqual(count);
    expect(sleeps.count).toBeGreaterThan(count * (1 - UNSEEN));
    // Until it has a CPU again is no part of it.
    for (const [q, told] of [
      [0.5, p50],
      [0.9, p90],
    ]) {
      const { low = 0, high = 0 } = sleeps.quantile(q) ?? {};
      expect(low, `p${100 * q}`).toBeLessThan(told);
      expect(high, `p${100 * q}`).toBeGreaterThan(2_000_000);
    }
    // Some have set their timer, and had to leave the CPU before they slept.
    expect(sleeps.quantile(0.1)?.high).toBeGreaterThan(2_000_000);
    expect(histogram(buckets, 'waiting for a CPU').count).toBeGreaterThan(count * (1 - UNSEEN));
  });

  it('of locks are as many as futexes were waited for', async () => {
    const { buckets } = await measure(['waits'], ['futex', 300, 2_000_000]);
    const locks = histogram(buckets, 'lock');
    expect(locks.count).toBeLessThanOrEqual(300);
    expect(locks.count).toBeGreaterThan(300 * (1 - UNSEEN));
    expect(locks.quantile(0.1)?.high).toBeGreaterThan(2_000_000);
    expect(new Set(buckets.map(({ source }) => source))).toEqual(new Set(['waits']));
  });
});

describe('switching', () => {
  it('keeps what was measured until it is taken, and attaches nothing that nobody asked for', async () => {
    programs = new LatencyPrograms({ onlyPids: undefined });
    expect(programs.runTimes()).toEqual([]);
    await programs.set(['syscalls', 'runqueue']);
    expect(
      programs
        .runTimes()
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      'latency_syscall_enter',
      'latency_syscall_exit',
      'latency_syscall_last',
      'latency_wait_free',
      'latency_wait_new',
      'latency_wait_switch',
      'latency_wait_waking',
    ]);
    await sleep(100);
    await programs.set([]);
    expect(programs.runTimes()).toEqual([]);
    const buckets = await programs.take();
    expect(new Set(buckets.map(({ source }) => source))).toEqual(new Set(['runqueue', 'syscalls']));
    expect(await programs.take()).toEqual([]);
  });
});
