/** Stacks of a program that is in the dynamic linker at most times, called for by code that has its CFA in rbx. */
import { expect, it } from 'vitest';
import { expectKnownCalls, expectWhole } from './expectations';
import { steadyStacks } from './profiling';
import { lazyProgram } from './programs';
import { shareOf } from './user-stacks';

const HZ = 999;
const SAMPLES = 3000;
const LINKER = /\/ld-linux[^/]*$|\/ld-[\d.]+\.so$/;

it('stacks go on through the dynamic linker when it looks for functions', async () => {
  const program = lazyProgram();
  const stacks = (await steadyStacks([program], HZ, SAMPLES)).get(program.title) ?? [];
  const inLinker = shareOf(stacks, ({ frames }) => LINKER.test(frames.at(-1)?.module ?? ''));
  expect(inLinker.lowerBound, JSON.stringify(inLinker)).toBeGreaterThan(0.5);
  expectWhole(program.title, stacks);
  expectKnownCalls(program.title, stacks, program.chains);
}, 120_000);
