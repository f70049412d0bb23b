import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { MappingKind } from '@/profile/schema';
import { MappingTable } from './mappings';
import type { Processes } from './processes';
import { type RawStack, Stacks } from './stacks';

const module = (path: string, kind: MappingKind) => ({
  key: path,
  namesKey: path,
  path,
  buildId: path,
  kind,
  fd: undefined,
  reachablePath: path,
  isUnused: false,
});
const table = (path: string) =>
  MappingTable.EMPTY.with({
    start: 0,
    end: 4,
    fileOffset: 0,
    module: module(path, MappingKind.Executable),
  });

it('gives a stack the same row whatever stacks came before it', () => {
  const processes = [1, 2].map((pid) => ({ pid, mappings: table('/a') }));
  const fake = {
    get: (pid: number) => processes[pid - 1],
    mappings: ({ mappings }: (typeof processes)[number]) => mappings,
    mappingsFor: ({ mappings }: (typeof processes)[number]) => mappings,
    modules: { anonymous: (pid: number) => module(`[anon:${pid}]`, MappingKind.Jit) },
  } as unknown as Processes;
  const builder = new ProfileBuilder();
  const kernel = { textStart: 0, buildId: '' };
  const rowIn = (stacks: Stacks, raw: RawStack): number | undefined => {
    stacks.add(raw);
    return stacks.combine({ low: 0, high: 0 }, { low: raw.idLow, high: raw.idHigh });
  };
  const stacks = new Stacks(builder, fake, kernel);
  const raw = fc.record({
    pid: fc.integer({ min: 1, max: 2 }),
    end: fc.nat(2),
    // From 4 on, memory without a file.
    addresses: fc.array(fc.nat(6), { maxLength: 6 }).map((all) => Float64Array.from(all)),
    isReplaced: fc.boolean(),
  });
  let id = 1;
  fc.assert(
    fc.property(raw, ({ isReplaced, ...rest }) => {
      if (isReplaced) processes[0].mappings = table(`/${id}`);
      const one = { ...rest, isUser: true, idLow: id++, idHigh: 1 };
      expect(rowIn(stacks, one)).toBe(rowIn(new Stacks(builder, fake, kernel), one));
    }),
    { numRuns: 2000 },
  );
});
