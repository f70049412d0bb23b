import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileWorkload, FRAME_POINTERS } from '@/bench/workloads/compile';
import {
  ProfiledRun,
  profileWorkload,
  type ReadSample,
  RunningWorkload,
  readSamples,
  samplesOfPid,
} from '@/bench/workloads/run';
import type { Chunk } from '@/profile/chunk';
import { FrameKind, NONE } from '@/profile/schema';
import { cgroup2Mount } from './cgroups';
import { Collector } from './collector';
import { readStolenSeconds } from './cost';
import { ElfFile } from './elf/elf-file';
import { onlineCpus } from './perf-event';

const HZ = 997;

/** What the workloads print. */
interface Used {
  readonly cpuSeconds: number;
}

beforeAll(() => {
  if (process.getuid?.() !== 0)
    throw new Error('the kernel tests load BPF programs: run them as root');
});

/** Share of the samples with `name` as their innermost user function, and three standard errors of it. */
function leafShare(samples: readonly ReadSample[], name: string): { share: number; bound: number } {
  const n = samples.length;
  const share = samples.filter(({ stack }) => stack.includes(name)).length / n;
  return { share, bound: 3 * Math.sqrt((share * (1 - share)) / n) };
}

/** Those from when the process's mappings and tables were known: it takes an instant after its start. */
const settled = (samples: readonly ReadSample[]): ReadSample[] =>
  samples.filter(({ stack }) => !/newly mapped code|still being made/.test(stack[0] ?? ''));

/** Total weight of the samples in seconds. */
const seconds = (samples: readonly ReadSample[]): number =>
  samples.reduce((sum, { weight }) => sum + weight, 0) / 1e9;

/**
 * The samples add up to the CPU time that the kernel accounted. Where the host took time from a CPU (steal), it is not in
 * what the kernel accounted, but a clock that ticks meanwhile has it: at most so much more.
 */
function expectCpuTime(
  samples: readonly ReadSample[],
  cpuSeconds: number,
  stolenSeconds: number,
  relative = 0.02,
): void {
  const sampled = seconds(samples);
  const atMost = cpuSeconds + stolenSeconds;
  const what = `${sampled} CPU seconds sampled, ${cpuSeconds} to ${atMost} used`;
  expect(sampled, what).toBeGreaterThanOrEqual(cpuSeconds * (1 - relative));
  expect(sampled, what).toBeLessThanOrEqual(atMost * (1 + relative));
}

