/** `hearth latency`: measures one source in the kernel for a while, and prints its histograms. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LATENCY_TEXTS, type LatencySource } from '@/profile/latency/sources';
import { type LatencyOwner, LatencySummary } from '@/profile/latency/summary';
import { type LatencyBucket, LatencyPrograms } from '@/server/agent/latency/latency-programs';
import { raisePriority } from '@/server/agent/priority';
import { readProcess } from '@/server/agent/proc';
import { ProcessFollower } from '@/server/agent/process-follower';
import type { LatencyOwners } from './arguments';
import { latencyJson, latencyText } from './latency-text';
import { openOutput } from './output';

export interface LatencyOptions {
  readonly source: LatencySource;
  /** Undefined: until Ctrl-C. */
  readonly durationS: number | undefined;
  /** Undefined: all. */
  readonly pids: readonly number[] | undefined;
  /** Whose histograms; undefined: one of each label, of all together. */
  readonly by: LatencyOwners | undefined;
  readonly json: boolean;
}

export class LatencyError extends Error {
  override readonly name = 'LatencyError';
}

/** The kernel has room for so many different ones of a reading: short-lived processes are different ones each. */
const READ_MS = 250;
const UNKNOWN = 'not known';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves when the histograms have been printed. Throws LatencyError where there was nothing to measure. */
export async function latency({
  source,
  durationS,
  pids,
  by,
  json,
}: LatencyOptions): Promise<void> {
  const gone = (pids ?? []).filter((pid) => readProcess(pid) === undefined);
  if (gone.length > 0)
    throw new LatencyError(`no such process: ${gone.join(', ')}; see ps -e for what runs`);
  raisePriority();
  const ended = new AbortController();
  const end = (): void => ended.abort();
  for (const signal of SIGNALS) process.on(signal, end);
  const programs = new LatencyPrograms({ onlyPids: pids });
  const owners = await Owners.start(by);
  try {
    await programs.set([source]);
    const problem = programs.problems[source];
    if (problem !== undefined) throw new LatencyError(`${source} can't be measured: ${problem}`);
    if (durationS === undefined) console.error(`hearth: measuring ${source}; Ctrl-C ends it`);
    const startMs = performance.now();
    const take = async (): Promise<void> => owners.add(await programs.take());
    const endMs = startMs + (durationS ?? Number.POSITIVE_INFINITY) * 1000;
    while (!ended.signal.aborted && performance.now() < endMs) {
      await sleep(
        Math.min(READ_MS, Math.max(0, endMs - performance.now())),
        undefined,
        ended,
      ).catch(
        () => {}, // Ctrl-C
      );
      if (performance.now() < endMs) await take();
    }
    const seconds = (performance.now() - startMs) / 1000;
    await programs.set([]);
    await take();
    const { summary, names, lostProcesses } = owners;
    const { uncounted, unseen, withoutProcess } = programs.losses;
    const lost = uncounted + unseen;
    const measured = { source, seconds, lost, by, labels: summary.labels(), names };
    if (lostProcesses > 0)
      console.error(
        `hearth: ${lostProcesses} process events were lost: names may be missing or be older ones`,
      );
    if (measured.lost > 0)
      console.error(
        `hearth: ${measured.lost} events were not counted: the kernel's table was full, or their end was not seen`,
      );
    if (withoutProcess > 0)
      console.error(
        `hearth: the processes of ${withoutProcess} events are not known: there were too many at the same time`,
      );
    if (measured.labels.length === 0) {
      throw new LatencyError(
        `nothing to measure in ${seconds.toFixed(1)} s: no event of ${source} (${LATENCY_TEXTS[source].title})`,
      );
    }
    openOutput(undefined, false).finish([json ? latencyJson(measured) : latencyText(measured)]);
  } finally {
    programs.dispose();
    owners.dispose();
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

/** Counts buckets for those whose events are in them, by the names that they have. */
class Owners {
  readonly summary = new LatencySummary();
  /** By pid. */
  readonly names = new Map<number, string>([[0, UNKNOWN]]);
  readonly #by: LatencyOwners | undefined;
  readonly #processes: ProcessFollower;

  private constructor(by: LatencyOwners | undefined, processes: ProcessFollower) {
    this.#by = by;
    this.#processes = processes;
  }

  static async start(by: LatencyOwners | undefined): Promise<Owners> {
    return new Owners(by, await ProcessFollower.start());
  }

  /** What was counted since the last time. */
  add(buckets: readonly LatencyBucket[]): void {
    // After the tables: it tells of all processes that are in them, however short they lived.
    this.#processes.read();
    for (const bucket of buckets) {
      const { label, pid } = bucket;
      this.summary.add(this.#owner(pid), label, pid, bucket);
      if (pid !== 0) this.names.set(pid, this.#processes.get(pid).name);
    }
    for (const owner of this.summary.owners()) {
      if (typeof owner !== 'number') continue;
      const { name, exitedNs } = this.#processes.get(owner);
      if (exitedNs !== undefined) this.summary.fold(owner, name);
    }
    this.#processes.forgetEnded();
  }

  get lostProcesses(): number {
    return this.#processes.lost;
  }

  dispose(): void {
    this.#processes.dispose();
  }

  /** Processes that have ended are together with others of their name: they may be very many. */
  #owner(pid: number): LatencyOwner {
    if (this.#by === undefined) return '';
    if (pid === 0) return UNKNOWN;
    const { name, cgroup, exitedNs } = this.#processes.get(pid);
    if (this.#by === 'process') return exitedNs === undefined ? pid : name;
    return cgroup.container || cgroup.path || UNKNOWN;
  }
}
