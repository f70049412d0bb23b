/**
 * Takes all privilege away from itself, then becomes the program that it is told to run:
 *
 *   node dist/sandbox.js UID:GID|- DIRECTORY PORT -- SCRIPT ARGS...
 *
 * runs the Node.js script as that user (`-`: as it is), without any capability, able to write below DIRECTORY only.
 */
import { readFileSync } from 'node:fs';
import { restrictToDirectory } from './landlock';
import { dropPrivileges, execute, setNoNewPrivileges } from './privileges';

const STANDARD_STREAMS = [0, 1, 2];

/** The environment that this process was started with: Node.js removes the IPC channel's variables from its own copy. */
function startEnvironment(): string[] {
  return readFileSync('/proc/self/environ', 'utf8')
    .split('\0')
    .filter((entry) => entry !== '');
}

function main(): void {
  const [user, directory, port, separator, ...program] = process.argv.slice(2);
  const become = /^(\d+):(\d+)$/.exec(user ?? '');
  if ((become === null && user !== '-') || separator !== '--' || program.length === 0) {
    throw new Error('usage: sandbox.js UID:GID|- DIRECTORY PORT -- SCRIPT ARGS...');
  }
  const environment = startEnvironment();
  const channel = environment.find((entry) => entry.startsWith('NODE_CHANNEL_FD='));
  if (process.getuid?.() === 0) {
    dropPrivileges(
      become === null ? undefined : { uid: Number(become[1]), gid: Number(become[2]) },
    );
  }
  setNoNewPrivileges();
  if (restrictToDirectory(directory, Number(port)) === 0) {
    console.error(
      'hearth: this kernel has no Landlock: the web process is held back by its user alone',
    );
  }
  // Node.js marks whatever it has inherited as not to be passed on: the standard streams too.
  execute(process.execPath, [...process.execArgv, ...program], environment, [
    ...STANDARD_STREAMS,
    ...(channel === undefined ? [] : [Number(channel.split('=')[1])]),
  ]);
}

try {
  main();
} catch (error) {
  console.error(
    `hearth: the web process could not be confined: ${error instanceof Error ? error.message : error}`,
  );
  process.exit(1);
}
