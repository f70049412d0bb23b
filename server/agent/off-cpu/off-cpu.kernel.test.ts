import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { queuedNs } from '@/bench/workloads/queued';
import { ProfiledRun, RunningWorkload } from '@/bench/workloads/run';
import {
  expectAllInHistograms,
  expectWithin,
  HZ,
  isBlocked,
  type ReadWait,
  type Result,
  sum,
  THRESHOLD_NS,
  threadsOf,
  timesOf,
  type Worker,
  waitsOf,
} from '@/bench/workloads/waits-for-tests';
import type { Profile } from '@/profile/profile';
import { type ThreadIndex, ThreadState } from '@/profile/schema';
import { checkedDifference, threadLedger } from '@/profile/thread-ledger';
import { ROOT } from '@/server/root';
import { cgroup2Mount } from '../cgroups';
import { readStolenSeconds } from '../cost';
import { MAX_THRESHOLD_NS, type StackTime } from './off-cpu-programs';

/** By so much the scheduler's clock is behind in the mean: between a wakeup and the switch, on a busy virtual machine. */
const RUN_CLOCK_NS = 50e3;
/** The same at the beginning and the end of a time in the run queue. */
const QUEUE_CLOCK_NS = 5e3;
/** From the wakeup to the run queue of a CPU that sleeps, which on a virtual machine the host has to wake first. */
const WAKEUP_NS = 100e3;
const MEAN_WAKEUP_NS = 15e3;

interface ShortLived {
  readonly seconds: number;
  /** How often those that lived shortly blocked. */
  readonly blocks: number;
  /** The threads that started them. */
  readonly starters: readonly number[];
}

interface Stolen {
  /** Steal, while it ran. */
  readonly stolenNs: number;
}

async function profileWaits<R = Result>(
  args: readonly (string | number)[],
  stackTime: StackTime = 'late',
  thresholdNs = THRESHOLD_NS,
  started: (workload: RunningWorkload) => void = () => {},
): Promise<{ profile: Profile; result: R & Stolen; pid: number }> {
  const run = await ProfiledRun.start(HZ, { kind: 'all' }, { thresholdNs, stackTime });
  const stolenBefore = readStolenSeconds();
  try {
    const workload = new RunningWorkload(compileWorkload('waits'), args);
    // So that what was not seen, and is allowed for, is of this process alone.
    run.running.setFilter({ kind: 'processes', pids: [workload.pid] });
    started(workload);
    const result = {
      ...(await workload.result<R>()),
      stolenNs: (readStolenSeconds() - stolenBefore) * 1e9,
    };
    await sleep(300);
    return { profile: await run.stop(), result, pid: workload.pid };
  } catch (error) {
    await run.stop();
    throw error;
  }
}

/**
 * What the scheduler accounted for a thread, and what it measured itself, is what its time was spent on, when what the
 * scheduler's clock leaves out has been put back: it stands still between a wakeup and the switch, and leaves out steal.
 */
