/** Stacks of programs as compilers make them: with and without frame pointers, at all levels of optimization. */
import { beforeAll, describe, it } from 'vitest';
import { expectKnownCalls, expectWhole } from './expectations';
import { steadyStacks } from './profiling';
import { compiledPrograms } from './programs';
import type { UserStack } from './user-stacks';

const HZ = 999;
/** Enough for the bound of a share of which one sample in a thousand is missing. */
const SAMPLES = 3000;

const programs = compiledPrograms();
let stacksOf: ReadonlyMap<string, readonly UserStack[]>;

beforeAll(async () => {
  stacksOf = await steadyStacks(programs, HZ, SAMPLES);
}, 400_000);

describe('stacks of programs that run for a while already', () => {
  it.each(programs.map(({ title, chains }) => ({ title, chains })))(
    '$title',
    ({ title, chains }) => {
      const stacks = stacksOf.get(title) ?? [];
      expectWhole(title, stacks);
      expectKnownCalls(title, stacks, chains);
    },
  );
});
