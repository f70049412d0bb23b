/** The ledger's columns of time: together they are the elapsed time. */
import { ThreadState } from '@/profile/schema';

const { Running, Runnable, Throttled, Waking } = ThreadState;
const { Sleep, Lock, Disk, Network, Pipe, Poll, PageFault, Other } = ThreadState;

export interface TimeColumn {
  readonly key: string;
  readonly name: string;
  readonly title: string;
  readonly states: readonly ThreadState[];
}

export const TIME_COLUMNS = [
  { key: 'cpu', name: 'On CPU', title: 'Running on a CPU', states: [Running] },
  {
    key: 'queue',
    name: 'Run queue',
    title: 'In a queue for a CPU, ready to run; also throttled by its cgroup’s CPU quota',
    states: [Runnable, Throttled],
  },
  {
    key: 'waking',
    name: 'Waking',
    title:
      'Woken, but not in a run queue yet: where the CPU was idle, that is the time it took to wake up',
    states: [Waking],
  },
  { key: 'sleep', name: 'Sleep', title: 'On a timer that it asked for', states: [Sleep] },
  { key: 'lock', name: 'Lock', title: 'On a futex or another lock', states: [Lock] },
  { key: 'disk', name: 'Disk', title: 'On files and block devices', states: [Disk] },
  { key: 'network', name: 'Network', title: 'On sockets', states: [Network] },
  { key: 'pipe', name: 'Pipe', title: 'On pipes', states: [Pipe] },
  {
    key: 'poll',
    name: 'Poll',
    title: 'On several files at once: poll, select, epoll',
    states: [Poll],
  },
  { key: 'fault', name: 'Page fault', title: 'On memory that is read in', states: [PageFault] },
  { key: 'other', name: 'Other', title: 'On anything else', states: [Other] },
] as const satisfies readonly TimeColumn[];

export type SortColumn =
  | 'thread'
  | 'elapsed'
  | 'residual'
  | 'scheduler'
  | 'clock'
  | (typeof TIME_COLUMNS)[number]['key'];

/** All columns that can be sorted by, in their order on the screen. */
export const SORT_COLUMNS: readonly { readonly key: SortColumn; readonly name: string }[] = [
  { key: 'thread', name: 'Thread' },
  { key: 'elapsed', name: 'Elapsed' },
  ...TIME_COLUMNS,
  { key: 'residual', name: 'Residual' },
  { key: 'scheduler', name: 'Scheduler' },
  { key: 'clock', name: 'Its clock' },
];

export function isSortColumn(text: string): text is SortColumn {
  return SORT_COLUMNS.some(({ key }) => key === text);
}

/** Nanoseconds as seconds with as many decimals in each row, so that a row can be added up by eye; fewer where they have no room. */
export function formatSeconds(ns: number): string {
  if (ns <= 0) return '–';
  if (ns < 0.5e6) return '<0.001';
  const seconds = ns / 1e9;
  return seconds.toFixed(seconds < 1000 ? 3 : seconds < 10_000 ? 1 : 0);
}

/** A residual or difference in percent, with its sign; a dash where it is not known. */
export function formatPercent(percent: number): string {
  if (Number.isNaN(percent)) return '–';
  const text = percent.toFixed(2);
  return text === '-0.00' ? '0.00%' : `${text}%`;
}