function expectLedger(profile: Profile, pid: number, worker: Worker, { stolenNs }: Stolen): void {
  expectChecked(profile, pid, worker);
  const { ns, count, schedulerNs, schedulerClockNs } = timesOf(profile, pid, worker.tid);
  const running = ns[ThreadState.Running];
  const queued = ns[ThreadState.Runnable] + ns[ThreadState.Throttled];
  const waking = ns[ThreadState.Waking];
  const { runNs } = worker;
  const queueNs = queuedNs(worker);
  // What happens after its last reading of the clock, and before the first; wakeups of other CPUs under way.
  const slackNs = (worker.lifetimeSeconds - worker.elapsedSeconds) * 1e9 + 10e6;
  const [runClockNs, queueClockNs] = [ThreadState.Running, ThreadState.Runnable].map(
    (state) => schedulerClockNs[state],
  );
  const both = runNs + queueNs;
  expectWithin(
    schedulerNs[ThreadState.Running],
    runNs,
    slackNs + runNs * 0.001,
    `${worker.name} on CPU by the scheduler, as recorded`,
  );
  expectWithin(
    schedulerNs[ThreadState.Runnable],
    queueNs,
    slackNs + queueNs * 0.001,
    `${worker.name} run queue by the scheduler, as recorded`,
  );
  // The way from the wakeup to the queue of another CPU. Of tens of thousands few are long: in sum, 3 to 15 us each were seen.
  const wakeups = count[ThreadState.Running];
  expectWithin(
    runClockNs,
    0,
    slackNs + wakeups * RUN_CLOCK_NS + stolenNs,
    `${worker.name} clock on CPU`,
  );
  expectWithin(
    queueClockNs,
    0,
    slackNs + wakeups * QUEUE_CLOCK_NS,
    `${worker.name} clock in the run queue`,
  );
  const wakeupsNs = Math.min(wakeups * WAKEUP_NS, both * 0.35 + wakeups * MEAN_WAKEUP_NS);
  expectWithin(running - runClockNs, runNs, runNs * 0.01 + slackNs, `${worker.name} on CPU`);
  expectWithin(
    queued - queueClockNs,
    queueNs,
    queueNs * 0.01 + slackNs,
    `${worker.name} run queue`,
  );
  const onCpuOrAfter = running + queued + waking;
  expect(onCpuOrAfter, `${worker.name} on CPU or to have one`).toBeGreaterThanOrEqual(
    both * 0.99 - slackNs,
  );
  expect(onCpuOrAfter, `${worker.name} on CPU or to have one`).toBeLessThanOrEqual(
    both * 1.01 + slackNs + wakeupsNs + stolenNs,
  );
  expect(sum(ns)).toBeGreaterThanOrEqual(worker.elapsedSeconds * 0.98e9);
  expect(sum(ns)).toBeLessThanOrEqual(worker.lifetimeSeconds * 1.02e9 + 2e6);
  // Exact: as often as the kernel says, but for its end.
  const blocks = blocksOf(count);
  const unseen = profile.losses.get('thread-unknown') ?? 0;
  expectWithin(blocks, worker.blocks, 2 + unseen, `${worker.name} blocks`);
  expectWithin(count[ThreadState.Waking], worker.blocks, 2 + unseen, `${worker.name} wakeups`);
}

/** The ledger agrees with the scheduler within one percent of the elapsed time. */
function expectChecked(
  profile: Profile,
  pid: number,
  { name, tid }: Pick<Worker, 'name' | 'tid'>,
): void {
  const isIn = threadsOf(profile, pid);
  const entries = threadLedger(profile).filter(
    ({ thread }) => isIn(thread) && profile.threads.columns.tid[thread] === tid,
  );
  expect(entries, name).toHaveLength(1);
  const [{ schedulerDifference, startNs, endNs }] = entries;
  expect(
    Math.abs(checkedDifference(schedulerDifference, endNs - startNs)),
    `${name}: difference to the scheduler`,
  ).toBeLessThan(1);
}

/** Of all blocked states, by ThreadState. */
const blocksOf = (count: readonly number[]): number =>
  sum(count.filter((_, state) => isBlocked(state)));

/**
 * The variance of the sum of weights of `count` waits that take `ns`: the sum of d (T - d) of those shorter than T. It is most
 * where all are of one length. Where some are far longer that is too little, and what was drawn says more.
 */
function varianceOf(ns: number, count: number, drawn: readonly ReadWait[]): number {
  const ofEqual = ns * (THRESHOLD_NS - ns / count);
  return Math.max(
    ofEqual,
    sum(drawn.map((wait) => wait.weight * Math.max(0, wait.weight - wait.durationNs))),
  );
}

/** The process's mappings and tables were known: it takes an instant after its start. */
const isSettled = (stack: readonly string[]): boolean =>
  stack.length > 0 && !/newly mapped code|still being made/.test(stack[0]);

/** A thread that is ended before it is in user mode again has only the kernel's part. */
const hasUserPart = (stack: readonly string[]): boolean =>
  stack[0] !== 'entry_SYSCALL_64_after_hwframe';

function noWaitIsLost(profile: Profile): void {
  for (const reason of ['wait-ring-full', 'wait-stack-failed'])
    expect(profile.losses.get(reason) ?? 0, reason).toBe(0);
}

