import { expect, it, vi } from 'vitest';
import { RunTimeMeter, StealMeter } from './cost';
import { BpfError } from './libbpf';

const enabled = vi.hoisted(() => ({ now: 0, isRefused: false }));
vi.mock('./libbpf', async (importOriginal) => ({
  ...(await importOriginal<typeof import('./libbpf')>()),
  enableRunTimeStatistics: () => {
    if (enabled.isRefused) throw new BpfError('BPF run time statistics', 1, '');
    enabled.now++;
    return () => {
      enabled.now--;
    };
  },
}));

/** A program that runs ten times between readings, 100 ns each time, while that is measured. */
function program() {
  let runs = 0;
  const used = () => [{ name: 'sample', runs, runTimeNs: runs * 100 }];
  return {
    run: () => {
      if (enabled.now > 0) runs += 10;
    },
    used,
  };
}

it('run times are measured a quarter of a second in ten, and when programs came', () => {
  vi.useFakeTimers();
  try {
    const meter = new RunTimeMeter();
    const { run, used } = program();
    const measured: boolean[] = [];
    const read = (names: string) => {
      const result = meter.read(names, used);
      measured.push(enabled.now > 0);
      run();
      vi.advanceTimersByTime(250);
      expect(enabled.now).toBe(0);
      run();
      vi.advanceTimersByTime(250);
      return result;
    };
    expect(read('a').bpfCpu).toHaveProperty('notMeasured');
    for (let second = 1; second < 10; second++)
      expect(read('a').bpfPrograms.sample).toMatchObject({ runs: 10, nsPerRun: 100 });
    expect(measured).toEqual([true, ...Array.from({ length: 9 }, () => false)]);
    read('a');
    read('b');
    read('b');
    expect(measured.slice(10)).toEqual([true, true, false]);
    meter.read('c', used);
    expect(enabled.now).toBe(1);
    meter.dispose();
    expect(enabled.now).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it('where the kernel refuses to measure run times, that is said, and everything else goes on', () => {
  enabled.isRefused = true;
  const meter = new RunTimeMeter();
  try {
    expect(meter.read('a', program().used)).toEqual({
      bpfCpu: { notMeasured: expect.stringContaining('CAP_SYS_ADMIN') },
      bpfPrograms: {},
    });
  } finally {
    meter.dispose();
    enabled.isRefused = false;
  }
});

it('for benchmarks it is measured all the time', () => {
  const meter = new RunTimeMeter(true);
  const { run, used } = program();
  for (let second = 0; second < 15; second++) {
    const { bpfPrograms } = meter.read('a', used);
    if (second > 0) expect(bpfPrograms.sample.runs).toBe(10);
    expect(enabled.now).toBe(1);
    run();
  }
  meter.dispose();
  expect(enabled.now).toBe(0);
});

it('steal is a share of all CPUs, over ten readings, and not known before', () => {
  let [seconds, stolen] = [100, 7];
  const meter = new StealMeter(
    () => stolen,
    () => seconds,
  );
  const read = () => {
    seconds++;
    stolen += 0.1;
    return meter.read(4);
  };
  for (let second = 1; second < 10; second++) expect(read()).toHaveProperty('notMeasured');
  expect(read()).toEqual({ value: expect.closeTo(1 / 40) });
  for (let second = 1; second < 10; second++)
    expect(read()).toEqual({ value: expect.closeTo(1 / 40) });
});
