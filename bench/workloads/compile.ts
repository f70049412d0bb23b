/** Compiles the workloads, once for each set of flags. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@/server/root';

export const FRAME_POINTERS = [
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fno-optimize-sibling-calls',
  '-pthread',
];
const SOURCES = join(ROOT, 'bench', 'workloads');

/** Path of the workload `name` (bench/workloads/NAME.c) as a program. Throws where it can't be compiled. */
export function compileWorkload(name: string, flags: readonly string[] = FRAME_POINTERS): string {
  const source = join(SOURCES, `${name}.c`);
  const hash = createHash('sha256')
    .update(readFileSync(source))
    .update(readFileSync(join(SOURCES, 'workload.h')))
    .update(flags.join(' '))
    .digest('hex')
    .slice(0, 16);
  const directory = join(tmpdir(), `hearth-workloads-${process.getuid?.()}`, hash);
  const program = join(directory, name);
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true });
    const unfinished = `${program}.${process.pid}`;
    execFileSync('gcc', [...flags, source, '-o', unfinished]);
    renameSync(unfinished, program);
  }
  return program;
}
