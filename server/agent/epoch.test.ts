import { expect, it } from 'vitest';
import { Growth } from './epoch';

const SECOND = 1e9;

it('tables have doubled where they are twice as large as after their first minute', () => {
  const growth = new Growth(5 * SECOND);
  // However fast they fill at first.
  expect(growth.hasDoubled(1000, 6 * SECOND)).toBe(false);
  expect(growth.hasDoubled(80_000, 64 * SECOND)).toBe(false);
  expect(growth.hasDoubled(160_000, 66 * SECOND)).toBe(false);
  expect(growth.hasDoubled(160_001, 67 * SECOND)).toBe(true);
});

it('small tables may double as often as they like', () => {
  const growth = new Growth(0);
  growth.hasDoubled(100, SECOND);
  expect(growth.hasDoubled(50_000, 1000 * SECOND)).toBe(false);
  expect(growth.hasDoubled(50_001, 1001 * SECOND)).toBe(true);
});

it('tables that nobody asked about while they settled are taken as they are', () => {
  expect(new Growth(0).hasDoubled(90_000, 100 * SECOND)).toBe(false);
});
