import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { sum } from '@/bench/workloads/waits-for-tests';
import { ThreadState } from '@/profile/schema';
import { distFile } from '@/server/root';
import { CpuSampler } from '../cpu-sampler';
import { type BpfMap, BpfObject } from '../libbpf';
import { IGNORE_ALL } from '../receiver-for-tests';
import { type RawWait, readRecords } from '../record-reader';
import { OFF_CPU_CONFIGURATION_BYTES, THREAD, THREAD_BYTES } from '../records';
import { OpenWaitReader } from './open-waits';
import { readPass } from './pass';

const THRESHOLD_NS = 10e6;
const WAIT_MS = 400;
/** A process needs some time to do what it was told. */
const SLACK_NS = 25e6;
/** As in unseen-switch.bpf.h: a shorter time without a CPU is not told from none. */
const AWAY_NS = 1e6;
/** What it runs until it is seen again is taken to have been before the wait. */
const RUN_UNSEEN_NS = 100e6;
/** The pipes of child processes are sockets here. */
const INPUT = ThreadState.Network;
const nothing = (): void => {};

const undo: (() => void)[] = [];
afterEach(() => {
  for (const action of undo.splice(0).reverse()) action();
});

/** For `chrt`: the fair scheduler, or the one of real-time threads. */
type Policy = '--other' | '--fifo';

interface Account {
  readonly runNs: number;
  readonly queueNs: number;
}

