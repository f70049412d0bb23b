import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { ProfiledRun, RunningWorkload } from '@/bench/workloads/run';
import {
  expectWithin,
  HZ,
  type Result,
  sum,
  THRESHOLD_NS,
  timesOf,
  type Worker,
  waitsOf,
} from '@/bench/workloads/waits-for-tests';
import { ProfileBuilder } from '@/profile/builder';
import { profileOf } from '@/profile/chunk';
import { NONE, ThreadState } from '@/profile/schema';
import { CpuSampler } from '../cpu-sampler';
import { Modules } from '../modules';
import { Processes } from '../processes';
import { IGNORE_ALL } from '../receiver-for-tests';
import { readRecords } from '../record-reader';
import { Rows } from '../rows';
import { OffCpu, type OffCpuTarget } from './off-cpu';

const LIFE_MS = 1500;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const action of undo.splice(0).reverse()) action();
});

/** A process that sleeps until it is ended, which takes until it is no more but for its exit status. */
function startSleeper(): { pid: number; end: () => void } {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  undo.push(() => child.kill());
  const pid = child.pid ?? 0;
  const end = (): void => {
    child.kill('SIGKILL');
    while (!/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  };
  return { pid, end };
}

describe('the end of a recording', () => {
  it('has the waits that go on, with their stacks, and the stream goes on as if nobody had asked', async () => {
    const run = await ProfiledRun.start(HZ, { kind: 'all' }, { thresholdNs: THRESHOLD_NS });
    const still = new RunningWorkload(compileWorkload('waits'), ['still', 6]);
    const sleeping = new RunningWorkload(compileWorkload('waits'), ['sleeps', 6]);
    await sleep(2500);
    const chunk = await run.running.recordingEnd();
    const end = profileOf([chunk]);
    const open = waitsOf(end, still.pid);
    // The ledger, as far as it was in the stream then, and the rest of it.
    const ledger = new Map(
      open.map(({ tid }) => {
        const known = [run.profile, end].map((profile) => timesOf(profile, still.pid, tid).ns);
        return [tid, sum(known.flat())];
      }),
    );
    const [{ threads }] = [await still.result<Result>(), await sleeping.result<Result>()];
    await sleep(300);
    const profile = await run.stop();

    for (const [name, waitClass, inner] of [
      ['sleeps', ThreadState.Sleep, 'sleep_all_the_time'],
      ['waits', ThreadState.Lock, 'wait_all_the_time'],
    ] as const) {
      const worker = threads.find((one) => one.name === name) as Worker;
      const { tid } = worker;
      const mine = open.filter((wait) => wait.tid === tid);
      expect(mine).toMatchObject([{ waitClass, wakerTid: undefined, wakerStack: [] }]);
      const [{ durationNs, weight, stack }] = mine;
      expectWithin(durationNs, 2.5e9, 0.5e9, name);
      expect(weight).toBe(durationNs);
      expect(stack).toContain(inner);
      expect(stack.at(-1)).not.toBe(inner);
      // The stream has it once, with its end.
      const ended = waitsOf(profile, still.pid).filter(
        (wait) => wait.tid === tid && wait.waitClass === waitClass,
      );
      expect(ended.length).toBe(1);
      expectWithin(ended[0].durationNs, 6e9, 0.3e9, name);
      // Before it waits it has to start: on a CPU and in the run queue for as long as the scheduler says, at most.
      const startNs = worker.runNs + worker.queueNs;
      expectWithin(ledger.get(tid) ?? 0, durationNs, startNs + 20e6, `${name} ledger`);
    }
    // Of each thread at most the one that was under way, in its two parts, and what had come just before.
    expect(waitsOf(end, sleeping.pid).length).toBeLessThanOrEqual(15);
  });

  it('has what the time of threads was spent on that end while it is read', async () => {
    const sampler = await CpuSampler.load(HZ, { kind: 'all' });
    undo.push(() => sampler.dispose());
    const processes = new Processes(new Modules());
    const target = (): OffCpuTarget => {
      const rows = new Rows(new ProfileBuilder());
      return {
        builder: rows.builder,
        thread: (pid, tid) => rows.thread(processes.get(pid), tid),
        stackOf: () => NONE,
      };
    };
    const stream = target();
    const offCpu = await OffCpu.load(
      { thresholdNs: THRESHOLD_NS },
      sampler.sharedMaps(),
      processes,
      () => stream,
    );
    undo.push(() => offCpu.dispose());
    offCpu.begin();
    const readRing = (): void => {
      readRecords(sampler.ring, sampler.ring.position(), {
        ...IGNORE_ALL,
        wait: (wait) => offCpu.wait(wait),
        waitStack: (stack) => offCpu.waitStack(stack),
        threadEnd: (view, at) => offCpu.threadEnd(view, at),
      });
    };

    const [before, meanwhile, after] = [startSleeper(), startSleeper(), startSleeper()];
    await sleep(LIFE_MS);
    before.end();
    const writeEnd = offCpu.readEnd(Number(process.hrtime.bigint()), () => {
      meanwhile.end();
      readRing();
    });
    after.end();
    const end = target();
    writeEnd(end);

    for (const { pid } of [before, meanwhile, after]) {
      const sleptNs = timesOf(end.builder.profile, pid, pid).ns[ThreadState.Sleep];
      expect(sleptNs / 1e6).toBeGreaterThan(LIFE_MS - 500);
      expect(sleptNs / 1e6).toBeLessThan(LIFE_MS + 200);
    }
  });
});
