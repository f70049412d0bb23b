/** Which processes are shown, and picked. */
import { formatCount } from '@/components/ui/format';
import type { ProcessRow } from '@/profile/process-list';
import type { View } from '@/profile/view';

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

/** The filter after a click on `pid`: alone, or with a modifier key added or taken out. */
export function pidsAfterClick(
  pids: readonly number[],
  pid: number,
  withModifier: boolean,
): readonly number[] {
  if (!withModifier) return pids.length === 1 && pids[0] === pid ? [] : [pid];
  return pids.includes(pid) ? pids.filter((other) => other !== pid) : [...pids, pid];
}

/** Names what a view is of; undefined: everything. */
export function pickedText(
  { pids, tids, containers }: Pick<View, 'pids' | 'tids' | 'containers'>,
  rows: readonly ProcessRow[],
): string | undefined {
  if (tids.length > 0) return tids.length === 1 ? `thread ${tids[0]}` : several(tids, 'threads');
  if (pids.length > 1) return several(pids, 'processes');
  if (pids.length === 1) {
    const name = rows.find(({ pid }) => pid === pids[0])?.name ?? 'process';
    return `${name} (${pids[0]})`;
  }
  if (containers.length === 0) return undefined;
  return containers.length === 1 ? containers[0] : several(containers, 'containers or cgroups');
}

const several = (picked: readonly unknown[], what: string): string =>
  `${formatCount(picked.length)} ${what}`;
