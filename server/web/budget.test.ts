import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CollectorStatus, ProcessCost } from '@/profile/status';
import { BudgetKeeper, BudgetSteps, settingAfter, type Wish } from './budget';

/** Readings of a cost that halves with each step, until `seconds` have gone by; the steps at each second. */
function follow(steps: BudgetSteps, cost: number, seconds: number): number[] {
  return Array.from({ length: seconds }, () => {
    steps.read(cost / 2 ** steps.steps);
    return steps.steps;
  });
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

  it('of 0 is no limit', () => {
    expect(follow(new BudgetSteps(0), 50, 300).every((steps) => steps === 0)).toBe(true);
  });

  it('halves the frequency and doubles the threshold, within bounds', () => {
    const wish = { frequencyHz: 99, thresholdNs: 10e6 };
    expect(settingAfter(wish, 0)).toEqual(wish);
    expect(settingAfter(wish, 1)).toEqual({ frequencyHz: 49, thresholdNs: 20e6 });
    expect(settingAfter(wish, 4)).toEqual({ frequencyHz: 11, thresholdNs: 160e6 });
    expect(settingAfter({ frequencyHz: 5, thresholdNs: 500e6 }, 3)).toEqual({
      frequencyHz: 5,
      thresholdNs: 500e6,
    });
    expect(
      settingAfter({ frequencyHz: 99, thresholdNs: undefined }, 1).thresholdNs,
    ).toBeUndefined();
  });

  it('says what it did and why, and follows a new wish', () => {
    const applied: Wish[] = [];
    const keeper = new BudgetKeeper(
      { cpuPercent: 1, memoryBytes: 300e6 },
      { frequencyHz: 99, thresholdNs: undefined },
      (setting) => applied.push(setting),
    );
    const web: ProcessCost = { cpu: { value: 0.02 }, residentBytes: { value: 100e6 } };
    const collector = {
      cpus: 2,
      agent: { cpu: { value: 0.03 }, residentBytes: { value: 120e6 } },
      bpfCpu: { notMeasured: 'not yet' },
      bpfMapBytes: { value: 50e6 },
    } as unknown as CollectorStatus;
    for (let second = 0; second < 45; second++) keeper.read(collector, web);
    expect(applied).toEqual([{ frequencyHz: 49, thresholdNs: undefined }]);
    expect(keeper.status).toMatchObject({ isLowered: true, usedBytes: 270e6, wishedHz: 99 });
    expect(keeper.status.changes.map(({ text }) => text)).toEqual([
      'sampling lowered to 49 Hz: Hearth used 2.5 % of the machine, the budget is 1 %',
    ]);
    keeper.wish({ frequencyHz: 199 });
    expect(applied.at(-1)).toEqual({ frequencyHz: 199, thresholdNs: undefined });
    expect(keeper.status.isLowered).toBe(false);
  });
});
