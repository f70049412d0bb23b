import { describe, expect, it } from 'vitest';
import { CalmPace } from './calm-pace';

/** Values 1, 2, 3... every 250 ms from the start on, and what is shown of them. */
function shown(times: number, keyAt: (i: number) => string, isCalm = true): number[] {
  const pace = new CalmPace<number>();
  return Array.from({ length: times }, (_, i) =>
    pace.show(i + 1, [keyAt(i)], isCalm, 10_000 + i * 250),
  );
}

describe('numbers that are read', () => {
  it('change once a second while the user does nothing', () => {
    const values = shown(24, () => 'same').slice(8);
    expect(new Set(values).size).toBeLessThanOrEqual(5);
    for (const [i, value] of values.entries()) expect(9 + i - value).toBeLessThan(4);
  });

  it('follow at once for a second after the user has chosen something else', () => {
    const values = shown(24, (i) => (i < 14 ? 'first' : 'second'));
    expect(values.slice(14, 18)).toEqual([15, 16, 17, 18]);
    expect(values[20]).toBeLessThan(21);
  });

  it('follow at once where calm is not wanted', () => {
    expect(shown(12, () => 'same', false)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it('say when the newest is to be shown, should nothing follow it', () => {
    const pace = new CalmPace<string>();
    pace.show('a', [], true, 0);
    pace.show('b', [], true, 5000);
    expect(pace.show('c', [], true, 5100)).toBe('b');
    const due = pace.dueInMs(5100);
    expect(due).toBeGreaterThan(0);
    expect(pace.show('c', [], true, 5100 + due)).toBe('c');
  });
});
