/** Which threads are listed in what order, by process or alone, and how they stay where they are under the pointer. */
import type { ThreadList } from '@/components/profile-worker/thread-analysis';
import { THREAD_STATES } from '@/profile/thread-ledger';
import { type SortColumn, TIME_COLUMNS } from './columns';

export interface Group {
  readonly pid: number;
  readonly process: string;
  /** Entries of the list that passed. */
  readonly threads: number;
  /** Sums over them, in ns. */
  readonly elapsedNs: number;
  /** By ThreadState. */
  readonly ns: Float64Array;
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
  if (row >= 0) return list.thread[row];
  const { pid, process } = groups[-1 - row];
  return `process ${pid} ${process}`;
}

export interface RowsQuery {
  readonly search: string;
  readonly pids: readonly number[];
  readonly sort: SortColumn;
  readonly isGrouped: boolean;
  /** Processes whose threads are not listed. */
  readonly closed: ReadonlySet<number>;
}

/** The sort key of each entry: the higher, the further up. Names have none: they are in their own order. */
export function sortKeys(list: ThreadList, sort: SortColumn): Float64Array {
  const keys = new Float64Array(list.length);
  if (sort === 'thread') return keys;
  for (let entry = 0; entry < list.length; entry++) {
    const elapsed = list.endNs[entry] - list.startNs[entry];
    if (sort === 'elapsed') keys[entry] = elapsed;
    else if (sort === 'residual') keys[entry] = Math.abs(residualOf(list, entry));
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

/** The time of one column, of entry `entry` of sums by entry and state. */
export function columnNs(ns: Float64Array, entry: number, column: SortColumn): number {
  let sum = 0;
  for (const { key, states } of TIME_COLUMNS)
    if (key === column) for (const state of states) sum += ns[entry * THREAD_STATES + state];
  return sum;
}

/** The order is that of the times shown, except under the pointer, where rows stay in their places: who aims at one must hit it. */
export class HeldKeys {
  #sort: SortColumn | undefined;
  #byThread: Float64Array = new Float64Array(0);

  /** By entry. Threads that are new have keys of their own at once. */
  keys(list: ThreadList, sort: SortColumn, isHeld: boolean): Float64Array {
    const keys = sortKeys(list, sort);
    if (isHeld && sort === this.#sort) {
      for (let entry = 0; entry < list.length; entry++) {
        const kept = this.#byThread[list.thread[entry]];
        if (kept >= 0) keys[entry] = kept;
      }
    }
    this.#sort = sort;
    let most = 0;
    for (const thread of list.thread) most = Math.max(most, thread);
    this.#byThread = new Float64Array(most + 1).fill(-1);
    for (let entry = 0; entry < list.length; entry++)
      this.#byThread[list.thread[entry]] = keys[entry];
    return keys;
  }
}

/** Text that is in the name of a thread or a process, or a whole tid or pid. */
function passing(list: ThreadList, { search, pids }: RowsQuery): Uint32Array {
  const text = search.trim().toLowerCase();
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  const found = list.names.map((name) => name.toLowerCase().includes(text));
  const wanted = new Set(pids);
  const entries = new Uint32Array(list.length);
  let length = 0;
  for (let entry = 0; entry < list.length; entry++) {
    if (wanted.size > 0 && !wanted.has(list.pid[entry])) continue;
    if (
      found[list.name[entry]] ||
      found[list.process[entry]] ||
      list.tid[entry] === number ||
      list.pid[entry] === number
    )
      entries[length++] = entry;
  }
  return entries.subarray(0, length);
}

/** The rows to show. `keys`: by entry, as HeldKeys has them. */
export function rowsOf(list: ThreadList, query: RowsQuery, keys: Float64Array): Rows {
  const { sort, isGrouped, closed } = query;
  const entries = passing(list, query);
  const rank = ranks(list.names);
  const byName = (a: number, b: number): number =>
    rank[list.name[a]] - rank[list.name[b]] || list.tid[a] - list.tid[b] || a - b;
  entries.sort(
    sort === 'thread' ? byName : (a, b) => keys[b] - keys[a] || list.tid[a] - list.tid[b] || a - b,
  );
  if (!isGrouped) {
    const rows = Int32Array.from(entries);
    return { rows, isMember: new Uint8Array(rows.length), groups: [], threads: rows.length };
  }

  const members = new Map<string, number[]>();
  for (const entry of entries) {
    const key = `${list.pid[entry]} ${list.process[entry]}`;
    const known = members.get(key);
    if (known === undefined) members.set(key, [entry]);
    else known.push(entry);
  }
  const sorted = [...members.values()].map((group) => ({
    group,
    key: groupKey(keys, group, sort),
  }));
  const process = ({ group: [entry] }: { readonly group: readonly number[] }): number => entry;
  sorted.sort(
    (a, b) =>
      b.key - a.key ||
      rank[list.process[process(a)]] - rank[list.process[process(b)]] ||
      list.pid[process(a)] - list.pid[process(b)],
  );
  const rows: number[] = [];
  const isMember: number[] = [];
  const groups: Group[] = [];
  for (const { group } of sorted) {
    // One thread alone says it all itself.
    const hasRow = group.length > 1;
    if (hasRow) {
      rows.push(-groups.push(groupOf(list, group)));
      isMember.push(0);
      if (closed.has(list.pid[group[0]])) continue;
    }
    for (const entry of group) {
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

function groupKey(keys: Float64Array, group: readonly number[], sort: SortColumn): number {
  let [sum, most] = [0, 0];
  for (const entry of group) {
    sum += keys[entry];
    most = Math.max(most, keys[entry]);
  }
  return sort === 'residual' ? most : sum;
}

function groupOf(list: ThreadList, group: readonly number[]): Group {
  const ns = new Float64Array(THREAD_STATES);
  let elapsedNs = 0;
  for (const entry of group) {
    elapsedNs += list.endNs[entry] - list.startNs[entry];
    for (let state = 0; state < THREAD_STATES; state++)
      ns[state] += list.ns[entry * THREAD_STATES + state];
  }
  const [first] = group;
  return {
    pid: list.pid[first],
    process: list.names[list.process[first]],
    threads: group.length,
    elapsedNs,
    ns,
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
