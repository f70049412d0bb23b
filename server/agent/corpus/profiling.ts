/** Runs programs of the corpus and profiles them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyChunk, encodeChunk } from '@/profile/chunk';
import { ChunkStream } from '@/profile/chunk-stream';
import { Profile } from '@/profile/profile';
import type { CollectorStatus } from '@/profile/status';
import type { Filter } from '@/server/wire';
import { Collector } from '../collector';
import { raisePriority } from '../priority';
import { endsWithUs } from './ends-with-us';
import type { Program } from './programs';
import { type UserStack, userStacks } from './user-stacks';

const READY_MS = 30_000;
const SETTLE_MS = 60_000;
const POLL_MS = 100;

/** A program of the corpus that runs. */
export class RunningProgram {
  private constructor(
    readonly program: Program,
    readonly child: ChildProcess,
  ) {}

  /** Starts it. `ready` waits until it has begun its work. */
  static start(program: Program): RunningProgram {
    // Not with the priority of the profiler, which comes first. Set before it starts: later, its threads would keep theirs.
    const command = ['-n', String(Math.max(0, -getPriority())), program.command, ...program.args];
    const child = spawn('nice', command, {
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: '/',
      ...program.user,
    });
    return new RunningProgram(program, endsWithUs(child));
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.program.title} did not start`);
    return this.child.pid;
  }

  async ready(): Promise<void> {
    await once(this.child.stdout as NodeJS.ReadableStream, 'data', {
      signal: AbortSignal.timeout(READY_MS),
    });
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    await exit;
  }
}

/** A collector, and the profile of all that it has seen. */
export class Profiling {
  readonly profile = new Profile();
  readonly statuses: CollectorStatus[] = [];
  /** Of the chunks as they are sent. */
  chunkBytes = 0;
  /** When the tables of what ran already were made, in CLOCK_MONOTONIC nanoseconds. */
  settledNs = 0;
  readonly #samples = new Map<number, number>();
  #counted = 0;
  #collector: Collector | undefined;

  /** Starts it, and waits until the tables of what runs already are made. */
  static async start(
    frequencyHz: number,
    filter: Filter,
    measuresBpfAlways = false,
  ): Promise<Profiling> {
    raisePriority();
    const profiling = new Profiling();
    const stream = new ChunkStream(profiling.profile);
    const collector = await Collector.start({
      frequencyHz,
      filter,
      measuresBpfAlways,
      onChunk: (chunk) => {
        profiling.chunkBytes += encodeChunk(chunk).length;
        applyChunk(profiling.profile, stream.next(chunk));
      },
      onStatus: (status) => profiling.statuses.push(status),
    });
    profiling.#collector = collector;
    await collector.settled(SETTLE_MS);
    profiling.settledNs = Number(process.hrtime.bigint());
    return profiling;
  }

  /** Samples of a process since the tables were made. */
  samplesOf(pid: number): number {
    const { samples, threads, processes } = this.profile;
    for (; this.#counted < samples.length; this.#counted++) {
      if (samples.columns.timeNs[this.#counted] < this.settledNs) continue;
      const process = threads.columns.process[samples.columns.thread[this.#counted]];
      const sampled = processes.columns.pid[process];
      this.#samples.set(sampled, (this.#samples.get(sampled) ?? 0) + 1);
    }
    return this.#samples.get(pid) ?? 0;
  }

  /** Waits until the processes have been sampled so often together; throws where `maxMs` are not enough for it. */
  async sampledTogether(pids: readonly number[], samples: number, maxMs: number): Promise<void> {
    const endMs = Date.now() + maxMs;
    while (pids.reduce((sum, pid) => sum + this.samplesOf(pid), 0) < samples) {
      if (Date.now() > endMs) throw new Error(`fewer than ${samples} samples in ${maxMs} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until each process has been sampled so often; throws where `maxMs` are not enough for it. */
  async sampled(pids: readonly number[], samples: number, maxMs: number): Promise<void> {
    const endMs = Date.now() + maxMs;
    while (!pids.every((pid) => this.samplesOf(pid) >= samples)) {
      if (Date.now() > endMs) throw new Error(`fewer than ${samples} samples in ${maxMs} ms`);
      await sleep(POLL_MS);
    }
  }

  async stop(): Promise<Profile> {
    await this.#collector?.stop();
    this.#collector = undefined;
    return this.profile;
  }
}

/** The user stacks of each program, in its steady state: it runs, and its tables are there, before it is sampled. */
export async function steadyStacks(
  programs: readonly Program[],
  frequencyHz: number,
  samplesEach: number,
): Promise<Map<string, UserStack[]>> {
  const running = programs.map((program) => RunningProgram.start(program));
  try {
    await Promise.all(running.map((program) => program.ready()));
    const pids = running.map(({ pid }) => pid);
    const profiling = await Profiling.start(frequencyHz, { kind: 'processes', pids });
    try {
      const maxMs = (120_000 * samplesEach * programs.length) / frequencyHz / 10 + 30_000;
      await profiling.sampled(pids, samplesEach, maxMs);
    } finally {
      await profiling.stop();
    }
    return new Map(
      running.map(({ program, pid }) => [
        program.title,
        userStacks(profiling.profile, new Set([pid]), profiling.settledNs),
      ]),
    );
  } finally {
    await Promise.all(running.map((program) => program.stop()));
  }
}
