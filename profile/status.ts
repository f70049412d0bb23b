/** What a collector says of itself about once a second: what the truth bar and the status line show. */
import type { LatencySource } from './latency/sources';
import type { Extra } from './program-cost';

/** A number that was measured, or why it was not. What isn't measured is never shown as 0. */
export type Measured = { readonly value: number } | { readonly notMeasured: string };

/** The loss reasons that collectors report (see `Loss`), and what each means to a reader. */
export const LOSS_REASONS: Readonly<
  Record<string, { readonly unit: 'samples' | 'stacks' | 'events'; readonly text: string }>
> = {
  'sample-ring-full': {
    unit: 'samples',
    text: 'samples that found the ring buffer full: the agent was not scheduled in time',
  },
  'stack-ring-full': {
    unit: 'stacks',
    text: 'stacks that found the ring buffer full; sent again with the next sample that has them',
  },
  'stack-unknown': {
    unit: 'samples',
    text: 'samples whose stack never arrived; they count, without a stack',
  },
  'kernel-stack-failed': { unit: 'stacks', text: 'kernel stacks that the kernel could not walk' },
  'user-stack-failed': { unit: 'stacks', text: 'user stacks that could not be read at all' },
  'process-event-ring-full': {
    unit: 'events',
    text: 'process events (exec, fork, exit, rename, another cgroup) that found the ring buffer full; names may be late or missing',
  },
  'mapping-event-ring-full': {
    unit: 'events',
    text: 'records of mappings, threads and programs that found perf’s ring buffer full; new mappings may be seen late',
  },
  'map-full': { unit: 'events', text: 'entries for which a kernel map had no room' },
  'latency-table-full': {
    unit: 'events',
    text: 'events that are in no latency histogram: there were too many different ones in a second',
  },
  'latency-end-unseen': {
    unit: 'events',
    text: 'waits that are in no latency histogram: their end was not seen',
  },
  'latency-process-unknown': {
    unit: 'events',
    text: 'events that are in latency histograms without their process: too many processes in a second',
  },
  'latency-sample-ring-full': {
    unit: 'events',
    text: 'events with stacks that found the ring buffer full; they are in the histograms, but in no flame graph',
  },
  'scratch-busy': {
    unit: 'samples',
    text: 'samples that interrupted another sample on the same CPU',
  },
  'wait-ring-full': { unit: 'events', text: 'waits that found the ring buffer full' },
  'wait-stack-failed': {
    unit: 'stacks',
    text: 'user stacks of waits that could not be taken; the waits count, with the kernel part',
  },
  'wakeup-missed': {
    unit: 'events',
    text: 'waits whose end was not seen: nobody is known to have ended them, and by the scheduler’s own account it is known from when on they waited for a CPU',
  },
  'thread-unknown': {
    unit: 'events',
    text: 'switches that were not seen (times are by the scheduler’s own sums then), or of threads that there was no memory to follow, and last sums of threads that found the ring buffer full',
  },
};

/** A thread that has been blocked for longer than a second, and still is. */
export interface BlockedThread {
  readonly pid: number;
  readonly tid: number;
  readonly process: string;
  readonly thread: string;
  /** A ThreadState. */
  readonly waitClass: number;
  /** Until now; a wait that was there before off-CPU profiling counts from its start. */
  readonly forMs: number;
  /** Functions of the kernel, from the root. */
  readonly kernelStack: readonly string[];
  /** How many threads of its process are blocked in the same state at the same place, this one included. */
  readonly alike: number;
  /** Who ended its last wait that was drawn, and may end this one: a process's name and a thread; undefined if unknown. */
  readonly lastWaker: { readonly process: string; readonly tid: number } | undefined;
}

export interface OffCpuStatus {
  /** Waits of this length, in ns, are always taken, shorter ones in proportion. */
  readonly thresholdNs: number;
  /** When user stacks are taken: on the way back to user mode, or (before Linux 6.18) when a thread is switched out. */
  readonly stackTime: 'late' | 'early';
  /** Whether waits that go on can be read with their stacks, for recordings that end (Linux 6.1). */
  readonly readsOpenWaits: boolean;
  /**
   * Those that look stuck first (disk, page faults, locks), then the longest; idle threads of the kernel after all others.
   * Of threads that are alike one comes before all that are like another, and more than ten come last. At most 200.
   */
  readonly blocked: readonly BlockedThread[];
  /** How many there are in all. */
  readonly blockedThreads: number;
}