describe('the truth of a CPU profile', () => {
  it('three functions at 60 : 30 : 10 have their shares, and their samples add up to the CPU time', async () => {
    type Result = { cpuSeconds: number; shares: Record<string, number> };
    const { profile, result, pid, stolenSeconds } = await profileWorkload<Result>(
      HZ,
      compileWorkload('shares'),
      [6],
    );
    const samples = samplesOfPid(profile, pid);
    expectCpuTime(samples, result.cpuSeconds, stolenSeconds);
    for (const { weight } of samples) expect(weight).toBe(Math.round(1e9 / HZ));
    for (const [name, share] of Object.entries(result.shares)) {
      const measured = leafShare(samples, name);
      expect(
        Math.abs(measured.share - share),
        `${name}: ${measured.share} of ${share}`,
      ).toBeLessThanOrEqual(measured.bound);
    }
    const inBurn = settled(samples).filter(({ stack }) => stack.includes('burn_sixty'));
    const isWhole = ({ stack }: ReadSample): boolean =>
      ['main', 'work', 'burn_sixty'].every(
        (name, i) => stack.indexOf(name) === stack.indexOf('main') + i,
      );
    expect(inBurn.length).toBeGreaterThan(HZ / 50);
    expect(inBurn.filter(isWhole).length).toBeGreaterThan(inBurn.length * 0.99);
  });

  it('a recursion of 100 is seen whole', async () => {
    const { profile, result, pid, stolenSeconds } = await profileWorkload<Used>(
      HZ,
      compileWorkload('recursion'),
      [100, 3],
    );
    const samples = samplesOfPid(profile, pid);
    expectCpuTime(samples, result.cpuSeconds, stolenSeconds);
    const deep = settled(samples).filter(({ stack }) => stack.includes('burn_at_the_bottom'));
    expect(deep.length).toBeGreaterThan(HZ / 50);
    for (const { stack } of deep)
      expect(stack.filter((name) => name === 'descend')).toHaveLength(101);
  });

  it('a recursion of 1000 is cut, and says so at its root', async () => {
    const { profile, pid } = await profileWorkload(HZ, compileWorkload('recursion'), [1000, 3]);
    const samples = samplesOfPid(profile, pid);
    const deep = settled(samples).filter(({ stack }) => stack.includes('burn_at_the_bottom'));
    expect(deep.length).toBeGreaterThan(HZ / 50);
    for (const { stack } of deep) expect(stack[0]).toMatch(/truncated/);
  });

  it('200 threads are told apart by name, and add up', async () => {
    const { profile, result, pid, stolenSeconds } = await profileWorkload<Used>(
      HZ,
      compileWorkload('threads'),
      [200, 5],
    );
    const samples = samplesOfPid(profile, pid);
    expectCpuTime(samples, result.cpuSeconds, stolenSeconds);
    const workers = new Set(
      samples.map(({ threadName }) => threadName).filter((name) => name.startsWith('worker-')),
    );
    expect(workers.size).toBe(200);
    const burning = settled(samples).filter(({ stack }) => stack.includes('burn_in_thread'));
    expect(burning.length).toBeGreaterThan(HZ / 50);
    for (const { stack } of burning) expect(stack).toContain('run');
  });

  it('500 processes that live 20 ms have names, command lines and symbols, and add up', async () => {
    const { profile, result, stolenSeconds } = await profileWorkload<Used>(
      HZ,
      compileWorkload('short-lived'),
      [500, 20],
    );
    const { processes } = profile;
    const children = readSamples(profile, (process) =>
      / child 20 \d+$/.test(profile.string(processes.columns.commandLine[process])),
    );
    expect(new Set(children.map(({ pid }) => pid)).size).toBe(500);
    for (const { processName } of children) expect(processName).toBe('short-lived');
    const named = children.filter(({ stack }) => stack.includes('burn_briefly'));
    expect(named.length).toBeGreaterThan(children.length * 0.9);
    // Whole from a child's first sample on, once the program's file has been seen: from the program's first function; from that
    // of the dynamic linker, which has no name; from the kernel's entry, where the child has given up its memory.
    const later = children.slice(children.length / 4);
    const whole = later.filter(({ stack: [root = 'none'] }) =>
      /^(_start|entry_\w+|asm_\w+|)$/.test(root),
    );
    expect(whole.length).toBeGreaterThan(later.length * 0.997);
    const burning = later.filter(({ stack }) => stack.includes('burn_briefly'));
    expect(burning.filter(({ stack: [root] }) => root === '_start').length).toBeGreaterThan(
      burning.length * 0.999,
    );
    // What a child did before it ran the program counts too: then it still had its parent's command line.
    const all = readSamples(
      profile,
      (process) => profile.string(processes.columns.name[process]) === 'short-lived',
    );
    expectCpuTime(all, result.cpuSeconds, stolenSeconds);
  });

  it('programs that are started one after the other have their mappings, however fast', async () => {
    const run = await ProfiledRun.start(HZ);
    const loop = 'while :; do /bin/true; done';
    const loops = onlineCpus().map(() => spawn('timeout', ['4', 'sh', '-c', loop]));
    await Promise.all(loops.map((child) => once(child, 'exit')));
    await sleep(300);
    const profile = await run.stop();

    const { samples, stacks, frames, threads, processes, strings } = profile;
    const { name, pid } = processes.columns;
    const started = new Set<number>();
    let [all, withoutFile] = [0, 0];
    for (let row = 0; row < samples.length; row++) {
      const process = threads.columns.process[samples.columns.thread[row]];
      if (strings[name[process]] !== 'true') continue;
      started.add(pid[process]);
      all++;
      for (let at = samples.columns.stack[row]; at !== NONE; at = stacks.columns.parent[at]) {
        if (frames.columns.kind[stacks.columns.frame[at]] !== FrameKind.Jit) continue;
        withoutFile++;
        break;
      }
    }
    expect(profile.losses.get('mapping-event-ring-full') ?? 0).toBe(0);
    expect(started.size).toBeGreaterThan(200);
    expect(withoutFile).toBeLessThan(all * 0.005);
  });

  it('a program in another mount namespace has its symbols', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hearth-namespace-'));
    const program = compileWorkload('shares');
    const script = `mount -t tmpfs none ${directory} && cp ${program} ${directory}/hidden && exec ${directory}/hidden 3`;
    try {
      const { profile, pid } = await profileWorkload(HZ, '/usr/bin/unshare', [
        '--mount',
        'sh',
        '-c',
        script,
      ]);
      const samples = samplesOfPid(profile, pid).filter(
        ({ processName }) => processName === 'hidden',
      );
      const named = samples.filter(
        ({ stack }) =>
          stack.includes('burn_sixty') ||
          stack.includes('burn_thirty') ||
          stack.includes('burn_ten'),
      );
      expect(named.length).toBeGreaterThan(samples.length * 0.95);
      expect(samples.length).toBeGreaterThan(HZ / 2);
    } finally {
      rmdirSync(directory);
    }
  });
});