/** Busy for a while, some tenths of a second, for each line that it gets; then it waits for the next. */
class Worker {
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(policy: Policy) {
    const priority = policy === '--fifo' ? '1' : '0';
    const script =
      'while read line; do i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo done; done';
    this.#child = spawn('chrt', [policy, priority, 'sh', '-c', script]);
    undo.push(() => this.#child.kill());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Until it waits again. `meanwhile`: while it is busy. */
  async work(meanwhile: () => void = nothing): Promise<void> {
    const done = once(this.#child.stdout, 'data');
    this.#child.stdin.write('\n');
    await sleep(50);
    meanwhile();
    await done;
    await sleep(20);
  }

  /** On CPUs and in run queues, by the scheduler. */
  account(): Account {
    const [runNs, queueNs] = readFileSync(`/proc/${this.pid}/schedstat`, 'utf8')
      .split(' ')
      .map(Number);
    return { runNs, queueNs };
  }

  /** How often it lost its CPU to another thread while it was busy, by the kernel's count. */
  get preemptions(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^nonvoluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  }
}

interface Reading {
  readonly state: number;
  readonly timeNs: number;
  readonly runningNs: number;
  readonly inputNs: number;
  readonly otherNs: number;
  readonly allNs: number;
  readonly schedulerRunNs: number;
}

/** The programs of off-CPU profiling, from which switches can be hidden, as virtual machines do. */
class Profiling {
  readonly #sampler: CpuSampler;
  readonly #object: BpfObject;
  readonly #pass: () => number;
  readonly #openWaits: OpenWaitReader | undefined;
  readonly #waits: RawWait[] = [];
  #hide: (() => void) | undefined;
  #hideWakeups: () => void;

  static async start(pid: number, stackTime: 'late' | 'early'): Promise<Profiling> {
    const sampler = await CpuSampler.load(19, { kind: 'processes', pids: [pid] });
    undo.push(() => sampler.dispose());
    const shared: readonly BpfMap[] = sampler.sharedMaps();
    const object = await BpfObject.load(distFile('bpf/off-cpu.bpf.o'), {
      shared,
      constants: { '.rodata.late': Uint8Array.of(stackTime === 'late' ? 1 : 0, 0, 0, 0) },
    });
    undo.push(() => object.dispose());
    const threadMaps = ['thread_places', 'threads'].map((name) => object.map(name));
    const openWaits = await OpenWaitReader.load([...shared, ...threadMaps]);
    undo.push(() => openWaits?.dispose());
    return new Profiling(pid, sampler, object, openWaits);
  }

  private constructor(
    readonly pid: number,
    sampler: CpuSampler,
    object: BpfObject,
    openWaits: OpenWaitReader | undefined,
  ) {
    this.#sampler = sampler;
    this.#object = object;
    this.#openWaits = openWaits;
    const threshold = new DataView(new ArrayBuffer(OFF_CPU_CONFIGURATION_BYTES));
    threshold.setBigUint64(0, BigInt(THRESHOLD_NS), true);
    const map = this.#object.map('off_cpu_configurations');
    map.update(new Uint8Array(4), new Uint8Array(threshold.buffer));
    this.#hideWakeups = this.#object.attachProgram('on_waking');
    this.showSwitches();
    this.#pass = this.#object.iterator('read_threads');
    this.read();
  }

  showSwitches(): void {
    this.#hide ??= this.#object.attachProgram('on_switch');
  }

  hideSwitches(): void {
    this.#hide?.();
    this.#hide = undefined;
  }

  /** From now on. */
  hideWakeups(): void {
    this.#hideWakeups();
  }

  /** What the thread's time was spent on until now. */
  read(): Reading {
    for (const { view, end } of readPass(this.#pass, THREAD_BYTES))
      for (let at = 0; at < end; at += THREAD_BYTES) {
        const u64 = (offset: number): number => Number(view.getBigUint64(at + offset, true));
        if (view.getUint32(at + THREAD.tid, true) !== this.pid) continue;
        const states = Object.values(ThreadState).map((state) => u64(THREAD.ns + state * 8));
        return {
          state: view.getUint32(at + THREAD.state, true),
          timeNs: u64(THREAD.time_ns),
          runningNs: states[ThreadState.Running],
          inputNs: states[INPUT],
          otherNs: states[ThreadState.Other],
          allNs: sum(states),
          schedulerRunNs: u64(THREAD.scheduler_run_ns),
        };
      }
    throw new Error('the thread is not followed');
  }

  openWaits(): { readonly state: number; readonly ns: number }[] {
    const waits = [...(this.#openWaits?.read() ?? [])].flat();
    return waits
      .filter(({ tid }) => tid === this.pid)
      .map(({ state, sinceNs, timeNs }) => ({ state, ns: timeNs - sinceNs }));
  }

  /** The waits for input that have been drawn, with their stacks. */
  inputWaits(): RawWait[] {
    readRecords(this.#sampler.ring, this.#sampler.ring.position(), {
      ...IGNORE_ALL,
      wait: (wait) => this.#waits.push({ ...wait }),
    });
    return this.#waits.filter(({ state }) => state === INPUT);
  }

  get missed(): number {
    return this.#sampler.counters()['thread-unknown'];
  }
}

/** From the first reading to the second it was on CPUs as the scheduler says, and waited, for its input if nothing else is said, for the rest. */
function expectAllAccounted(
  before: Reading & Account,
  after: Reading & Account,
  waits: readonly ('inputNs' | 'otherNs')[] = ['inputNs'],
  slackNs = SLACK_NS,
): void {
  const elapsedNs = after.timeNs - before.timeNs;
  const runNs = after.runNs - before.runNs;
  const queueNs = after.queueNs - before.queueNs;
  const difference = (key: keyof Reading): number => after[key] - before[key];
  expect(Math.abs(difference('allNs') - elapsedNs)).toBeLessThan(1e3);
  expect(Math.abs(difference('schedulerRunNs') - runNs)).toBeLessThan(1e6);
  expect(Math.abs(difference('runningNs') - runNs)).toBeLessThan(runNs * 0.02 + 1e6);
  expect(sum(waits.map(difference))).toBeGreaterThan(elapsedNs - runNs - queueNs - slackNs);
}

describe.each([
  ['late', '--other'],
  ['early', '--other'],
  ['late', '--fifo'],
] as const)('a thread whose switches the machine hides (stacks %s, %s)', (stackTime, policy) => {
  async function begin() {
    const worker = new Worker(policy);
    await worker.work();
    const profiling = await Profiling.start(worker.pid, stackTime);
    const read = () => ({ ...profiling.read(), ...worker.account() });
    const { preemptions } = worker;
    const before = read();
    // One is hidden here; of those by which it was preempted for long enough, the machine may hide some itself.
    const expectOneMissed = (): void => {
      const long = Math.floor((worker.account().queueNs - before.queueNs) / AWAY_NS);
      const hiddenByMachine = Math.min(worker.preemptions - preemptions, long);
      expect(profiling.missed).toBeGreaterThanOrEqual(1);
      expect(profiling.missed).toBeLessThanOrEqual(1 + hiddenByMachine);
    };
    return { worker, profiling, read, before, expectOneMissed };
  }

  it('waits since it went, although nobody saw it go', async () => {
    const { worker, profiling, read, before, expectOneMissed } = await begin();
    await worker.work(() => profiling.hideSwitches());
    await sleep(WAIT_MS);
    const waiting = read();
    expect(waiting.state).toBe(INPUT);
    expectAllAccounted(before, waiting);
    const [open] = profiling.openWaits();
    expect(open.state).toBe(INPUT);
    expect(Math.abs(open.ns - WAIT_MS * 1e6 - 20e6)).toBeLessThan(SLACK_NS);

    profiling.showSwitches();
    const drawn = profiling.inputWaits().length;
    await worker.work();
    expectAllAccounted(before, read());
    expectOneMissed();
    // What would have been taken as it went is missing; else it is taken as it comes.
    const waits = profiling.inputWaits().slice(drawn);
    expect(waits.length).toBe(stackTime === 'late' ? 1 : 0);
    for (const wait of waits) {
      expect(wait.weightNs).toBe(wait.durationNs);
      expect(Math.abs(wait.durationNs - WAIT_MS * 1e6 - 20e6)).toBeLessThan(SLACK_NS);
      expect(wait.wakerPid).toBe(process.pid);
      expect(wait.kernel.low | wait.kernel.high).not.toBe(0);
    }
  });

  it('has waited, although nobody saw it go or be woken', async () => {
    const { worker, profiling, read, before } = await begin();
    await worker.work(() => profiling.hideSwitches());
    await sleep(WAIT_MS);
    profiling.hideWakeups();
    profiling.showSwitches();
    await worker.work();
    expectAllAccounted(before, read());
    const waits = profiling.inputWaits().filter(({ weightNs }) => weightNs > 100e6);
    // Others than real-time threads may have been preempted before, too: then it is not known which wait was how long.
    if (policy === '--fifo') expect(waits.length).toBe(1);
    else expect(waits.length).toBeLessThanOrEqual(stackTime === 'late' ? 1 : 0);
    for (const wait of waits) {
      expect(Math.abs(wait.durationNs - WAIT_MS * 1e6 - 20e6)).toBeLessThan(SLACK_NS);
      expect(wait.wakerPid).toBe(0);
    }
  });

  it('has waited, although nobody saw it go, be woken, or come', async () => {
    const { worker, profiling, read, before, expectOneMissed } = await begin();
    await worker.work(() => profiling.hideSwitches());
    profiling.hideWakeups();
    await sleep(WAIT_MS);
    await worker.work(() => profiling.showSwitches());
    await worker.work();
    expectAllAccounted(before, read(), ['inputNs', 'otherNs'], RUN_UNSEEN_NS);
    expectOneMissed();
  });

  it('has waited, although nobody saw it go or come', async () => {
    const { worker, profiling, read, before, expectOneMissed } = await begin();
    await worker.work(() => profiling.hideSwitches());
    await sleep(WAIT_MS);
    await worker.work(() => profiling.showSwitches());
    await worker.work();
    expectAllAccounted(before, read(), ['inputNs'], RUN_UNSEEN_NS);
    expectOneMissed();
  });

  it('has waited, although nobody saw it come', async () => {
    const { worker, profiling, read, before, expectOneMissed } = await begin();
    await sleep(WAIT_MS);
    profiling.hideSwitches();
    await worker.work(() => profiling.showSwitches());
    await worker.work();
    // Where it goes from user mode next, what it waited for is not known any more.
    expectAllAccounted(before, read(), ['inputNs', 'otherNs'], RUN_UNSEEN_NS);
    expectOneMissed();
  });
});
