/** A program that does nothing but switch and call the kernel: two processes on CPU 0 pass four bytes there and back. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compileWorkload } from '@/bench/workloads/compile';

const execute = promisify(execFile);

const LOOPS = 500_000;

/** Microseconds for each operation, which is two switches and four system calls, by `perf bench sched pipe`. */
export async function pipeMicroseconds(): Promise<number> {
  const args = ['-c', '0', 'perf', 'bench', 'sched', 'pipe', '-l', String(LOOPS)];
  const { stdout } = await execute('taskset', args);
  const match = /([\d.]+)\s+usecs\/op/.exec(stdout);
  if (match === null) throw new Error(`perf bench did not say how long it took:\n${stdout}`);
  return Number(match[1]);
}

/** The same without what else is on the machine, as far as that goes: what one in twenty of so many batches does not exceed. */
export async function undisturbedMicroseconds(batches: number): Promise<number> {
  const { stdout } = await execute(compileWorkload('ping-pong'), ['0', String(batches)]);
  return Number(stdout);
}
