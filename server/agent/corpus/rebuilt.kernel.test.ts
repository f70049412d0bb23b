/** A program that is built again in the place of one that was seen: same path, same inode, same size, other code. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ProfiledRun, readSamples } from '@/bench/workloads/run';

const HZ = 999;
const FILE_BYTES = 64 * 1024;
const REBUILDS = 5;
/** What has run is named when its file is written over. */
const NAMED_MS = 1500;

/** Spins for `seconds` in `inner`, called through frames of `frameBytes`, which only an unwind table tells. */
const source = (frameBytes: number): string => `
  #include <time.h>
  #define KEEP __attribute__((noinline, noclone))
  KEEP int inner(volatile char *bytes, double seconds) {
    struct timespec start, now;
    int sum = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
      for (int i = 0; i < 100000; i++) sum += bytes[i % ${frameBytes}];
      clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    return sum;
  }
  KEEP int middle(double seconds) { volatile char bytes[${frameBytes}] = {1}; return inner(bytes, seconds) + bytes[0]; }
  KEEP int outer(double seconds) { volatile char bytes[${frameBytes * 2}] = {1}; return middle(seconds) + bytes[0]; }
  int main(void) { return outer(0.2) == 1; }`;

function build(directory: string, frameBytes: number): Buffer {
  const path = join(directory, `frames-${frameBytes}`);
  execFileSync('gcc', ['-O2', '-fomit-frame-pointer', '-x', 'c', '-', '-o', path], {
    input: source(frameBytes),
  });
  const padded = Buffer.alloc(FILE_BYTES);
  expect(readFileSync(path).copy(padded)).toBeLessThan(FILE_BYTES);
  return padded;
}

it('is not unwound by the table of the one before', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-rebuilt-'));
  const program = join(directory, 'program');
  const builds = [build(directory, 64), build(directory, 4096)];
  const run = await ProfiledRun.start(HZ, { kind: 'trees', pids: [process.pid] });
  try {
    for (let i = 0; i < REBUILDS; i++) {
      writeFileSync(program, builds[i % 2]);
      chmodSync(program, 0o755);
      await once(spawn(program), 'exit');
      await sleep(NAMED_MS);
    }
  } finally {
    await run.stop();
    rmSync(directory, { recursive: true });
  }
  const stacks = readSamples(
    run.profile,
    (row) => run.profile.string(run.profile.processes.columns.name[row]) === 'program',
  )
    .map(({ stack }) => stack)
    .filter((stack) => stack.includes('inner'));
  const known = stacks.filter((stack) => !/newly mapped|still being made/.test(stack[0]));
  expect(stacks.length).toBeGreaterThan(HZ * 0.2 * REBUILDS * 0.5);
  const wrong = known.filter((stack) => !/main,outer,middle,inner/.test(stack.join()));
  expect(wrong.slice(0, 5)).toEqual([]);
});