/** What Hearth itself costs. */
export interface ProcessCost {
  /** Share of one core over the last second, 0..n. */
  readonly cpu: Measured;
  readonly residentBytes: Measured;
}

/** Code whose functions have no names, and why. */
export interface UnnamedCode {
  /** Path of the file, `[kernel]`, or `[anon:PID]` for JIT code of a process. */
  readonly module: string;
  /** Distinct places in the code. */
  readonly frames: number;
  /** In words for people. */
  readonly reason: string;
}

export interface CollectorStatus {
  /** CLOCK_REALTIME in ms. */
  readonly timeMs: number;
  readonly frequencyHz: number;
  readonly cpus: number;
  /** Samples received in the last second. */
  readonly samplesPerSecond: number;
  /** Losses since the collector started, by reason; a reason with no loss is there with 0, for it was measured. */
  readonly losses: Readonly<Record<string, number>>;
  readonly agent: ProcessCost;
  /** The BPF programs' own run time, as the kernel measures it for a quarter of a second in ten, as a share of one core. */
  readonly bpfCpu: Measured;
  /** In the second that was measured last, by program name. */
  readonly bpfPrograms: Readonly<
    Record<string, { readonly cpu: number; readonly nsPerRun: number; readonly runs: number }>
  >;
  /** Kernel memory of BPF maps. */
  readonly bpfMapBytes: Measured;
  /**
   * Steal: the share of the machine's CPU time that the host of a virtual machine gave to others, over the last seconds. The
   * programs that ran meanwhile have it in their times, for no clock stands still.
   */
  readonly stolen: Measured;
  /**
   * The latencies that are being measured, those of them whose events get stacks, and why others that were asked for are not,
   * by source.
   */
  readonly latency: {
    readonly sources: readonly LatencySource[];
    readonly stacks: readonly LatencySource[];
    /** Of so many events one is timed and counts for all, of the sources that are thinned (THINNED_SOURCES); 1: all are. */
    readonly oneIn: number;
    readonly problems: Readonly<Record<string, string>>;
  };
  /** Undefined while off-CPU profiling is off. */
  readonly offCpu?: OffCpuStatus | undefined;
  /** Why it is off although it was asked for. */
  readonly offCpuProblem?: string | undefined;
  /** Where most frames have no name, since the collector's tables were begun: the worst first. */
  readonly unnamed: readonly UnnamedCode[];
}

/** Something that was switched off to keep to the budget, until the user switches it on again. */
export interface StoppedExtra {
  readonly extra: Extra;
  readonly timeMs: number;
  /** What measuring it 'took …', in words. */
  readonly reason: string;
}

/** What Hearth may cost, and what it does to keep to that. */
export interface BudgetStatus {
  /** Percent of all CPUs together; 0: no limit. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  /** Over the last seconds; undefined until it is known. */
  readonly usedPercent: number | undefined;
  readonly usedBytes: number | undefined;
  /** Less is sampled than was asked for. */
  readonly isLowered: boolean;
  readonly wishedHz: number;
  readonly stopped: readonly StoppedExtra[];
  /** What the budget has changed, the newest last. */
  readonly changes: readonly { readonly timeMs: number; readonly text: string }[];
}

/** What the web process adds on its way to the browser. */
export interface LiveStatus {
  readonly collector: CollectorStatus | undefined;
  readonly web: ProcessCost;
  readonly budget: BudgetStatus;
  readonly agent:
    | { readonly state: 'starting' }
    | {
        readonly state: 'running';
        readonly pid: number;
        readonly sinceMs: number;
        readonly restarts: number;
      }
    | { readonly state: 'dead'; readonly reason: string; readonly restartInMs: number | undefined };
  readonly recording:
    | { readonly sessionId: string; readonly name: string; readonly sinceMs: number }
    | undefined;
  /** What is wrong with storing the recording, or was with the last one, in words for the user. */
  readonly storeProblem?: string | undefined;
  readonly host: HostDescription | undefined;
}

export interface HostDescription {
  readonly hostname: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly hearth: string;
}
