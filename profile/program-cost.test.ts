import { describe, expect, it } from 'vitest';
import { programCost, programCosts } from './program-cost';
import type { CollectorStatus } from './status';

function collectorWith(isOffCpuOn: boolean): CollectorStatus {
  return {
    offCpu: isOffCpuOn ? {} : undefined,
    bpfPrograms: {
      sample_cpu: { cpu: 0.5, nsPerRun: 1000, runs: 99 },
      on_switch: { cpu: 0.02, nsPerRun: 400, runs: 100 },
      on_exit: { cpu: 0.5, nsPerRun: 1000, runs: 99 },
      on_waking: { cpu: 0.01, nsPerRun: 200, runs: 300 },
      latency_syscall_enter: { cpu: 0.03, nsPerRun: 90, runs: 10 },
      latency_syscall_exit: { cpu: 0.04, nsPerRun: 110, runs: 10 },
    },
    latency: {
      sources: ['futex', 'runqueue', 'waits', 'tcp', 'syscalls'],
      stacks: [],
      oneIn: 1,
      problems: {},
    },
  } as unknown as CollectorStatus;
}

describe('what programs cost', () => {
  it('is that of all that are there for one thing, and no others', () => {
    const cost = programCost('offCpu', collectorWith(true));
    expect(cost).toEqual({
      extras: ['offCpu', 'runqueue', 'waits'],
      cpu: 0.03,
      runs: 400,
      runNs: 100_000,
    });
  });

  it('is shared by sources of the same programs', () => {
    const collector = collectorWith(true);
    expect(programCost('futex', collector)?.extras).toEqual(['syscalls', 'futex']);
    expect(programCost('futex', collector)).toEqual(programCost('syscalls', collector));
    expect(programCost('runqueue', collector)).toEqual(programCost('offCpu', collector));
  });

  it('is not known of what is off, or has not been measured yet', () => {
    const collector = collectorWith(false);
    expect(programCost('offCpu', collector)).toBeUndefined();
    expect(programCost('fs', collector)).toBeUndefined();
    expect(programCost('runqueue', collector)).toBeUndefined();
    expect(programCost('tcp', collector)).toBeUndefined();
  });

  it('counts each program once', () => {
    expect(programCosts(collectorWith(true)).map(({ extras }) => extras)).toEqual([
      ['offCpu', 'runqueue', 'waits'],
      ['syscalls', 'futex'],
    ]);
  });
});
