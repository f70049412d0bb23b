import { expect, it } from 'vitest';
import { MappingKind } from '@/profile/schema';
import { Epochs } from './epochs';
import { MappingTable } from './mappings';
import type { Processes } from './processes';

const mappings = MappingTable.EMPTY.with({
  start: 0,
  end: 1000,
  fileOffset: 0,
  module: {
    key: '/a',
    namesKey: '/a',
    path: '/a',
    buildId: 'aa',
    kind: MappingKind.Executable,
    fd: undefined,
    reachablePath: '/a',
  },
});
const processes = {
  get: (pid: number) => ({ pid }),
  mappings: () => mappings,
  mappingsFor: () => mappings,
} as unknown as Processes;
const NO_STACK = { low: 0, high: 0 };
const MORE_THAN_KEPT = 150_001;

const id = (low: number): { low: number; high: number } => ({ low, high: 1 });

function newEpochs(): {
  epochs: Epochs;
  add: (low: number, isUser?: boolean) => void;
  fill: () => void;
  offsets: (stack: number | undefined) => number[];
} {
  const epochs = new Epochs(processes, { textStart: 0, buildId: '' }, 0);
  const add = (low: number, isUser = true): void =>
    epochs.current.stacks.add({
      pid: 1,
      end: 0,
      isUser,
      idLow: low,
      idHigh: 1,
      addresses: Float64Array.of(10, low % 1000),
    });
  const fill = (): void => {
    for (let low = 2; low <= MORE_THAN_KEPT; low++) add(low);
  };
  const offsets = (stack: number | undefined): number[] => {
    const { stacks, frames } = epochs.current.builder.profile;
    const path: number[] = [];
    for (let at = stack ?? -1; at < stacks.length && at >= 0; at = stacks.columns.parent[at])
      path.push(frames.columns.offset[stacks.columns.frame[at]]);
    return path;
  };
  return { epochs, add, fill, offsets };
}

it('stacks of the tables before are known in the new ones, until no sample can name them', () => {
  const { epochs, add, fill, offsets } = newEpochs();
  add(1);
  expect(epochs.bound(0)).toBe(false);
  fill();
  const { current } = epochs;
  const before = offsets(epochs.stackOf(NO_STACK, id(777)));

  expect(epochs.bound(0)).toBe(true);
  expect(epochs.current).not.toBe(current);
  expect(before).toHaveLength(2);
  expect(offsets(epochs.stackOf(NO_STACK, id(777)))).toEqual(before);
  expect(epochs.stackOf(NO_STACK, id(MORE_THAN_KEPT + 1))).toBeUndefined();
  // Sent again meanwhile.
  add(778);

  expect(epochs.bound(0)).toBe(false);
  expect(epochs.bound(0)).toBe(false);
  expect(epochs.stackOf(NO_STACK, id(777))).toBeUndefined();
  expect(epochs.stackOf(NO_STACK, id(778))).toBeDefined();
});

it('the parts of a stack may be known in different tables, as long as something may name them', () => {
  const { epochs, add, fill, offsets } = newEpochs();
  const kernel = id(200_001);
  add(kernel.low, false);
  fill();
  const before = offsets(epochs.stackOf(kernel, id(777)));
  expect(before).toHaveLength(4);
  expect(epochs.bound(1e9)).toBe(true);
  for (const nowNs of [2e9, 3e9, 4e9, 10e9]) expect(epochs.bound(nowNs, 10e9)).toBe(false);

  expect(offsets(epochs.stackOf(kernel, id(777)))).toEqual(before);
  add(777);
  expect(offsets(epochs.stackOf(kernel, id(777)))).toEqual(before);
  add(kernel.low, false);
  expect(offsets(epochs.stackOf(kernel, id(777)))).toEqual(before);
  expect(offsets(epochs.stackOf(kernel, id(778)))).toHaveLength(4);

  epochs.bound(11e9, 10e9);
  expect(offsets(epochs.stackOf(kernel, id(777)))).toEqual(before);
  expect(epochs.stackOf(kernel, id(778))).toBeUndefined();
});
