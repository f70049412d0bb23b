import { expect, it } from 'vitest';
import { type Check, runProbe } from './check';
import { type OffCpuTrial, offCpuProbes } from './off-cpu';

const SEEN: OffCpuTrial = { stackTime: 'late', waits: 50, woken: 20, threads: 12 };

async function examine(run: () => Promise<OffCpuTrial>): Promise<Record<string, Check>> {
  const checks: Record<string, Check> = {};
  for (const probe of offCpuProbes(run)) checks[probe.id] = await runProbe(probe);
  return checks;
}

it('tries once, and says by which way waits are seen', async () => {
  let runs = 0;
  const checks = await examine(async () => {
    runs++;
    return SEEN;
  });
  expect(runs).toBe(1);
  expect(Object.values(checks).map(({ id, state }) => [id, state])).toEqual([
    ['off-cpu', 'ok'],
    ['off-cpu-stacks', 'ok'],
    ['thread-times', 'ok'],
    ['wakers', 'ok'],
  ]);
  expect(checks['off-cpu'].found).toBe('50 waits of this process');
  expect(checks['off-cpu-stacks'].found).toContain('bpf_task_work_schedule_resume');
  expect(checks['thread-times'].found).toBe('12 threads of this process');
  expect(checks.wakers.found).toContain('20 of 50 waits');
});

it('says what is less exact where stacks are taken as threads are switched out', async () => {
  const { 'off-cpu': all, 'off-cpu-stacks': stacks } = await examine(async () => ({
    ...SEEN,
    stackTime: 'early',
  }));
  expect(all.state).toBe('ok');
  expect(stacks.state).toBe('degraded');
  expect(stacks.found).toContain('switched out');
  expect(stacks.meaning).toContain('large error');
  expect(stacks.advice).toContain('6.18');
});

it('says what to do where nothing is seen', async () => {
  const checks = await examine(async () => ({ ...SEEN, waits: 0, woken: 0, threads: 0 }));
  for (const id of ['off-cpu', 'thread-times', 'wakers']) {
    expect(checks[id].state).toBe('degraded');
    expect(checks[id].advice).toBeDefined();
  }
});

it('says why the kernel refuses, once, and what is left', async () => {
  const checks = await examine(async () => {
    throw new Error('off-cpu.bpf.o can’t be loaded: EINVAL');
  });
  expect(checks['off-cpu']).toMatchObject({
    state: 'degraded',
    found: 'off-cpu.bpf.o can’t be loaded: EINVAL',
    meaning: expect.stringContaining('CPU time alone'),
    advice: expect.any(String),
  });
  for (const id of ['off-cpu-stacks', 'thread-times', 'wakers'])
    expect(checks[id]).toMatchObject({ state: 'degraded', found: expect.stringMatching(/^not/) });
});