it('two builds that differ in names only, and have one build ID, have each their own names', async () => {
  const flags = FRAME_POINTERS.filter((flag) => flag !== '-g');
  const programs = ['burn_sixty', 'cook_sixty'].map((name) =>
    compileWorkload('shares', [...flags, `-Dburn_sixty=${name}`]),
  );
  const [buildId, other] = programs.map((program) => ElfFile.open(readFileSync(program)).buildId);
  expect(buildId).toHaveLength(40);
  expect(buildId).toBe(other);
  const run = await ProfiledRun.start(HZ);
  const [burning, cooking] = programs.map((program) => new RunningWorkload(program, [2]));
  await Promise.all([burning.result(), cooking.result()]);
  await sleep(100);
  const profile = await run.stop();
  const has = (pid: number, name: string): boolean =>
    samplesOfPid(profile, pid).some(({ stack }) => stack.includes(name));
  expect(has(burning.pid, 'burn_sixty')).toBe(true);
  expect(has(burning.pid, 'cook_sixty')).toBe(false);
  expect(has(cooking.pid, 'cook_sixty')).toBe(true);
  expect(has(cooking.pid, 'burn_sixty')).toBe(false);
});

describe('filters and frequency, while running', () => {
  it('only the process that is asked for is sampled', async () => {
    const [one, other] = [0, 1].map(() => new RunningWorkload(compileWorkload('shares'), [3]));
    const run = await ProfiledRun.start(HZ, { kind: 'processes', pids: [one.pid] });
    const [{ cpuSeconds }] = await Promise.all([one.result<Used>(), other.result<Used>()]);
    const profile = await run.stop();
    expect(samplesOfPid(profile, one.pid).length).toBe(profile.samples.length);
    expect(profile.samples.length).toBeGreaterThan((HZ * cpuSeconds) / 10);
  });

  it('a process tree takes in what its processes start', async () => {
    const run = await ProfiledRun.start(HZ, { kind: 'processes', pids: [process.pid] });
    const shell = spawn(
      'sh',
      ['-c', `sleep 0.5; ${compileWorkload('shares')} 1; ${compileWorkload('shares')} 1`],
      { stdio: 'ignore' },
    );
    run.running.setFilter({ kind: 'trees', pids: [shell.pid as number] });
    await new Promise((resolve) => shell.on('exit', resolve));
    const profile = await run.stop();
    const found = readSamples(
      profile,
      (p) => profile.string(profile.processes.columns.name[p]) === 'shares',
    );
    expect(new Set(found.map(({ pid }) => pid)).size).toBe(2);
    expect(seconds(found)).toBeGreaterThan(0.5);
    expect(readSamples(profile, (p) => profile.processes.columns.pid[p] === 1)).toEqual([]);
  });

  it('a cgroup filter takes its processes only, and a container has its name', async () => {
    const mount = cgroup2Mount();
    expect(mount, 'a cgroup2 mount').toBeDefined();
    const id = randomBytes(32).toString('hex');
    const cgroup = join(mount as string, `docker-${id}.scope`);
    mkdirSync(cgroup);
    const inside = new RunningWorkload(compileWorkload('shares'), [3]);
    const outside = new RunningWorkload(compileWorkload('shares'), [3]);
    try {
      writeFileSync(join(cgroup, 'cgroup.procs'), String(inside.pid));
      const run = await ProfiledRun.start(HZ, { kind: 'cgroup', path: `/docker-${id}.scope` });
      const [{ cpuSeconds }] = await Promise.all([inside.result<Used>(), outside.result<Used>()]);
      const profile = await run.stop();
      expect(profile.samples.length).toBeGreaterThan((HZ * cpuSeconds) / 10);
      expect(samplesOfPid(profile, inside.pid).length).toBe(profile.samples.length);
      const process = profile.threads.columns.process[profile.samples.columns.thread[0]];
      expect(profile.string(profile.processes.columns.container[process])).toBe(
        `docker:${id.slice(0, 12)}`,
      );
    } finally {
      rmdirSync(cgroup);
    }
  });

  it('the frequency changes without a gap, and weights follow it', async () => {
    const run = await ProfiledRun.start(99);
    const WALL_SECONDS = 4;
    const stolenBefore = readStolenSeconds();
    const workload = new RunningWorkload(compileWorkload('shares'), [WALL_SECONDS]);
    await sleep((WALL_SECONDS * 1000) / 2);
    run.running.setFrequency(1999);
    const { cpuSeconds } = await workload.result<Used>();
    const stolen = readStolenSeconds() - stolenBefore;
    await sleep(100);
    const samples = samplesOfPid(await run.stop(), workload.pid);
    expect(new Set(samples.map(({ weight }) => weight))).toEqual(
      new Set([Math.round(1e9 / 99), Math.round(1e9 / 1999)]),
    );
    // Where it had to share its CPU, 99 samples a second tell its time only so well.
    const squares = samples.reduce((sum, { weight }) => sum + (weight / 1e9) ** 2, 0);
    const error = Math.sqrt(squares * Math.max(0, 1 - cpuSeconds / WALL_SECONDS));
    expectCpuTime(samples, cpuSeconds, stolen, 0.03 + (3 * error) / cpuSeconds);
  });
});

