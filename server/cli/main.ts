/**
 * The command line: `hearth serve | record | latency | symbolize | doctor | version`. Each command's code is loaded
 * when it runs, so that the launcher, which lives as long as the server does, stays small.
 *
 * Exit status: 0 where what was asked for was done (`record`: where the profile was written; `latency`:
 * where something was measured), 2 for a command line that
 * can't be, 130 where the user aborted, 1 for every other failure.
 */
import { CommanderError } from 'commander';
import packageJson from '@/package.json';
import { privilegeProblem } from '@/server/agent/privileges';
import { buildProgram } from './program';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

class PrivilegeError extends Error {
  override readonly name = 'PrivilegeError';
}

async function main(): Promise<number> {
  // What a user sees of Hearth in its own process list, and in that of other tools.
  process.title = 'hearth';
  let exitCode = 0;
  const program = buildProgram({
    version: packageJson.version,
    async serve(options) {
      const problem = privilegeProblem(
        process.env.npm_lifecycle_event === 'start' ? 'npm start' : 'hearth serve',
      );
      // Sessions can be looked at all the same.
      if (problem !== undefined) console.error(`hearth: ${problem}`);
      const { serve } = await import('./serve');
      exitCode = await serve(options, problem);
    },
    async record(options) {
      const problem = privilegeProblem('hearth record ...');
      if (problem !== undefined) throw new PrivilegeError(problem);
      const { record } = await import('./record');
      await record(options);
    },
    async latency(options) {
      const problem = privilegeProblem('hearth latency ...');
      if (problem !== undefined) throw new PrivilegeError(problem);
      const { latency } = await import('./latency');
      await latency(options);
    },
    async symbolize(options) {
      const { symbolize } = await import('./symbolize');
      await symbolize(options);
    },
    async doctor(options) {
      const { doctor } = await import('./doctor/doctor');
      exitCode = await doctor(options);
    },
  });
  try {
    await program.parseAsync();
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    console.error(`hearth: ${explain(error)}`);
    return EXIT_FAILURE;
  }
}

/** Errors with a class of their own say what the user needs; others are defects, and come with their stack. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return Object.hasOwn(error, 'name') ? error.message : (error.stack ?? error.message);
}

// Everything was written synchronously; what still hangs (a child that ignores SIGTERM, a timer) does not hold the exit.
process.exit(await main());
