import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { RunningWorkload } from '@/bench/workloads/run';
import { CpuSampler } from './cpu-sampler';
import { BpfError, BpfObject } from './libbpf';
import { SystemError } from './libc';
import { IGNORE_ALL } from './receiver-for-tests';
import { type RecordReceiver, readRecords } from './record-reader';

let sampler: CpuSampler | undefined;

afterEach(() => {
  sampler?.dispose();
  sampler = undefined;
});

function receiver(
  onSample: (ids: readonly string[]) => void,
  onStack: (id: string) => void,
): RecordReceiver {
  const id = (high: number, low: number): string => `${high}:${low}`;
  return {
    ...IGNORE_ALL,
    sample: (s) =>
      onSample(
        [id(s.kernelHigh, s.kernelLow), id(s.userHigh, s.userLow)].filter((text) => text !== '0:0'),
      ),
    stack: (s) => onStack(id(s.idHigh, s.idLow)),
  };
}

describe('losses', () => {
  it('every sample that finds the ring full is counted, and lost stacks are sent again', async () => {
    const workloads = [0, 1].map(
      (depth) => new RunningWorkload(compileWorkload('recursion'), [depth * 60, 60]),
    );
    sampler = await CpuSampler.load(
      4999,
      { kind: 'processes', pids: workloads.map(({ pid }) => pid) },
      1 << 16,
    );
    sampler.followCpus();
    const stacks = new Set<string>();
    let received = 0;
    let unknown = 0;
    const collect = receiver(
      (ids) => {
        received++;
        if (!ids.every((id) => stacks.has(id))) unknown++;
      },
      (id) => stacks.add(id),
    );
    await sleep(2000);
    readRecords(sampler.ring, sampler.ring.position(), collect);
    const whileFull = sampler.counters();
    expect(whileFull['sample-ring-full']).toBeGreaterThan(100);
    expect(whileFull['stack-ring-full']).toBeGreaterThan(0);

    for (let i = 0; i < 200; i++) {
      await sleep(5);
      readRecords(sampler.ring, sampler.ring.position(), collect);
    }
    unknown = 0;
    const before = received;
    for (let i = 0; i < 50; i++) {
      await sleep(5);
      readRecords(sampler.ring, sampler.ring.position(), collect);
    }
    expect(received - before).toBeGreaterThan(50);
    expect(unknown, 'samples whose stack was never sent again').toBe(0);

    sampler.stop();
    readRecords(sampler.ring, sampler.ring.position(), collect);
    const { samples, ...losses } = sampler.counters();
    expect(received + losses['sample-ring-full'] + losses['scratch-busy']).toBe(samples);
    for (const { child } of workloads) child.kill();
  });

  it('a full ring has room for new records while the old ones are being read', async () => {
    const workload = new RunningWorkload(compileWorkload('recursion'), [10, 60]);
    sampler = await CpuSampler.load(4999, { kind: 'processes', pids: [workload.pid] }, 1 << 16);
    const { ring } = sampler;
    sampler.followCpus();
    await sleep(1000);
    expect(sampler.counters()['sample-ring-full']).toBeGreaterThan(0);
    const end = ring.position();
    let records = 0;
    let endMeanwhile = end;
    ring.drain(end, () => {
      if (++records !== 400) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      endMeanwhile = ring.position();
    });
    expect(records).toBeGreaterThan(400);
    expect(endMeanwhile).toBeGreaterThan(end);
    workload.child.kill();
  });

  it('a stack crosses the ring once, until all are asked for again', async () => {
    const workload = new RunningWorkload(compileWorkload('recursion'), [10, 60]);
    sampler = await CpuSampler.load(999, { kind: 'processes', pids: [workload.pid] });
    sampler.followCpus();
    const times = new Map<string, number>();
    let samples = 0;
    const collect = receiver(
      () => samples++,
      (id) => times.set(id, (times.get(id) ?? 0) + 1),
    );
    await sleep(1500);
    readRecords(sampler.ring, sampler.ring.position(), collect);
    expect(samples).toBeGreaterThan(100);
    expect(Math.max(...times.values())).toBe(1);
    sampler.resendStacks();
    await sleep(1000);
    readRecords(sampler.ring, sampler.ring.position(), collect);
    expect(Math.max(...times.values())).toBe(2);
    workload.child.kill();
  });
});

describe('errors', () => {
  it('say which file could not be opened', async () => {
    await expect(BpfObject.load('/nonexistent.bpf.o')).rejects.toThrow(BpfError);
    await expect(BpfObject.load('/nonexistent.bpf.o')).rejects.toThrow(/nonexistent.*ENOENT/s);
  });

  it('say which cgroup does not exist', async () => {
    await expect(CpuSampler.load(99, { kind: 'cgroup', path: '/no-such-cgroup' })).rejects.toThrow(
      /no-such-cgroup/,
    );
  });

  it('name the system call', () => {
    expect(new SystemError('mmap', 12).message).toBe('mmap: ENOMEM');
  });
});
