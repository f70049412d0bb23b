import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compileWorkload } from '@/bench/workloads/compile';
import { Histogram } from '@/profile/latency/histogram';
import type { LatencySource } from '@/profile/latency/sources';
import { ROOT } from '@/server/root';
import { type LatencyBucket, LatencyPrograms } from './latency-programs';

const truthSchema = z.object({
  count: z.number(),
  p50: z.number(),
  p90: z.number(),
  max: z.number(),
});
type Truth = z.infer<typeof truthSchema>;

let programs: LatencyPrograms | undefined;
const children: ChildProcess[] = [];

afterEach(() => {
  programs?.dispose();
  programs = undefined;
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Measured {
  readonly pid: number;
  readonly truth: Readonly<Record<string, unknown>>;
  readonly buckets: readonly LatencyBucket[];
  /** How often the kernel's tables were read and emptied meanwhile. */
  readonly readings: number;
}

/** Runs the workload while `sources` are measured of it alone, and the tables are read all the time. */
async function measure(
  sources: readonly LatencySource[],
  args: readonly (string | number)[],
): Promise<Measured> {
  const child = spawn(compileWorkload('latency'), args.map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const pid = child.pid ?? 0;
  programs = new LatencyPrograms({ onlyPids: [pid] });
  await programs.set(sources);
  expect(programs.problems).toEqual({});
  expect(programs.sources).toEqual(sources);
  const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  let isDone = false;
  void line.then(() => {
    isDone = true;
  });
  child.stdin.write('go\n');
  const buckets: LatencyBucket[] = [];
  let readings = 0;
  while (!isDone) {
    buckets.push(...(await programs.take()));
    readings++;
    await sleep(10);
  }
  await programs.set([]);
  buckets.push(...(await programs.take()));
  expect(programs.lost).toBe(0);
  const truth = JSON.parse((await line)[0]);
  child.stdin.end();
  return { pid, truth, buckets, readings };
}

function histogram(buckets: readonly LatencyBucket[], label: string): Histogram {
  const sums = new Histogram();
  for (const { bucket, count, sum } of buckets.filter((row) => row.label === label))
    sums.add(bucket, count, sum);
  return sums;
}

/** Half a bucket, and what the way to the kernel and back takes. */
const BUCKET_ERROR = 0.035;
const ENTRY_NS = 30_000;

function expectQuantiles(measured: Histogram, told: unknown): void {
  const truth: Truth = truthSchema.parse(told);
  expect(measured.count).toBe(truth.count);
  for (const [q, value] of [
    [0.5, truth.p50],
    [0.9, truth.p90],
  ] as const) {
    const quantile = measured.quantile(q)?.value ?? 0;
    expect(quantile, `p${100 * q}`).toBeLessThan(value * (1 + BUCKET_ERROR));
    expect(quantile, `p${100 * q}`).toBeGreaterThan(value * (1 - BUCKET_ERROR) - ENTRY_NS);
  }
}

describe('system calls', () => {
  it('are counted exactly, however often the tables are read meanwhile', async () => {
    const CALLS = 1_000_000;
    const { buckets, readings } = await measure(['syscalls'], ['getpid', CALLS]);
    expect(histogram(buckets, 'getpid').count).toBe(CALLS);
    expect(readings).toBeGreaterThan(2);
  });

  it('last as long as the program itself says', async () => {
    const { buckets, truth } = await measure(['syscalls'], ['sleep', 300, 2_000_000]);
    expectQuantiles(histogram(buckets, 'clock_nanosleep'), truth.sleep);
  });
});

describe('beside libbpf-tools', () => {
  // It finds its tracepoints in tracefs, which not every machine has mounted.
  it.runIf(
    existsSync('/usr/sbin/syscount') && existsSync('/sys/kernel/tracing/events/raw_syscalls'),
  )('system calls are as many as syscount says', async () => {
    const other = spawn('/usr/sbin/syscount', ['-d', '4', '-T', '100']);
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
    expect(histogram(buckets, 'getpid').count).toBe(CALLS);
    // It counts those of all processes.
    expect(count).toBeGreaterThanOrEqual(CALLS);
    expect(count).toBeLessThan(CALLS * 1.05);
  });
});

describe('futex waits', () => {
  it('are counted by how they ended, and last as long as the program says', async () => {
    const { buckets, truth } = await measure(['futex'], ['futex', 300, 2_000_000]);
    expectQuantiles(histogram(buckets, 'wait: timed out'), truth.wait);
    expect(histogram(buckets, 'wait: value had changed').count).toBe(300);
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
    expect(programs.lost).toBe(0);
    loops.forEach((pid, i) => {
      const own = buckets.filter((row) => row.pid === pid);
      const sum = own.reduce((ns, row) => ns + row.sum, 0);
      const longest = histogram(own, 'waiting for a CPU').quantile(1)?.high ?? 0;
      // A wait that was under way at either end is in one of the two only.
      expect(Math.abs(sum - (after[i] - before[i]))).toBeLessThanOrEqual(2 * longest);
      // It had to leave at least half of the CPU to the other.
      expect(after[i] - before[i]).toBeGreaterThan(0.3 * 4e9);
    });
  });

  it.runIf(existsSync('/usr/sbin/runqlat'))('agrees with runqlat', async () => {
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
      'latency_runqueue_new',
      'latency_runqueue_switch',
      'latency_runqueue_wakeup',
      'latency_syscall_enter',
      'latency_syscall_exit',
    ]);
    await sleep(100);
    await programs.set([]);
    expect(programs.runTimes()).toEqual([]);
    const buckets = await programs.take();
    expect(new Set(buckets.map(({ source }) => source))).toEqual(new Set(['runqueue', 'syscalls']));
    expect(await programs.take()).toEqual([]);
  });
});
