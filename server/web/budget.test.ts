import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Extra } from '@/profile/program-cost';
import type { CollectorStatus, ProcessCost } from '@/profile/status';
import {
  type Budget,
  BudgetKeeper,
  BudgetSteps,
  DEFAULT_BUDGET,
  type Setting,
  settingAfter,
  type Wish,
} from './budget';
import type { History } from './memory-budget';

/** Readings of a cost that halves with each step, until `seconds` have gone by; the steps at each second. */
function follow(steps: BudgetSteps, cost: number, seconds: number): number[] {
  return Array.from({ length: seconds }, () => {
    steps.read(cost / 2 ** steps.steps);
    return steps.steps;
  });
}

const WEB: ProcessCost = { cpu: { value: 0.02 }, residentBytes: { value: 100e6 } };
/** With the web process, 2.5 % of the machine. */
const DEAR = {
  cpus: 2,
  agent: { cpu: { value: 0.03 }, residentBytes: { value: 120e6 } },
  bpfCpu: { notMeasured: 'not yet' },
  bpfMapBytes: { value: 50e6 },
  stolen: { value: 0 },
  bpfPrograms: {},
  latency: { sources: [], stacks: [], oneIn: 1, problems: {} },
  losses: {},
} as unknown as CollectorStatus;
const WISH: Wish = { frequencyHz: 99, thresholdNs: undefined, latencies: [] };

/** Which takes nothing. */
const HISTORY: History = { bytes: 0, oldBytes: 0, maxBytes: 96e6, limitBytes: () => {} };

/** A keeper, and what it does. */
function keep(wish = WISH, budget: Budget = DEFAULT_BUDGET) {
  const applied: Setting[] = [];
  const stopped: (readonly Extra[])[] = [];
  const keeper = new BudgetKeeper(budget, wish, {
    history: HISTORY,
    apply: (setting) => applied.push(setting),
    stop: (extras) => stopped.push(extras),
  });
  const read = (collector: CollectorStatus, seconds: number): void => {
    for (let second = 0; second < seconds; second++) keeper.read(collector, WEB);
  };
  return { keeper, applied, stopped, read, last: () => keeper.status.changes.at(-1)?.text };
}

