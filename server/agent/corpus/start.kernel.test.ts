/** Stacks of processes from their first sample on, in programs and libraries of which another process runs already. */
import { describe, it } from 'vitest';
import { expectKnownCalls, expectWhole } from './expectations';
import { Profiling, RunningProgram } from './profiling';
import { programsForPerf } from './programs';
import { userStacks } from './user-stacks';

const HZ = 999;
/** More than elsewhere: those before the program runs, of a copy of this process, are whole more seldom. */
const SAMPLES = 6000;
const MAX_MS = 60_000;

describe('stacks of processes that have just been started', () => {
  it.each(programsForPerf().map((program) => ({ title: program.title, program })))(
    '$title',
    async ({ title, program }) => {
      const before = RunningProgram.start(program);
      await before.ready();
      const profiling = await Profiling.start(HZ, { kind: 'trees', pids: [process.pid] });
      await before.stop();
      const running = RunningProgram.start(program);
      try {
        await profiling.sampled([running.pid], SAMPLES, MAX_MS);
      } finally {
        await running.stop();
        await profiling.stop();
      }
      const stacks = userStacks(profiling.profile, new Set([running.pid]));
      expectWhole(title, stacks);
      if (program.chains.length > 0) expectKnownCalls(title, stacks, program.chains);
    },
  );
});
