/**
 * A command that is started but held before its first instruction, so that a profiler can be set on its process first.
 * A shell waits in its place for a line, then becomes the command by exec: the same process, so what is set on its
 * process ID holds from the first instruction on, and for all that it forks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Duplex } from 'node:stream';

export class CommandError extends Error {
  override readonly name = 'CommandError';
}

export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: NodeJS.Signals };

/** The shell's file descriptor 3 is the gate; the command does not get it. If Hearth dies first, the shell ends. */
const GATE = 'IFS= read -r go <&3 && exec "$@" 3<&-';

export class HeldCommand {
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<CommandEnd>;
  readonly #child: ChildProcess;
  #end: CommandEnd | undefined;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end =
          signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal };
        resolve(this.#end);
      });
    });
  }

  /**
   * Starts `command`, held. Its standard streams are Hearth's own, but what it prints goes to the standard error where
   * `keepStdout` says that the standard output is for the profile alone. Throws CommandError where there is no such
   * program.
   */
  static async start(command: readonly string[], keepStdout: boolean): Promise<HeldCommand> {
    findProgram(command[0]);
    const child = spawn('/bin/sh', ['-c', GATE, 'sh', ...command], {
      stdio: ['inherit', keepStdout ? 2 : 'inherit', 'inherit', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new CommandError(`cannot start a shell for ${command[0]}: ${error.message}`)),
      );
    });
    if (child.pid === undefined) throw new CommandError(`cannot start ${command[0]}`);
    // Killed before its release, the command closes the gate: that is told by `ended`.
    gateOf(child).on('error', () => {});
    return new HeldCommand(child, child.pid);
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  /** Lets the command run. */
  release(): void {
    gateOf(this.#child).end('\n');
  }

  /** Asks the command to end; without effect where it has ended. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }
}

function gateOf(child: ChildProcess): Duplex {
  return child.stdio[3] as Duplex;
}

/** The path of the program that a shell would run. Throws CommandError where there is none. */
export function findProgram(name: string, path = process.env.PATH ?? '/usr/bin:/bin'): string {
  const candidates = name.includes('/')
    ? [name]
    : path.split(delimiter).map((directory) => join(directory || '.', name));
  let problem = name.includes('/') ? 'no such file' : 'no such program in PATH';
  for (const candidate of candidates) {
    try {
      if (!statSync(candidate).isFile()) {
        problem = 'not a file';
        continue;
      }
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') problem = 'permission denied';
    }
  }
  throw new CommandError(`cannot run ${name}: ${problem}`);
}
