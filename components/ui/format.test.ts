import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatElapsed,
  formatShare,
  formatShortCount,
  formatWhen,
} from './format';

describe('numbers', () => {
  it('groups the digits of counts', () => {
    expect(formatCount(0)).toBe('0');
    expect(formatCount(1234567)).toBe('1,234,567');
  });

  it('shortens large counts to three digits', () => {
    expect([0, 999, 1000, 12_345, 999_900, 4_200_000, 7e9].map(formatShortCount)).toEqual([
      '0',
      '999',
      '1.00k',
      '12.3k',
      '1.00M',
      '4.20M',
      '7.00G',
    ]);
  });

  it('never says 0% or 100% of what is not', () => {
    expect([0, 0.0001, 0.5, 0.99999, 1].map(formatShare)).toEqual([
      '0.0%',
      '<0.1%',
      '50.0%',
      '>99.9%',
      '100.0%',
    ]);
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }), (share) => {
        expect(['0.0%', '100.0%']).not.toContain(formatShare(share));
      }),
    );
  });

  it('shows bytes in units of 1000', () => {
    expect([0, 999, 1000, 1536, 300e6, 3e12].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '1.54 kB',
      '300 MB',
      '3.00 TB',
    ]);
  });
});

describe('times', () => {
  it('shows lengths in the unit that fits', () => {
    expect([0, 350, 999.6, 12_340, 59_960, 125_000, 3_725_000].map(formatDuration)).toEqual([
      '0 ms',
      '350 ms',
      '1.0 s',
      '12.3 s',
      '1 min 00 s',
      '2 min 05 s',
      '1 h 02 min',
    ]);
  });

  it('shows elapsed time as a stop watch does', () => {
    expect([-5, 7_900, 750_000, 3_723_000].map(formatElapsed)).toEqual([
      '0:00',
      '0:07',
      '12:30',
      '1:02:03',
    ]);
  });

  it('says today for today', () => {
    const now = new Date(2026, 10, 3, 18, 0, 0).getTime();
    expect(formatWhen(new Date(2026, 10, 3, 14, 3, 22).getTime(), now)).toBe('Today, 14:03:22');
    expect(formatWhen(new Date(2026, 10, 2, 14, 3, 22).getTime(), now)).toBe(
      '2 Nov 2026, 14:03:22',
    );
  });
});
