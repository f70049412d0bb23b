import { expect, it } from 'vitest';
import { rateText } from './rate-text';

it('says between what the sampling rate was changed', () => {
  const of = (...rates: number[]): string | undefined =>
    rateText(rates.map((frequencyHz) => ({ frequencyHz })));
  expect(of(99)).toBe('99 Hz');
  expect(of(99, 99)).toBe('99 Hz');
  expect(of(99, 49, 11, 49)).toBe('11 to 99 Hz');
  expect(of(0)).toBeUndefined();
  expect(of()).toBeUndefined();
});
