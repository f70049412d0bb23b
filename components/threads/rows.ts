/** Which threads are listed in what order, by process or alone. */
import type { ThreadList } from '@/components/profile-worker/thread-analysis';
import { HeldOrder } from '@/components/ui/held-order';
import {
  ACCOUNTS,
  checkedDifference,
  largestDifference,
  type SchedulerDifference,
  schedulerDifference,
  THREAD_STATES,
} from '@/profile/thread-ledger';
import { type SortColumn, TIME_COLUMNS } from './columns';

export interface Group {
  /** The same whatever its place. */
  readonly key: string;
  readonly pid: number;
  readonly process: string;
  /** Entries of the list that passed. */
  readonly threads: number;
  /** Sums over them, in ns. */
  readonly elapsedNs: number;
  /** By ThreadState. */
  readonly ns: Float64Array;
  /** By the scheduler: on a CPU, in the run queue. */
  readonly schedulerNs: Float64Array;
  readonly schedulerClockNs: Float64Array;
}

export interface Rows {
  /** An entry of the list; or, below 0, the group -1 - row. */
  readonly rows: Int32Array;
  /** 1 for threads below the row of their process. */
  readonly isMember: Uint8Array;
  readonly groups: readonly Group[];
  /** Entries that passed, whether their group is open or not. */
  readonly threads: number;
}

/** Of the row at `index`, whatever its place. */
export function rowKey(list: ThreadList, { rows, groups }: Rows, index: number): string | number {
  const row = rows[index];
  return row >= 0 ? list.thread[row] : groups[-1 - row].key;
}

export interface RowsQuery {
  readonly search: string;
  readonly pids: readonly number[];
  readonly containers: readonly string[];
  readonly sort: SortColumn;
  readonly isGrouped: boolean;
  /** Processes whose threads are not listed. */
  readonly closed: ReadonlySet<number>;
}

/** The sort key of each entry: the higher, the further up. Names have none: they are in their own order. */
function sortKeys(list: ThreadList, sort: SortColumn): Float64Array {
  const keys = new Float64Array(list.length);
  if (sort === 'thread') return keys;
  for (let entry = 0; entry < list.length; entry++) {
    const elapsed = list.endNs[entry] - list.startNs[entry];
    if (sort === 'elapsed') keys[entry] = elapsed;
    else if (sort === 'residual') keys[entry] = Math.abs(residualOf(list, entry));
    else if (sort === 'scheduler')
      keys[entry] = Math.abs(checkedDifference(differenceOf(list, entry), elapsed)) || 0;
    else if (sort === 'clock')
      keys[entry] = Math.abs(largestDifference(differenceOf(list, entry).ofItsClock));
    else keys[entry] = columnNs(list.ns, entry, sort);
  }
  return keys;
}

/** In percent of the elapsed time; negative where there is too much. */
export function residualOf(list: ThreadList, entry: number): number {
  const elapsed = list.endNs[entry] - list.startNs[entry];
  let sum = 0;
  for (let at = entry * THREAD_STATES; at < (entry + 1) * THREAD_STATES; at++) sum += list.ns[at];
  return ((elapsed - sum) / elapsed) * 100;
}

/** How an entry differs from the scheduler's own account. */
export function differenceOf(list: ThreadList, entry: number): SchedulerDifference {
  return schedulerDifference(
    list.ns.subarray(entry * THREAD_STATES, (entry + 1) * THREAD_STATES),
    list.schedulerNs.subarray(entry * ACCOUNTS, (entry + 1) * ACCOUNTS),
    list.schedulerClockNs.subarray(entry * ACCOUNTS, (entry + 1) * ACCOUNTS),
    list.endNs[entry] - list.startNs[entry],
  );
}

/** The time of one column, of entry `entry` of sums by entry and state. */
export function columnNs(ns: Float64Array, entry: number, column: SortColumn): number {
  let sum = 0;
  for (const { key, states } of TIME_COLUMNS)
    if (key === column) for (const state of states) sum += ns[entry * THREAD_STATES + state];
  return sum;
}

/** Text that is in the name of a thread or a process, or a whole tid or pid. */
function passing(list: ThreadList, { search, pids, containers }: RowsQuery): number[] {
  const text = search.trim().toLowerCase();
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  const found = list.names.map((name) => name.toLowerCase().includes(text));
  const wanted = new Set(pids);
  const isWanted = list.names.map((name) => containers.length === 0 || containers.includes(name));
  const entries: number[] = [];
  for (let entry = 0; entry < list.length; entry++) {
    if (wanted.size > 0 && !wanted.has(list.pid[entry])) continue;
    if (!isWanted[list.group[entry]]) continue;
    if (
      found[list.name[entry]] ||
      found[list.process[entry]] ||
      list.tid[entry] === number ||
      list.pid[entry] === number
    )
      entries.push(entry);
  }
  return entries;
}

