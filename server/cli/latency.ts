/** `hearth latency`: measures one source in the kernel for a while, and prints its histograms. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LATENCY_TEXTS, type LatencySource } from '@/profile/latency/sources';
import { LatencySummary } from '@/profile/latency/summary';
import { LatencyPrograms } from '@/server/agent/latency/latency-programs';
import { readProcess } from '@/server/agent/proc';
import { latencyJson, latencyText } from './latency-text';

export interface LatencyOptions {
  readonly source: LatencySource;
  /** Undefined: until Ctrl-C. */
  readonly durationS: number | undefined;
  /** Undefined: all. */
  readonly pids: readonly number[] | undefined;
  readonly json: boolean;
}

export class LatencyError extends Error {
  override readonly name = 'LatencyError';
}

const READ_MS = 1000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves when the histograms have been printed. Throws LatencyError where there was nothing to measure. */
export async function latency({ source, durationS, pids, json }: LatencyOptions): Promise<void> {
  const gone = (pids ?? []).filter((pid) => readProcess(pid) === undefined);
  if (gone.length > 0)
    throw new LatencyError(`no such process: ${gone.join(', ')}; see ps -e for what runs`);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  for (const signal of SIGNALS) process.on(signal, end);
  const programs = new LatencyPrograms({ onlyPids: pids });
  try {
    await programs.set([source]);
    const problem = programs.problems[source];
    if (problem !== undefined) throw new LatencyError(`${source} can't be measured: ${problem}`);
    if (durationS === undefined) console.error(`hearth: measuring ${source}; Ctrl-C ends it`);
    const startMs = performance.now();
    const summary = new LatencySummary();
    const names = new Map<number, string>();
    const take = async (): Promise<void> => {
      for (const { label, pid, bucket, count, sum } of await programs.take()) {
        summary.add(label, pid, bucket, count, sum);
        if (!names.has(pid)) names.set(pid, nameOf(pid));
      }
    };
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
    const measured = { source, seconds, lost: programs.lost, labels: summary.labels(), names };
    if (measured.lost > 0)
      console.error(
        `hearth: ${measured.lost} events were not counted: the kernel's table was full`,
      );
    if (measured.labels.length === 0) {
      throw new LatencyError(
        `nothing to measure in ${seconds.toFixed(1)} s: no event of ${source} (${LATENCY_TEXTS[source].title})`,
      );
    }
    process.stdout.write(json ? latencyJson(measured) : latencyText(measured));
  } finally {
    programs.dispose();
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

function nameOf(pid: number): string {
  return pid === 0 ? 'not known' : (readProcess(pid)?.name ?? 'ended');
}
