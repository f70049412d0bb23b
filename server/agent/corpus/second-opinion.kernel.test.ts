/** Hearth's stacks beside those of `perf record --call-graph dwarf`, of the same program at the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Demangler } from '../symbols/demangle';
import { compareProfilers, type NameOf, type Opinion, seenByTables } from './agreement';
import { type Aliases, aliasesOf } from './aliases';
import { PerfRecording } from './perf';
import { Profiling, RunningProgram } from './profiling';
import { type Program, programsForPerf } from './programs';
import { plainName, userStacks } from './user-stacks';

const HZ = 999;
const STACK_BYTES = 16_384;
const SECONDS = 4;
const LEAST_SAMPLES = 1000;
const FUNCTIONS = 20;
const MOST_STANDARD_ERRORS = 3;

const demangler = new Demangler();
const aliases = new Map<string, Aliases>();

/** Without what the profilers' demanglers do differently, and without their choice among the names of an address. */
const nameOf: NameOf = ({ name, module }) => {
  const demangled = plainName(demangler.demangle(name));
  if (!/\/lib(c|m)\.so\.6$/.test(module)) return demangled;
  let known = aliases.get(module);
  if (known === undefined) {
    known = aliasesOf(module);
    aliases.set(module, known);
  }
  return known.get(demangled) ?? demangled;
};

async function opinions(program: Program): Promise<Opinion[]> {
  const running = RunningProgram.start(program);
  try {
    await running.ready();
    const { pid } = running;
    const profiling = await Profiling.start(HZ, { kind: 'processes', pids: [pid] });
    const perf = await PerfRecording.start({ frequencyHz: HZ, pid, stackBytes: STACK_BYTES });
    const fromNs = Number(process.hrtime.bigint());
    await sleep(SECONDS * 1000);
    const toNs = Number(process.hrtime.bigint());
    await perf.stop();
    await profiling.stop();
    const ours = userStacks(profiling.profile, new Set([pid]), fromNs, toNs);
    const theirs = await perf.stacks(fromNs, toNs);
    await perf.dispose();
    for (const stacks of [ours, theirs]) {
      const samples = stacks.reduce((sum, stack) => sum + stack.samples, 0);
      expect(samples).toBeGreaterThan(LEAST_SAMPLES);
    }
    return compareProfilers(seenByTables(ours), theirs, FUNCTIONS, nameOf);
  } finally {
    await running.stop();
  }
}

const differing = (all: readonly Opinion[]): Opinion[] =>
  all.filter(({ standardErrors }) => standardErrors > MOST_STANDARD_ERRORS);

describe('perf agrees on the inclusive time of the 20 functions that have most', () => {
  it.each(programsForPerf().map((program) => ({ title: program.title, program })))(
    '$title',
    async ({ title, program }) => {
      const first = await opinions(program);
      expect(first).toHaveLength(FUNCTIONS);
      const most = Math.max(...first.map(({ standardErrors }) => standardErrors));
      console.info(`${title}: at most ${most.toFixed(2)} standard errors apart`);
      const doubtful = differing(first);
      if (doubtful.length === 0) return;
      // Of 20 functions in each of some programs, chance alone puts one apart every few runs; a real difference comes again.
      const again = new Map((await opinions(program)).map((opinion) => [opinion.name, opinion]));
      const still = doubtful
        .map(({ name }) => again.get(name))
        .filter((found) => found !== undefined);
      expect(differing(still)).toEqual([]);
    },
  );
});
