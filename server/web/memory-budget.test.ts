import { describe, expect, it } from 'vitest';
import { MemoryBudget } from './memory-budget';

/** Hearth takes `othersBytes`, and what live views reach back to: all that they may, at least their last minute. */
function keep(othersBytes: number, minuteBytes = 6e6, limitBytes = 300e6) {
  const history = {
    maxBytes: 96e6,
    get bytes() {
      return Math.max(minuteBytes, history.maxBytes);
    },
    get oldBytes() {
      return history.bytes - minuteBytes;
    },
    limitBytes(maxBytes: number): void {
      history.maxBytes = maxBytes;
    },
  };
  const budget = new MemoryBudget(limitBytes, history);
  const read = (seconds: number, others = othersBytes): string[] =>
    Array.from({ length: seconds }, () => budget.read(others + history.bytes)).filter(
      (change) => change !== undefined,
    );
  return { budget, history, read };
}

describe('the memory budget', () => {
  it('lets live views go back less far, step by step, until it is kept', () => {
    const { history, read } = keep(260e6);
    expect(read(14)).toEqual([]);
    expect(read(1)).toEqual([
      'live views hold 51 MB at most, and go back less far: Hearth took 356 MB of memory, the budget is 300 MB',
    ]);
    expect(read(29)).toEqual([]);
    expect(read(1)).toHaveLength(1);
    expect(history.bytes).toBe(28.5e6);
    expect(read(1000)).toEqual([]);
  });

  it('leaves them their last minute, and says no more when the rest is given up', () => {
    const { history, read } = keep(400e6, 40e6);
    expect(read(1000)).toHaveLength(3);
    expect(history.bytes).toBe(47e6);
  });

  it('changes nothing where that would not help', () => {
    const { history, read } = keep(400e6, 90e6);
    expect(read(1000)).toEqual([]);
    expect(history.maxBytes).toBe(96e6);
  });

  it('lets them go back again when there is room for a minute, for what they may take then, too', () => {
    const { history, read } = keep(260e6);
    read(100);
    expect(history.maxBytes).toBe(28.5e6);
    expect(read(1000, 200e6)).toEqual([]);
    expect(read(70, 120e6)).toEqual([
      'live views hold 57 MB at most, and go back further: Hearth took 149 MB of memory, the budget is 300 MB',
    ]);
    expect(read(1000, 80e6)).toHaveLength(1);
    expect(history.maxBytes).toBe(96e6);
  });
});
