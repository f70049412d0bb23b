/** What can be measured, and in what words and units it is shown. */
import { BLOCKED_STATES, STATE_NAMES, ThreadState } from '../schema';

/** What is switched on and off. */
export const LATENCY_SOURCES = [
  'runqueue',
  'waits',
  'block',
  'syscalls',
  'fs',
  'tcp',
  'futex',
  'faults',
  'dns',
] as const;
export type LatencySource = (typeof LATENCY_SOURCES)[number];

/** Those whose events can have stacks of their own; the run queue's are those of off-CPU profiling. */
export const STACK_SOURCES: readonly LatencySource[] = [
  'block',
  'syscalls',
  'fs',
  'tcp',
  'futex',
  'faults',
];

/**
 * Events of this length or longer get a stack always, shorter ones in proportion: of a thread in one event after another, as
 * many stacks as at 100 Hz. While off-CPU profiling is on, its threshold counts instead.
 */
export const DEFAULT_STACK_THRESHOLD_NS = 10e6;

/** Those whose events are so many that the budget may thin them: one in so many is timed, and counts for all. */
export const THINNED_SOURCES: readonly LatencySource[] = [
  'runqueue',
  'waits',
  'syscalls',
  'fs',
  'futex',
];

/**
 * Of the system calls that one thread makes beyond so many a second, one in so many is timed, whatever the budget: such calls
 * are short, and to time each takes as long again as some of them do. They are all counted, but for the last few of each name
 * that a thread has made when measuring ends.
 */
export const FREQUENT_CALLS = { aSecond: 12_500, oneIn: 16 } as const;

/** What is to be known of the times of a source's events, beside LATENCY_TEXTS; undefined: nothing. */
export function timingNote(source: LatencySource): string | undefined {
  return source === 'syscalls' || source === 'fs' || source === 'futex'
    ? `Of a thread’s calls beyond ${FREQUENT_CALLS.aSecond.toLocaleString('en')} a second, one in ${FREQUENT_CALLS.oneIn} is timed, and counts for those like it since the last.`
    : undefined;
}

/** Events of this length or longer are never thinned. By the kernel's tick: it is right to within 5 %. */
export const LONG_LATENCY_NS = 200e6;

/** Whether events of a label can have stacks, of the source's own or of off-CPU profiling. */
export function hasStacks(source: LatencySource, label: string): boolean {
  if (source === 'tcp') return label.startsWith(CONNECT_PREFIX);
  return STACK_SOURCES.includes(source) || waitStates(source, label) !== undefined;
}

/**
 * The states that a source's events are in, where these are waits, too, which off-CPU profiling takes with their stacks.
 * `label` undefined: of all of them.
 */
export function waitStates(
  source: LatencySource,
  label: string | undefined,
): readonly ThreadState[] | undefined {
  switch (source) {
    case 'runqueue':
      return [ThreadState.Runnable, ThreadState.Throttled];
    case 'waits':
      return label === undefined
        ? BLOCKED_STATES
        : BLOCKED_STATES.filter((state) => STATE_NAMES[state] === label);
    case 'futex':
      return [ThreadState.Lock];
  }
  return undefined;
}

export type LatencyUnit = 'nanoseconds' | 'bytes';

export interface LatencySourceText {
  readonly title: string;
  /** What is measured, from when to when, and what is not in it. */
  readonly text: string;
}

export const LATENCY_TEXTS: Readonly<Record<LatencySource, LatencySourceText>> = {
  runqueue: {
    title: 'CPU run queue',
    text: 'How long threads were runnable but not running, from the wakeup on, each time that they got a CPU.',
  },
  waits: {
    title: 'Waits',
    text: 'How long threads were blocked, each time that they were woken, by what they waited for. How long it took from there until they had a CPU is the run queue’s.',
  },
  block: {
    title: 'Block I/O',
    text: 'Requests by device and operation: in the queue before they went to the device, and in the device. Requests that went to the device at once have no time in the queue.',
  },
  syscalls: {
    title: 'System calls',
    text: 'From entry to exit, by name, waiting included. Calls that began before measuring did are not in it.',
  },
  fs: {
    title: 'File systems',
    text: 'System calls that read, write, open and sync regular files, by file system, served from memory or not. Memory mappings and io_uring are not in it.',
  },
  tcp: {
    title: 'TCP',
    text: 'Time to connect, the smoothed round-trip time at each segment received, bytes sent and received by each call, bytes of retransmitted segments: by peer.',
  },
  futex: {
    title: 'Futexes',
    text: 'System calls that wait for a futex, by how they ended. Locks that are free are taken without a system call, and are not in it.',
  },
  faults: {
    title: 'Page faults',
    text: 'From the exception until the page is there: minor (no device was waited for) or major, by kind of access. Write-protected: the page was there to be read, so it is copied, or marked as changed. In the kernel: on memory of the process, during a system call. Huge pages count once.',
  },
  dns: {
    title: 'DNS look-ups',
    text: 'From the packet with the query to the one with the answer, by server and result; a query without an answer in 5 s counts as that with the next one that is sent. UDP to port 53 only: look-ups over TCP, TLS and HTTPS are not in it, and neither is what libraries answer from memory.',
  },
};

/** Of the labels of connections that were made. */
export const CONNECT_PREFIX = 'connect to ';

/** The part of a label that says that its values are bytes. */
export const BYTES_SUFFIX = ', bytes';

/** The unit of a label's values. */
export function unitOf(label: string): LatencyUnit {
  return label.endsWith(BYTES_SUFFIX) ? 'bytes' : 'nanoseconds';
}

/** Events of one process: how many, and the sum of their values. */
export interface EventSums {
  readonly count: number;
  readonly sum: number;
}

/** What processes have shares of: bytes where those are measured, else events. */
export function amountOf({ count, sum }: EventSums, unit: LatencyUnit): number {
  return unit === 'bytes' ? sum : count;
}

export function isLatencySource(name: string): name is LatencySource {
  return (LATENCY_SOURCES as readonly string[]).includes(name);
}
