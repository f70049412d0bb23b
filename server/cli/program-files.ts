/** The files that a command's process will have mapped when its program begins, found before it runs. */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { ElfFile } from '@/server/agent/elf/elf-file';
import { findProgram } from './held-command';

/** An interpreter may be a script itself, so many times. */
const MAX_SCRIPTS = 4;
/** Of the line of a script that names its interpreter. */
const MAX_LINE_BYTES = 256;
const LOADER_MS = 1000;
/** Of glibc and musl. Any other might run the program. */
const LOADER_NAME = /^ld[-.]/;

/**
 * The paths, without symbolic links, of the program that `command` runs, of a script's interpreter in its place, of the
 * dynamic loader, and of the libraries that it would load. What can't be found out is left out.
 */
export async function programFiles(command: string): Promise<string[]> {
  const files = await Promise.all(programsOf(command).map(filesOf));
  return [...new Set(files.flat())];
}

/** What the kernel runs for a command: itself, or for a script its interpreter, and what `env` runs then. */
function programsOf(command: string, maxScripts = MAX_SCRIPTS): string[] {
  try {
    const path = findProgram(command);
    const line = /^#![ \t]*(\S+)(?:[ \t]+(\S+))?/.exec(firstBytes(path));
    if (line === null) return [realpathSync(path)];
    if (maxScripts === 0) return [];
    const [, interpreter, argument] = line;
    const isEnv = basename(interpreter) === 'env' && argument !== undefined;
    return [interpreter, ...(isEnv ? [argument] : [])].flatMap((next) =>
      programsOf(next, maxScripts - 1),
    );
  } catch {
    // Whatever it is, it is found out while it runs.
    return [];
  }
}

async function filesOf(program: string): Promise<string[]> {
  try {
    const interpreter = interpreterOf(program);
    if (interpreter === undefined) return [program];
    return [program, realpathSync(interpreter), ...(await librariesOf(program, interpreter))];
  } catch {
    return [];
  }
}

/** Throws ElfError where it is no program that Hearth could unwind. */
function interpreterOf(program: string): string | undefined {
  const file = ElfFile.open(program);
  try {
    return file.interpreter;
  } finally {
    file.close();
  }
}

function firstBytes(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(MAX_LINE_BYTES);
    return bytes.toString('latin1', 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}

/** By the loader's own account: it maps them as it will for the program, which does not run. */
async function librariesOf(program: string, loader: string): Promise<string[]> {
  if (!LOADER_NAME.test(basename(loader))) return [];
  try {
    const { stdout } = await promisify(execFile)(loader, ['--list', program], {
      timeout: LOADER_MS,
      killSignal: 'SIGKILL',
    });
    return [...stdout.matchAll(/^\t(?:.* => )?(\/.*) \(0x[0-9a-f]+\)$/gm)].map(([, path]) =>
      realpathSync(path),
    );
  } catch {
    return [];
  }
}
