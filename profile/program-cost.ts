/** What the BPF programs cost that are there for one thing alone, which can be switched off. */
import { LATENCY_SOURCES, LATENCY_TEXTS, type LatencySource } from './latency/sources';
import type { CollectorStatus } from './status';

/** What can be switched on beside CPU samples. */
export type Extra = 'offCpu' | LatencySource;

/** 'Off-CPU profiling', 'System calls' */
export function extraTitle(extra: Extra): string {
  return extra === 'offCpu' ? 'Off-CPU profiling' : LATENCY_TEXTS[extra].title;
}

const SYSTEM_CALLS = ['latency_syscall'];
const WAITS = ['latency_wait'];

/** How the names of an extra's programs begin; the same array for those of the same programs. */
const PROGRAMS: Readonly<Record<Extra, readonly string[]>> = {
  offCpu: ['on_switch', 'on_waking', 'on_new_thread', 'on_thread_free'],
  runqueue: WAITS,
  waits: WAITS,
  block: ['latency_block'],
  syscalls: SYSTEM_CALLS,
  fs: SYSTEM_CALLS,
  futex: SYSTEM_CALLS,
  tcp: ['latency_tcp'],
  faults: ['latency_fault'],
  dns: ['latency_dns'],
};

export interface ProgramCost {
  /** Those that are on and are measured by the same programs. */
  readonly extras: readonly Extra[];
  /** Share of one core. */
  readonly cpu: number;
  /** In the second that was measured. */
  readonly runs: number;
  /** Of them all. */
  readonly runNs: number;
}

/** Undefined where it is off, or its programs have not been measured yet. */
export function programCost(extra: Extra, collector: CollectorStatus): ProgramCost | undefined {
  const on = extrasOn(collector);
  if (!on.includes(extra)) return undefined;
  const beginnings = programsOf(extra, collector);
  const programs = Object.entries(collector.bpfPrograms)
    .filter(([name]) => beginnings.some((beginning) => name.startsWith(beginning)))
    .map(([, program]) => program);
  if (programs.length === 0) return undefined;
  return {
    extras: on.filter((other) => programsOf(other, collector) === beginnings),
    cpu: programs.reduce((sum, { cpu }) => sum + cpu, 0),
    runs: programs.reduce((sum, { runs }) => sum + runs, 0),
    runNs: programs.reduce((sum, { nsPerRun, runs }) => sum + nsPerRun * runs, 0),
  };
}

/** The cost of all that is on, each program once. */
export function programCosts(collector: CollectorStatus): ProgramCost[] {
  const costs = new Map<Extra, ProgramCost>();
  for (const extra of extrasOn(collector)) {
    const cost = programCost(extra, collector);
    if (cost !== undefined) costs.set(cost.extras[0], cost);
  }
  return [...costs.values()];
}

function extrasOn(collector: CollectorStatus): Extra[] {
  const { sources } = collector.latency;
  return [
    ...(collector.offCpu === undefined ? [] : ['offCpu' as const]),
    ...LATENCY_SOURCES.filter((source) => sources.includes(source)),
  ];
}

/** The same array for those that share programs. */
function programsOf(extra: Extra, collector: CollectorStatus): readonly string[] {
  // While off-CPU profiling is on, its programs count these latencies, too.
  if (PROGRAMS[extra] === WAITS && collector.offCpu !== undefined) return PROGRAMS.offCpu;
  return PROGRAMS[extra];
}