describe('the budget', () => {
  it('is kept step by step, after the start', () => {
    const seen = follow(new BudgetSteps(1), 3, 120);
    expect(seen.slice(0, 44).every((steps) => steps === 0)).toBe(true);
    expect(seen[44]).toBe(1);
    expect(seen.at(-1)).toBe(2);
  });

  it('leads back when there is room for long, not before', () => {
    const steps = new BudgetSteps(1);
    follow(steps, 3, 120);
    expect(follow(steps, 2.4, 100).at(-1)).toBe(2);
    const back = follow(steps, 0.1, 400);
    expect(back.at(-1)).toBe(0);
    expect(back.indexOf(1)).toBeGreaterThan(40);
  });

  it('does not go to and fro, whatever the cost', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 30, noNaN: true }), (cost) => {
        const seen = follow(new BudgetSteps(1), cost, 2000);
        const turns = seen.filter((steps, i) => i > 0 && steps < seen[i - 1]);
        expect(turns).toEqual([]);
      }),
    );
  });

  it('is for nothing where more comes than can be read: a step is taken at once, and again', () => {
    const { applied, read, last } = keep({ ...WISH, thresholdNs: 10e6 });
    const lost = (count: number) => ({ ...DEAR, losses: { 'wait-ring-full': count } });
    read(lost(5000), 1);
    expect(applied).toEqual([]);
    // No more are lost: something ended, and it is over.
    read(lost(5000), 1);
    read(lost(9000), 1);
    expect(applied).toEqual([]);
    read(lost(13_000), 1);
    expect(applied).toEqual([{ frequencyHz: 49, thresholdNs: 20e6 }]);
    expect(last()).toBe(
      'sampling lowered to 49 Hz, waits all taken from 20 ms on: 4000 events found the ring full, for more comes than can be read',
    );
    read(lost(15_000), 1);
    expect(applied).toHaveLength(2);
    // A new agent begins at 0.
    read(lost(40), 1);
    read(lost(120), 5);
    expect(applied).toHaveLength(2);
  });

  it('of 0 is no limit, whatever is lost', () => {
    const { applied, read } = keep(WISH, { ...DEFAULT_BUDGET, cpuPercent: 0 });
    for (let second = 1; second < 10; second++)
      read({ ...DEAR, losses: { 'sample-ring-full': 1000 * second } }, 1);
    expect(applied).toEqual([]);
    expect(follow(new BudgetSteps(0), 50, 300).every((steps) => steps === 0)).toBe(true);
  });

  it('halves the frequency and doubles the threshold, within bounds', () => {
    const wish = { frequencyHz: 99, thresholdNs: 10e6, latencies: [] };
    expect(settingAfter(wish, 0)).toMatchObject({ frequencyHz: 99, thresholdNs: 10e6 });
    expect(settingAfter(wish, 1)).toMatchObject({ frequencyHz: 49, thresholdNs: 20e6 });
    expect(settingAfter(wish, 4)).toMatchObject({ frequencyHz: 11, thresholdNs: 160e6 });
    expect(settingAfter({ frequencyHz: 5, thresholdNs: 500e6, latencies: [] }, 3)).toMatchObject({
      frequencyHz: 5,
      thresholdNs: 500e6,
    });
    expect(
      settingAfter({ frequencyHz: 99, thresholdNs: undefined, latencies: [] }, 1).thresholdNs,
    ).toBeUndefined();
  });

  it('times half as many latency events with each step, of what is measured', () => {
    const wish: Wish = { frequencyHz: 99, thresholdNs: undefined, latencies: ['syscalls'] };
    expect([0, 1, 2, 3, 4].map((steps) => settingAfter(wish, steps).latencyOneIn)).toEqual([
      1, 2, 4, 8, 16,
    ]);
    expect(settingAfter({ ...wish, latencies: [] }, 3).latencyOneIn).toBeUndefined();
  });

  it('says what it did and why, and follows a new wish', () => {
    const { keeper, applied, read } = keep();
    read(DEAR, 45);
    expect(applied).toEqual([{ frequencyHz: 49, thresholdNs: undefined }]);
    expect(keeper.status).toMatchObject({ isLowered: true, usedBytes: 270e6, wishedHz: 99 });
    expect(keeper.status.changes.map(({ text }) => text)).toEqual([
      'sampling lowered to 49 Hz: Hearth used 2.5 % of the machine, the budget is 1 %',
    ]);
    keeper.wish({ frequencyHz: 199 });
    expect(applied.at(-1)).toEqual({ frequencyHz: 199, thresholdNs: undefined });
    expect(keeper.status.isLowered).toBe(false);
  });

  it('thins the latencies that are measured and can be, and says which', () => {
    const { keeper, applied, read, last } = keep();
    const lower = (): void => read(DEAR, 50);
    lower();
    keeper.measure(['tcp', 'futex', 'syscalls']);
    expect(applied.at(-1)).toEqual({ frequencyHz: 99, latencyOneIn: 1 });
    lower();
    expect(applied.at(-1)).toEqual({ frequencyHz: 24, latencyOneIn: 4 });
    expect(last()).toMatch(
      /^sampling lowered to \d+ Hz, System calls and Futexes: one in \d+ timed, those of 200 ms and more all: Hearth used/,
    );

    // Neither of them is another wish: what is in force stays.
    const before = applied.length;
    keeper.measure(['syscalls', 'futex', 'dns']);
    expect(applied).toHaveLength(before);
    keeper.measure(['block']);
    expect(applied.at(-1)).toEqual({ frequencyHz: 99, thresholdNs: undefined });
    lower();
    expect(last()).toMatch(/^sampling lowered to \d+ Hz: /);
  });

  it('switches off the dearest where all steps are not enough, and says so until it is on again', () => {
    const program = (cpu: number) => ({ cpu, nsPerRun: 300, runs: 1000 });
    const all = {
      ...DEAR,
      offCpu: {},
      bpfPrograms: {
        sample_cpu: program(0.2),
        on_switch: program(0.02),
        on_waking: program(0.02),
        latency_syscall_enter: program(0.015),
        latency_syscall_exit: program(0.015),
      },
      latency: { ...DEAR.latency, sources: ['runqueue', 'syscalls', 'fs'] },
    } as unknown as CollectorStatus;
    const { keeper, applied, stopped, read, last } = keep({
      frequencyHz: 99,
      thresholdNs: 10e6,
      latencies: ['runqueue', 'syscalls', 'fs'],
    });
    read(all, 30 + 4 * 20);
    expect(applied.at(-1)).toEqual({ frequencyHz: 11, thresholdNs: 160e6, latencyOneIn: 16 });
    expect(stopped).toEqual([]);
    read(all, 20);
    expect(stopped).toEqual([['offCpu']]);
    expect(last()).toBe(
      'Off-CPU profiling switched off: measuring took 2.0 % of the machine in BPF programs alone, the budget is 1 %',
    );
    expect(keeper.setting).toEqual({ frequencyHz: 11, thresholdNs: undefined, latencyOneIn: 16 });

    const { offCpu: _, ...without } = all;
    read(without, 20);
    expect(stopped).toEqual([['offCpu'], ['syscalls', 'fs']]);
    expect(last()).toMatch(/^System calls and File systems switched off: measuring took 1.5 %/);
    expect(keeper.status.stopped.map(({ extra }) => extra)).toEqual(['offCpu', 'syscalls', 'fs']);

    // The rest is less than the budget: to switch it off would not help.
    const rest = { ...without, latency: { ...DEAR.latency, sources: ['runqueue' as const] } };
    read(rest, 100);
    expect(stopped).toHaveLength(2);

    keeper.wish({ thresholdNs: 10e6 });
    keeper.measure(['runqueue', 'fs']);
    expect(keeper.status.stopped.map(({ extra }) => extra)).toEqual(['syscalls']);
    expect(applied.at(-1)).toEqual({ frequencyHz: 99, thresholdNs: 10e6, latencyOneIn: 1 });
  });

  it('takes no step back that changes nothing, after it has switched off', () => {
    const collector = {
      ...DEAR,
      bpfPrograms: { latency_syscall_exit: { cpu: 0.05, nsPerRun: 300, runs: 1000 } },
      latency: { ...DEAR.latency, sources: ['syscalls'] },
    } as unknown as CollectorStatus;
    const { keeper, stopped, read, last } = keep({
      ...WISH,
      frequencyHz: 22,
      latencies: ['syscalls'],
    });
    read(collector, 30 + 5 * 20);
    expect(stopped).toEqual([['syscalls']]);
    const cheap = { ...DEAR, agent: { ...DEAR.agent, cpu: { value: 0 } } };
    keeper.setBudget({ ...DEFAULT_BUDGET, cpuPercent: 5 });
    read(cheap, 500);
    expect(last()).toMatch(/^sampling raised to 22 Hz: /);
    expect(keeper.status.changes.filter(({ text }) => text.includes('raised'))).toHaveLength(1);
  });

  it('takes no step that changes nothing', () => {
    const { applied, read } = keep({ frequencyHz: 24, thresholdNs: undefined, latencies: [] });
    read(DEAR, 200);
    expect(applied.map(({ frequencyHz }) => frequencyHz)).toEqual([12, 11]);
  });
});
