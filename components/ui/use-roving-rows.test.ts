import { expect, it } from 'vitest';
import { rowAfterKey } from './use-roving-rows';

it.each([
  ['ArrowDown', 4, 5],
  ['ArrowUp', 4, 3],
  ['ArrowUp', 0, 0],
  ['ArrowDown', 99, 99],
  ['PageDown', 4, 24],
  ['PageDown', 90, 99],
  ['PageUp', 4, 0],
  ['Home', 50, 0],
  ['End', 50, 99],
])('%s leads from row %i of 100 to row %i', (key, at, to) => {
  expect(rowAfterKey(key, at, 100, 20)).toBe(to);
});

it('leaves other keys to others', () => {
  for (const key of ['ArrowLeft', 'Enter', ' ', 'a', 'toString'])
    expect(rowAfterKey(key, 4, 100, 20)).toBeUndefined();
});