describe.each(['late', 'early'] as const)('off-CPU time, stacks taken %s', (stackTime) => {
  it('is what threads that sleep 1, 10, 50, 200 ms in functions of their own have slept', async () => {
    const { profile, result, pid } = await profileWaits(['sleeps', 6], stackTime);
    expectAllInHistograms(profile, pid);
    noWaitIsLost(profile);
    const waits = waitsOf(profile, pid);
    for (const worker of result.threads) {
      expectLedger(profile, pid, worker, result);
      const { ns, count } = timesOf(profile, pid, worker.tid);
      const unseen = profile.losses.get('thread-unknown') ?? 0;
      expectWithin(count[ThreadState.Sleep], worker.count, unseen, `${worker.name} sleeps`);
      const length = Number(worker.name.split('-')[1]) * 1e6;
      const slept = waits.filter(
        ({ tid, waitClass }) => tid === worker.tid && waitClass === ThreadState.Sleep,
      );
      const weight = sum(slept.map((wait) => wait.weight));
      // The variance of the sum of w = d / p, drawn with probability p: the sum of d^2 (1 - p) / p.
      const mean = ns[ThreadState.Sleep] / worker.count;
      const probability =
        slept.length === 0
          ? 1
          : Math.min(1, (mean / sum(slept.map((w) => w.weight))) * slept.length);
      const drawn = (worker.count * mean ** 2 * (1 - probability)) / probability;
      // After each shorter wait, for a CPU say, an eighth fewer stacks are taken before: (1 - p) / p is 1/7, and more after several.
      const shorter = stackTime === 'early' ? count[ThreadState.Running] - worker.count : 0;
      const variance = drawn + (shorter / 5) * mean ** 2;
      expectWithin(
        weight,
        ns[ThreadState.Sleep],
        // What sat out a switch that was not seen could not be drawn.
        3 * Math.sqrt(variance) + unseen * mean + 1e3,
        `${worker.name} weight`,
      );
      for (const { stack } of slept) {
        if (!isSettled(stack)) continue;
        expect(stack).toContain(`sleep_${length / 1e6}ms`);
      }
      const byTimer = slept.filter(
        ({ wakerTid, wakerStack }) =>
          wakerTid === undefined && wakerStack.some((name) => name.includes('hrtimer')),
      );
      expect(byTimer.length, `${worker.name} ended by a timer`).toBeGreaterThanOrEqual(
        slept.length * 0.9 - unseen,
      );
    }
  });

  it('of a mutex convoy is lock time, ended by the one who held it', async () => {
    const { profile, result, pid } = await profileWaits(['convoy', 4], stackTime, 1e6);
    expectAllInHistograms(profile, pid);
    const waits = waitsOf(profile, pid);
    const tids = new Set(result.threads.map(({ tid }) => tid));
    let [locked, atMost, measured] = [0, 0, 0];
    for (const worker of result.threads) {
      expectLedger(profile, pid, worker, result);
      const { Lock, Waking, Runnable, Running } = ThreadState;
      const { ns } = timesOf(profile, pid, worker.tid);
      locked += ns[Lock];
      // What it waited for the lock may have ended in waiting for a CPU.
      atMost += ns[Lock] + ns[Waking] + ns[Runnable] + ns[Running];
      measured += worker.waitedSeconds * 1e9;
    }
    expect(locked).toBeLessThanOrEqual(measured);
    expect(measured).toBeLessThanOrEqual(atMost);
    const locks = waits.filter(({ waitClass }) => waitClass === ThreadState.Lock);
    expect(locks.length).toBeGreaterThan(100);
    const told = locks.filter(
      ({ tid, stack, wakerStack }) =>
        tids.has(tid) && isSettled(stack) && isSettled(wakerStack) && hasUserPart(wakerStack),
    );
    expect(told.length).toBeGreaterThan(locks.length * 0.8);
    for (const { tid, stack, wakerTid, wakerStack } of told) {
      expect(stack).toContain('wait_for_the_lock');
      expect(tids.has(wakerTid ?? -1), `woken by ${wakerTid}`).toBe(true);
      expect(wakerTid).not.toBe(tid);
      expect(wakerStack).toContain('wait_for_the_lock');
      expect(wakerStack.some((name) => name.includes('futex_wake'))).toBe(true);
    }
  });
});