describe('programs that are switched on while others run', () => {
  it('hold up neither chunks nor columns of latencies', async () => {
    const chunks: Chunk[] = [];
    const collector = await Collector.start({
      frequencyHz: 99,
      filter: { kind: 'all' },
      onChunk: (chunk) => chunks.push(chunk),
      onStatus: () => {},
    });
    try {
      await collector.setLatency(['syscalls']);
      await sleep(2500);
      // The kernel checks each of these for a second or so.
      await collector.setOffCpu({ thresholdNs: 10e6 });
      await collector.setLatency(
        ['runqueue', 'block', 'syscalls', 'fs', 'tcp', 'faults', 'dns'],
        ['block', 'fs', 'tcp', 'faults'],
      );
      await sleep(1500);
    } finally {
      await collector.stop();
    }
    const running = chunks.slice(1, -1);
    const lengths = running.map(({ header }) => header.endNs - header.startNs);
    expect(Math.max(...lengths) / 1e6).toBeLessThan(900);
    const columns = running.flatMap(({ tables: { latencies } }) => [
      ...latencies.columns.durationNs.subarray(0, latencies.length),
    ]);
    expect(columns.length).toBeGreaterThan(100);
    expect(Math.max(...columns) / 1e6).toBeLessThan(1600);
  });
});

describe('what stays behind', () => {
  it('nothing, when the collector stops', async () => {
    const before = loadedSamplers();
    const run = await ProfiledRun.start(HZ);
    expect(loadedSamplers()).toBe(before + 1);
    await run.stop();
    expect(loadedSamplers()).toBe(before);
  });

  it('nothing, where it can not start', async () => {
    const [samplers, files] = [loadedSamplers(), openFiles()];
    // The last thing that it does.
    await expect(
      ProfiledRun.start(HZ, { kind: 'all' }, { thresholdNs: Number.NaN }),
    ).rejects.toThrow();
    expect(loadedSamplers()).toBe(samplers);
    expect(openFiles()).toEqual(files);
  });
});

/** The files that this process has open, but for the one that lists them. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return [];
    }
  });
}

/** CPU samplers in the kernel, which lists the code of BPF programs among its symbols. */
function loadedSamplers(): number {
  return (
    readFileSync('/proc/kallsyms', 'latin1').match(/ bpf_prog_[0-9a-f]{16}_sample_cpu/g)?.length ??
    0
  );
}

describe('what a status tells', () => {
  it('is told where programs go while their run time is measured', async () => {
    let statuses = 0;
    const collector = await Collector.start({
      frequencyHz: 99,
      filter: { kind: 'all' },
      onChunk: () => {},
      onStatus: () => statuses++,
    });
    const nextStatus = async (): Promise<void> => {
      const before = statuses;
      while (statuses === before) await sleep(5);
    };
    try {
      await collector.setOffCpu({ thresholdNs: 10e6 });
      // Other programs than before: a measurement begins with this status, and ends a quarter of a second later.
      await nextStatus();
      await collector.setOffCpu(undefined);
      await nextStatus();
    } finally {
      await collector.stop();
    }
    expect(statuses).toBeGreaterThan(1);
  });
});
