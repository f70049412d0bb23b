/** Programs that the agent has never seen are unwound from when they have started, not from the next turn of its timer. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { ProfiledRun, type ReadSample, RunningWorkload, samplesOfPid } from '@/bench/workloads/run';

const HZ = 997;
/** Shorter than a turn of the timer. */
const LIFE_SECONDS = 0.2;
const PROGRAMS = 10;
/** Each starts in another part of a turn, when the bell has calls again. */
const PAUSE_MS = 570;

const isWhole = ({ stack }: ReadSample): boolean =>
  !stack.some((name) => name.startsWith('[unwinding stopped'));

it('stacks of a program that lives for 200 ms, and has never run before, are whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-bell-'));
  const run = await ProfiledRun.start(HZ);
  const pids: number[] = [];
  try {
    // Files are told apart by what they are, code by its build: its table is made once for all copies.
    await new RunningWorkload(compileWorkload('shares'), [1]).result();
    for (let i = 0; i < PROGRAMS; i++) {
      const path = join(folder, `new-${i}`);
      copyFileSync(compileWorkload('shares'), path);
      const workload = new RunningWorkload(path, [LIFE_SECONDS]);
      pids.push(workload.pid);
      await workload.result();
      await sleep(PAUSE_MS);
    }
  } finally {
    await run.stop();
    rmSync(folder, { recursive: true });
  }
  const samples = pids.flatMap((pid) => samplesOfPid(run.profile, pid));
  expect(samples.length).toBeGreaterThan(PROGRAMS * 20);
  // Read by the timer alone, a quarter of them are.
  expect(samples.filter(isWhole).length / samples.length).toBeGreaterThan(0.8);
});
