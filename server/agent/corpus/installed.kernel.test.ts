/** Stacks of programs that are installed: interpreters, a JVM, and servers under load. */
import { describe, it } from 'vitest';
import { expectWhole } from './expectations';
import { installedPrograms } from './installed';
import { Profiling } from './profiling';
import { userStacks } from './user-stacks';

const HZ = 999;
const SAMPLES = 3000;
const MAX_MS = 60_000;

const programs = installedPrograms();
const absent = programs.flatMap(({ needs }) => (needs === undefined ? [] : [needs]));
const present = programs.filter(({ needs }) => needs === undefined);

describe('stacks of installed programs', () => {
  it.each(present.map((program) => ({ title: program.title, program })))(
    '$title',
    async ({ title, program }) => {
      const running = await program.start();
      try {
        const pids = running.pids();
        const profiling = await Profiling.start(HZ, { kind: 'processes', pids });
        try {
          await profiling.sampledTogether(pids, SAMPLES, MAX_MS);
        } finally {
          await profiling.stop();
        }
        expectWhole(title, userStacks(profiling.profile, new Set(pids), profiling.settledNs));
      } finally {
        await running.stop();
      }
    },
  );

  it(`are all that are here (absent: ${absent.join(', ') || 'none'})`, () => {
    console.info(`stacks of ${present.length} programs; absent: ${absent.join(', ') || 'none'}`);
  });
});
