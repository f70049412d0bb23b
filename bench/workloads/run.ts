/** Runs a workload under a collector, and reads what the profile says of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProfileBuilder } from '@/profile/builder';
import type { Chunk } from '@/profile/chunk';
import { Merger } from '@/profile/merge';
import type { Profile } from '@/profile/profile';
import { type FrameIndex, NONE, type ProcessIndex, type StackIndex } from '@/profile/schema';
import type { CollectorStatus } from '@/profile/status';
import { Collector } from '@/server/agent/collector';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { readStolenSeconds } from '@/server/agent/cost';
import type { OffCpuOptions } from '@/server/agent/off-cpu/off-cpu';
import { raisePriority } from '@/server/agent/priority';
import type { Filter } from '@/server/wire';

const SETTLE_MS = 20_000;

/** A collector, and the profile of all that it has seen. */
export class ProfiledRun {
  readonly #builder = new ProfileBuilder();
  #merger = new Merger(this.#builder);
  status: CollectorStatus | undefined;

  private constructor(private collector: Collector | undefined) {}

  static async start(
    frequencyHz: number,
    filter: Filter = { kind: 'all' },
    offCpu?: OffCpuOptions,
  ): Promise<ProfiledRun> {
    raisePriority();
    const run = new ProfiledRun(undefined);
    run.collector = await Collector.start({
      frequencyHz,
      filter,
      offCpu,
      onChunk: (chunk) => run.#take(chunk),
      onStatus: (status) => {
        run.status = status;
      },
    });
    await run.running.settled(SETTLE_MS);
    return run;
  }

  get profile(): Profile {
    return this.#builder.profile;
  }

  #take(chunk: Chunk): void {
    if (chunk.header.sequence === 0) this.#merger = new Merger(this.#builder);
    this.#merger.append(chunk);
    const { losses } = this.profile;
    for (const { reason, count } of chunk.losses)
      losses.set(reason, (losses.get(reason) ?? 0) + count);
  }

  get running(): Collector {
    if (this.collector === undefined) throw new Error('the collector has been stopped');
    return this.collector;
  }

  async stop(): Promise<Profile> {
    await this.running.stop();
    this.collector = undefined;
    return this.profile;
  }
}

/** A process that a workload started; its standard output is collected. */
export class RunningWorkload {
  readonly child: ChildProcess;
  #output = '';

  constructor(program: string, args: readonly (string | number)[] = []) {
    // Not with the priority of the profiler, which comes first. Set before it starts: later, its threads would keep theirs.
    const niceness = String(Math.max(0, -getPriority()));
    this.child = endsWithUs(
      spawn('nice', ['-n', niceness, program, ...args.map(String)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    this.child.stdout?.on('data', (piece: Buffer) => {
      this.#output += piece.toString();
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the workload did not start');
    return this.child.pid;
  }

  /** What it printed, parsed, when it has ended. Throws where it failed. */
  async result<T>(): Promise<T> {
    if (this.child.exitCode === null) await once(this.child, 'close');
    if (this.child.exitCode !== 0)
      throw new Error(`the workload ended with ${this.child.exitCode ?? this.child.signalCode}`);
    return JSON.parse(this.#output) as T;
  }
}

/** Profiles the machine while a workload runs, until shortly after it has ended. `stolenSeconds`: steal meanwhile. */
export async function profileWorkload<T>(
  frequencyHz: number,
  program: string,
  args: readonly (string | number)[],
): Promise<{ profile: Profile; result: T; pid: number; stolenSeconds: number }> {
  const run = await ProfiledRun.start(frequencyHz);
  const stolenBefore = readStolenSeconds();
  try {
    const workload = new RunningWorkload(program, args);
    const result = await workload.result<T>();
    const stolenSeconds = readStolenSeconds() - stolenBefore;
    await sleep(100);
    return { profile: await run.stop(), result, pid: workload.pid, stolenSeconds };
  } catch (error) {
    await run.stop();
    throw error;
  }
}

/** A sample, read out. */
export interface ReadSample {
  readonly process: ProcessIndex;
  readonly pid: number;
  readonly processName: string;
  readonly threadName: string;
  /** Function names from the root; '' where there is none. */
  readonly stack: readonly string[];
  readonly weight: number;
}

/** All samples of the profile whose process fulfils `wanted`. Slow and simple. */
export function readSamples(
  profile: Profile,
  wanted: (process: ProcessIndex) => boolean,
): ReadSample[] {
  const { samples, threads, processes } = profile;
  const stacks = new Map<StackIndex, readonly string[]>();
  const read: ReadSample[] = [];
  for (let i = 0; i < samples.length; i++) {
    const thread = samples.columns.thread[i];
    const process = threads.columns.process[thread];
    if (!wanted(process)) continue;
    const stack = samples.columns.stack[i];
    let names = stacks.get(stack);
    if (names === undefined) {
      names = stackNames(profile, stack);
      stacks.set(stack, names);
    }
    read.push({
      process,
      pid: processes.columns.pid[process],
      processName: profile.string(processes.columns.name[process]),
      threadName: profile.string(threads.columns.name[thread]),
      stack: names,
      weight: samples.columns.weight[i],
    });
  }
  return read;
}

export function samplesOfPid(profile: Profile, pid: number): ReadSample[] {
  return readSamples(profile, (process) => profile.processes.columns.pid[process] === pid);
}

/** Function names from the root, functions that were inlined included. */
export function stackNames(profile: Profile, stack: StackIndex): string[] {
  const names: string[] = [];
  for (let at = stack; at !== NONE; at = profile.stacks.columns.parent[at]) {
    let frame: FrameIndex = profile.stacks.columns.frame[at];
    for (; frame !== NONE; frame = profile.frames.columns.inlinedInto[frame]) {
      names.push(profile.string(profile.frames.columns.functionName[frame]));
    }
  }
  return names.reverse();
}
