/** Libraries that are loaded and unloaded in turn, at the same addresses: the code there is another each time. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ProfiledRun, readSamples } from '@/bench/workloads/run';
import { NONE } from '@/profile/schema';

const HZ = 999;
const TURNS = 20;
const TURN_SECONDS = 0.1;

/** Calls `burn` of each of two libraries in turn, and prints where it was. */
const PROGRAM = `
  #include <dlfcn.h>
  #include <stdio.h>
  int main(int argc, char **argv) {
    for (int turn = 0; turn < ${TURNS}; turn++) {
      void *library = dlopen(argv[1 + turn % 2], RTLD_NOW);
      int (*burn)(double) = (int (*)(double))dlsym(library, "burn");
      printf("%p\\n", (void *)burn);
      if (burn(${TURN_SECONDS}) == 1) return 1;
      dlclose(library);
    }
    return 0;
  }`;

/** Spins in `inner_NAME`, called through frames of `frameBytes`, which only an unwind table tells. */
const library = (name: string, frameBytes: number): string => `
  #include <time.h>
  #define KEEP __attribute__((noinline, noclone))
  KEEP int inner_${name}(volatile char *bytes, double seconds) {
    struct timespec start, now;
    int sum = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    do {
      for (int i = 0; i < 100000; i++) sum += bytes[i % ${frameBytes}];
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    } while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    return sum;
  }
  KEEP int middle_${name}(double seconds) { volatile char bytes[${frameBytes}] = {1}; return inner_${name}(bytes, seconds) + bytes[0]; }
  KEEP int burn(double seconds) { volatile char bytes[${frameBytes * 2}] = {1}; return middle_${name}(seconds) + bytes[0]; }`;

function compile(source: string, path: string, ...options: string[]): string {
  const all = ['-O2', '-fomit-frame-pointer', '-x', 'c', '-', '-o', path, ...options];
  execFileSync('gcc', all, { input: source });
  return path;
}

it('each stack is of the library that was there then', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-dlopen-'));
  const program = compile(PROGRAM, join(directory, 'loader'), '-ldl');
  const libraries = [
    compile(library('a', 64), join(directory, 'a.so'), '-shared', '-fPIC'),
    compile(library('b', 2048), join(directory, 'b.so'), '-shared', '-fPIC'),
  ];
  const run = await ProfiledRun.start(HZ, { kind: 'trees', pids: [process.pid] });
  let printed = '';
  try {
    const child = spawn(program, libraries, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.on('data', (text) => {
      printed += text;
    });
    await once(child, 'close');
  } finally {
    await run.stop();
    rmSync(directory, { recursive: true });
  }
  const { profile } = run;
  const stacks = readSamples(
    profile,
    (row) => profile.string(profile.processes.columns.name[row]) === 'loader',
  )
    .map(({ stack }) => stack.join())
    .filter((stack) => /inner_/.test(stack));
  const addresses = printed.trim().split('\n');
  expect(addresses).toHaveLength(TURNS);
  expect(new Set(addresses).size).toBeLessThan(TURNS / 2);

  for (const name of ['a', 'b']) {
    const own = stacks.filter((stack) => stack.includes(`inner_${name}`));
    expect(own.length).toBeGreaterThan(HZ * TURN_SECONDS * (TURNS / 2) * 0.5);
    const chain = new RegExp(`main,burn,middle_${name},inner_${name}`);
    const others = own.filter((stack) => !chain.test(stack));
    const wrong = others.filter((stack) => !stack.startsWith('[unwinding stopped: '));
    // A file that was never seen before, where another has just been, may be taken for that one: in its first turn.
    expect(wrong.length).toBeLessThan((own.length / (TURNS / 2)) * 1.2);
    // Until the agent has seen the file, and made its table, stacks are cut, and say so.
    expect(others.length).toBeLessThan(own.length * 0.5);
  }
  expect(profile.samples.columns.stack.subarray(0, profile.samples.length)).not.toContain(NONE);
});