/** Tells which processes are picked. Of what container one is that the list does not have is not known. */
export function pickedProcesses(
  list: ThreadList | undefined,
  { pids, containers }: Pick<RowsQuery, 'pids' | 'containers'>,
): (pid: number) => boolean {
  const inContainers = new Set<number>();
  if (containers.length > 0)
    list?.group.forEach((name, entry) => {
      if (containers.includes(list.names[name])) inContainers.add(list.pid[entry]);
    });
  return (pid) =>
    (pids.length === 0 || pids.includes(pid)) && (containers.length === 0 || inContainers.has(pid));
}

interface Process {
  readonly key: string;
  readonly entries: readonly number[];
  /** The higher, the further up. */
  readonly sortKey: number;
}

/** Of processes, and of the threads of each. */
export class HeldRows {
  readonly entries = new HeldOrder<number>();
  readonly processes = new HeldOrder<Process>();
}

/** The rows to show. While they are held, those of another query have an order of their own, others that of before. */
export function rowsOf(list: ThreadList, query: RowsQuery, held: HeldRows, isHeld: boolean): Rows {
  const { search, pids, containers, sort, isGrouped, closed } = query;
  const what = [search, String(pids), String(containers), sort, isGrouped];
  const keys = sortKeys(list, sort);
  const rank = ranks(list.names);
  const byName = (a: number, b: number): number =>
    rank[list.name[a]] - rank[list.name[b]] || list.tid[a] - list.tid[b] || a - b;
  const entries = held.entries.rows(
    passing(list, query).sort(
      sort === 'thread'
        ? byName
        : (a, b) => keys[b] - keys[a] || list.tid[a] - list.tid[b] || a - b,
    ),
    (entry) => list.thread[entry],
    isHeld,
    what,
  );
  if (!isGrouped) {
    const rows = Int32Array.from(entries);
    return { rows, isMember: new Uint8Array(rows.length), groups: [], threads: rows.length };
  }

  const members = new Map<string, number[]>();
  for (const entry of entries) {
    const key = `process ${list.pid[entry]} ${list.names[list.process[entry]]}`;
    const known = members.get(key);
    if (known === undefined) members.set(key, [entry]);
    else known.push(entry);
  }
  const sorted = Array.from(members, ([key, group]) => ({
    key,
    entries: group,
    sortKey: groupSortKey(keys, group, sort),
  })).sort(
    ({ entries: [a], ...first }, { entries: [b], ...second }) =>
      second.sortKey - first.sortKey ||
      rank[list.process[a]] - rank[list.process[b]] ||
      list.pid[a] - list.pid[b],
  );
  const processes = held.processes.rows(sorted, ({ key }) => key, isHeld, what);
  const rows: number[] = [];
  const isMember: number[] = [];
  const groups: Group[] = [];
  for (const process of processes) {
    // One thread alone says it all itself.
    const hasRow = process.entries.length > 1;
    if (hasRow) {
      rows.push(-groups.push(groupOf(list, process)));
      isMember.push(0);
      if (closed.has(list.pid[process.entries[0]])) continue;
    }
    for (const entry of process.entries) {
      rows.push(entry);
      isMember.push(hasRow ? 1 : 0);
    }
  }
  return {
    rows: Int32Array.from(rows),
    isMember: Uint8Array.from(isMember),
    groups,
    threads: entries.length,
  };
}

function groupSortKey(keys: Float64Array, group: readonly number[], sort: SortColumn): number {
  let [sum, most] = [0, 0];
  for (const entry of group) {
    sum += keys[entry];
    most = Math.max(most, keys[entry]);
  }
  return sort === 'residual' || sort === 'scheduler' || sort === 'clock' ? most : sum;
}

function groupOf(list: ThreadList, { key, entries }: Process): Group {
  const ns = new Float64Array(THREAD_STATES);
  const schedulerNs = new Float64Array(ACCOUNTS);
  const schedulerClockNs = new Float64Array(ACCOUNTS);
  let elapsedNs = 0;
  for (const entry of entries) {
    elapsedNs += list.endNs[entry] - list.startNs[entry];
    for (let state = 0; state < THREAD_STATES; state++)
      ns[state] += list.ns[entry * THREAD_STATES + state];
    for (let i = 0; i < ACCOUNTS; i++) {
      schedulerNs[i] += list.schedulerNs[entry * ACCOUNTS + i];
      schedulerClockNs[i] += list.schedulerClockNs[entry * ACCOUNTS + i];
    }
  }
  const [first] = entries;
  return {
    key,
    pid: list.pid[first],
    process: list.names[list.process[first]],
    threads: entries.length,
    elapsedNs,
    ns,
    schedulerNs,
    schedulerClockNs,
  };
}

/** The place of each text among all in the order of their code units. */
function ranks(texts: readonly string[]): Uint32Array {
  const order = texts.map((_, i) => i);
  order.sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b));
  const rank = new Uint32Array(texts.length);
  for (let i = 0; i < order.length; i++) rank[order[i]] = i;
  return rank;
}
