/** What the process list shows: which rows, and in which order. */
import type { ProcessRow } from '@/profile/process-list';

/** The rows whose name, command line, pid, container or cgroup holds `filter`, whatever its case. */
export function filterRows(rows: readonly ProcessRow[], filter: string): readonly ProcessRow[] {
  const text = filter.trim().toLowerCase();
  if (text === '') return rows;
  return rows.filter(
    (row) =>
      String(row.pid).startsWith(text) ||
      row.name.toLowerCase().includes(text) ||
      row.group.toLowerCase().includes(text) ||
      row.commandLine.toLowerCase().includes(text),
  );
}

/** The order is that of the shares shown, except under the pointer, where rows stay in their places: who aims at one must hit it. */
export class HeldOrder {
  #pids: readonly number[] | undefined;

  /** `rows`, heaviest first, in the order to show them; while it is held, new ones come last. */
  rows(rows: readonly ProcessRow[], isHeld: boolean): readonly ProcessRow[] {
    const pids = isHeld ? this.#pids : undefined;
    const ordered = pids === undefined ? rows : inOrder(rows, pids);
    this.#pids = ordered.map(({ pid }) => pid);
    return ordered;
  }
}

function inOrder(rows: readonly ProcessRow[], pids: readonly number[]): readonly ProcessRow[] {
  const placeOf = new Map(pids.map((pid, place) => [pid, place]));
  return rows.toSorted(
    (a, b) => (placeOf.get(a.pid) ?? pids.length) - (placeOf.get(b.pid) ?? pids.length),
  );
}

/** The filter after a click on `pid`: alone, or with a modifier key added or taken out. */
export function pidsAfterClick(
  pids: readonly number[],
  pid: number,
  withModifier: boolean,
): readonly number[] {
  if (!withModifier) return pids.length === 1 && pids[0] === pid ? [] : [pid];
  return pids.includes(pid) ? pids.filter((other) => other !== pid) : [...pids, pid];
}
