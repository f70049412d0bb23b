import { describe, expect, it } from 'vitest';
import { LOSS_REASONS } from '@/profile/status';
import { lossRows, lossSummary } from './losses';

describe('losses', () => {
  it('has a row for every reason, zero where nothing was lost', () => {
    const rows = lossRows({});
    expect(rows.map(({ reason }) => reason)).toEqual(Object.keys(LOSS_REASONS));
    expect(rows.every(({ count }) => count === 0)).toBe(true);
    expect(lossSummary(rows)).toBe('0');
  });

  it('has what was lost before what was not', () => {
    const [first, second, third] = lossRows({ 'map-full': 2, 'sample-ring-full': 1 });
    expect([first.count, second.count, third.count]).toEqual([1, 2, 0]);
  });

  it('keeps a reason that it does not know', () => {
    expect(lossRows({ 'moon-phase': 3 })[0]).toEqual({
      reason: 'moon-phase',
      text: 'moon-phase',
      unit: 'events',
      count: 3,
    });
  });

  it('sums by unit', () => {
    expect(lossSummary(lossRows({ 'sample-ring-full': 1200, 'scratch-busy': 34 }))).toBe(
      '1,234 samples',
    );
    expect(lossSummary(lossRows({ 'scratch-busy': 1, 'stack-ring-full': 2 }))).toBe(
      '1 sample, 2 stacks',
    );
  });
});