describe('stacks taken early', () => {
  it('are there of threads that wait only once', async () => {
    const { profile, result, pid } = await profileWaits(['still', 2], 'early');
    expect(result.threads).toHaveLength(2);
    for (const { name, tid, waitedSeconds } of result.threads) {
      const waits = waitsOf(profile, pid).filter((wait) => wait.tid === tid);
      const [longest] = waits.toSorted((a, b) => b.durationNs - a.durationNs);
      expect(longest, `the wait of ${name}`).toBeDefined();
      // It stands for itself alone.
      expectWithin(longest.durationNs, waitedSeconds * 1e9, 50e6, `${name} wait`);
      expectWithin(longest.weight, longest.durationNs, 1e3, `${name} weight`);
    }
  });
});

describe('waits for the disk', () => {
  it('of fsync and of reading what is not cached are told apart by their functions', async () => {
    // Not in /tmp, which may be memory.
    const cache = join(ROOT, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    const directory = mkdtempSync(join(cache, 'hearth-disk-'));
    try {
      const { profile, result, pid } = await profileWaits(['disk', 3, join(directory, 'file')]);
      expectAllInHistograms(profile, pid);
      const waits = waitsOf(profile, pid);
      for (const [name, inner] of [
        ['syncs', 'sync_file'],
        ['reads', 'read_uncached'],
      ] as const) {
        const worker = result.threads.find((thread) => thread.name === name) as Worker;
        expectLedger(profile, pid, worker, result);
        const { ns, count } = timesOf(profile, pid, worker.tid);
        // What it measured itself has its time on a CPU, and waiting for one, in it.
        const blocked = ns[ThreadState.Disk];
        const others = ns[ThreadState.Running] + ns[ThreadState.Runnable] + ns[ThreadState.Waking];
        expect(blocked).toBeLessThan(worker.waitedSeconds * 1e9 * 1.02);
        expect(blocked + others).toBeGreaterThan(worker.waitedSeconds * 1e9 * 0.95);
        const mine = waits.filter(
          ({ tid, waitClass }) => tid === worker.tid && waitClass === ThreadState.Disk,
        );
        const variance = varianceOf(blocked, count[ThreadState.Disk], mine);
        const weight = sum(mine.map((wait) => wait.weight));
        expectWithin(weight, blocked, 3 * Math.sqrt(variance) + blocked * 0.01, `${name} weight`);
        const known = mine.filter(({ stack }) => isSettled(stack) && hasUserPart(stack));
        expect(known.length).toBeGreaterThan(0);
        for (const { stack } of known) expect(stack).toContain(inner);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('exact times', () => {
  it('of a pipe ping-pong are waits for pipes, all of them counted', async () => {
    const { profile, result, pid } = await profileWaits(['pipe', 3]);
    expectAllInHistograms(profile, pid);
    noWaitIsLost(profile);
    for (const worker of result.threads) {
      expectLedger(profile, pid, worker, result);
      const { count } = timesOf(profile, pid, worker.tid);
      const blocked = blocksOf(count);
      expect(count[ThreadState.Pipe] / blocked).toBeGreaterThan(0.99);
    }
  });

  it('of two busy loops on one CPU are half running, half waiting for the CPU', async () => {
    const { profile, result, pid } = await profileWaits(['busy', 4, 2]);
    const waits = waitsOf(profile, pid).filter(
      ({ waitClass }) => waitClass === ThreadState.Runnable,
    );
    for (const worker of result.threads) {
      expectLedger(profile, pid, worker, result);
      const { ns, count } = timesOf(profile, pid, worker.tid);
      const runnable = ns[ThreadState.Runnable] + ns[ThreadState.Waking];
      const mine = waits.filter(({ tid }) => tid === worker.tid);
      const weight = sum(mine.map((wait) => wait.weight));
      const variance = varianceOf(runnable, count[ThreadState.Runnable], mine);
      expectWithin(weight, runnable, 3 * Math.sqrt(variance) + runnable * 0.005, 'runnable weight');
      const known = mine.filter(({ stack }) => isSettled(stack));
      const burning = known.filter(({ stack }) => stack.includes('burn'));
      expect(burning.length / known.length).toBeGreaterThan(0.9);
    }
  });
});

describe('the ledger', () => {
  it('is what the scheduler accounts of threads that sleep while all CPUs are busy', async () => {
    const loops = Array.from(
      { length: 6 },
      () => new RunningWorkload('sh', ['-c', 'while :; do :; done']),
    );
    try {
      const { profile, result, pid } = await profileWaits(['sleeps', 6]);
      for (const worker of result.threads) {
        expectChecked(profile, pid, worker);
        const { ns } = timesOf(profile, pid, worker.tid);
        expect(ns[ThreadState.Runnable], worker.name).toBeGreaterThan(0);
      }
    } finally {
      for (const { child } of loops) child.kill('SIGKILL');
    }
  });
});

/** A new cgroup, and what gives it 20 ms of CPU time in each 100. Version 1 where the controller is there. */
function makeQuotaCgroup(): { directory: string; quota: readonly (readonly [string, string])[] } {
  const name = `hearth-quota-${process.pid}`;
  if (existsSync('/sys/fs/cgroup/cpu/cpu.cfs_quota_us')) {
    const directory = join('/sys/fs/cgroup/cpu', name);
    mkdirSync(directory);
    const quota = [
      ['cpu.cfs_period_us', '100000'],
      ['cpu.cfs_quota_us', '20000'],
    ] as const;
    return { directory, quota };
  }
  const mount = cgroup2Mount();
  if (mount === undefined) throw new Error('no cgroup mount: mount -t cgroup2 none /sys/fs/cgroup');
  writeFileSync(join(mount, 'cgroup.subtree_control'), '+cpu');
  const directory = join(mount, name);
  mkdirSync(directory);
  return { directory, quota: [['cpu.max', '20000 100000']] };
}

describe('a cgroup with a quota', () => {
  it('is throttled for the rest of its time', async () => {
    const { directory, quota } = makeQuotaCgroup();
    try {
      for (const [file, value] of quota) writeFileSync(join(directory, file), value);
      const { profile, result, pid } = await profileWaits(
        ['busy', 4, 1],
        'late',
        THRESHOLD_NS,
        (workload) => writeFileSync(join(directory, 'cgroup.procs'), String(workload.pid)),
      );
      const [worker] = result.threads;
      expectLedger(profile, pid, worker, result);
      const { ns } = timesOf(profile, pid, worker.tid);
      const share = (state: number): number => ns[state] / sum(ns);
      expect(share(ThreadState.Running)).toBeLessThan(0.25);
      // It may have to wait for the CPU, too, while it has quota.
      expect(share(ThreadState.Throttled)).toBeGreaterThan(0.4);
    } finally {
      rmdirSync(directory);
    }
  });
});

describe('off-CPU profiling', () => {
  it('goes on and off while running', async () => {
    const run = await ProfiledRun.start(HZ);
    const workload = new RunningWorkload(compileWorkload('waits'), ['sleeps', 6]);
    await sleep(1000);
    expect(run.profile.waits.length).toBe(0);
    await run.running.setOffCpu({ thresholdNs: 1e6 });
    await sleep(2000);
    await run.running.setOffCpu(undefined);
    await sleep(500);
    const { length } = run.profile.waits;
    expect(length).toBeGreaterThan(100);
    await workload.result();
    const profile = await run.stop();
    expect(profile.waits.length).toBe(length);
    for (let row = 0; row < length; row++)
      expect(profile.waits.columns.weight[row]).toBeGreaterThanOrEqual(1e6);
  });

  it('lists threads that are stuck, with where in the kernel and for how long', async () => {
    const run = await ProfiledRun.start(HZ, { kind: 'all' }, { thresholdNs: THRESHOLD_NS });
    const stuck = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    try {
      await sleep(4500);
      const blocked = run.status?.offCpu?.blocked.find(({ pid }) => pid === stuck.pid);
      expect(blocked).toMatchObject({
        process: 'cat',
        tid: stuck.pid,
        waitClass: ThreadState.Network,
      });
      expect(blocked?.forMs).toBeGreaterThan(1000);
      expect(blocked?.forMs).toBeLessThan(6000);
      expect(blocked?.kernelStack.join(' ')).toContain('unix_stream_read');
    } finally {
      stuck.kill();
      await run.stop();
    }
  });
});

describe('threads', () => {
  it('that are a million, short-lived, have their own times each, although their numbers come again', async () => {
    const COUNT = 1_000_000;
    const PID_MAX = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
    const { profile, result, pid } = await profileWaits<ShortLived>(['short', COUNT]);
    const { threadTimes, waits, threads } = profile;
    const others = new Set([pid, ...result.starters]);
    const isIn = threadsOf(profile, pid);
    const isShort = (thread: ThreadIndex): boolean =>
      isIn(thread) && !others.has(threads.columns.tid[thread]);
    const seen = new Set<ThreadIndex>();
    let [sleeps, blocks, longestNs] = [0, 0, 0];
    for (let row = 0; row < threadTimes.length; row++) {
      const { thread, state, count, ns } = threadTimes.columns;
      if (!isShort(thread[row])) continue;
      seen.add(thread[row]);
      if (state[row] === ThreadState.Sleep) sleeps += count[row];
      if (isBlocked(state[row])) blocks += count[row];
      longestNs = Math.max(longestNs, ns[row]);
    }
    const unseen = profile.losses.get('thread-unknown') ?? 0;
    // One whose start was not seen is taken for the one that had its number before.
    const unstarted = profile.losses.get('process-event-ring-full') ?? 0;
    expect(seen.size).toBeGreaterThan(COUNT * 0.99 - unseen - unstarted);
    expect(sleeps).toBeLessThanOrEqual(COUNT);
    expect(sleeps).toBeGreaterThan(result.blocks * 0.99 - unseen);
    expect(blocks).toBeGreaterThanOrEqual(result.blocks - unseen);
    // A wait that spans two threads of one number would be at least as long as it takes to come round.
    const comeRoundNs = result.seconds * 1e9 * Math.min(1, PID_MAX / COUNT);
    expect(longestNs).toBeLessThan(comeRoundNs / 2);
    for (let row = 0; row < waits.length; row++) {
      if (isShort(waits.columns.thread[row]))
        expect(waits.columns.durationNs[row]).toBeLessThan(comeRoundNs / 2);
    }
  }, 300_000);

  it('that are there at the same time, more than have a place of their own, are each followed all the same', async () => {
    const THREADS = 6000;
    // As they all end at once, their waits would fill the ring.
    const run = await ProfiledRun.start(HZ, { kind: 'all' }, { thresholdNs: MAX_THRESHOLD_NS });
    const workload = new RunningWorkload(compileWorkload('latency'), ['crowd', THREADS]);
    await workload.result().finally(() => sleep(1000));
    const profile = await run.stop();
    const { threadTimes, losses } = profile;
    const isIn = threadsOf(profile, workload.pid);
    /** Each was blocked twice, until all were there. */
    const blocks = new Map<ThreadIndex, number>();
    for (let row = 0; row < threadTimes.length; row++) {
      const { thread, state, count } = threadTimes.columns;
      if (isIn(thread[row]) && state[row] === ThreadState.Lock)
        blocks.set(thread[row], (blocks.get(thread[row]) ?? 0) + count[row]);
    }
    const unseen = losses.get('thread-unknown') ?? 0;
    expect(unseen).toBeLessThan(THREADS / 100);
    expect(blocks.size).toBeGreaterThan(THREADS - unseen - 10);
    expect(blocks.size).toBeLessThanOrEqual(THREADS + 1);
    if (unseen === 0) expectAllInHistograms(profile, workload.pid);
  });
});
