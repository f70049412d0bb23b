'use client';

import { memo, useCallback, useMemo, useRef, useState } from 'react';
import { Button } from '@/components/ui/button';
import { formatCount, formatShare } from '@/components/ui/format';
import { HeldOrder } from '@/components/ui/held-order';
import { useHeld } from '@/components/ui/use-held';
import { type RowControl, useRovingRows } from '@/components/ui/use-roving-rows';
import type { ProcessRow } from '@/profile/process-list';
import type { ProfileMode, View } from '@/profile/view';
import { filterRows, pidsAfterClick } from './rows';

export interface ProcessListProps {
  /** Of the whole window, heaviest first. */
  readonly processes: readonly ProcessRow[];
  readonly view: View;
  onView(change: Partial<View>): void;
}

/** Rows shown until asked for all: a machine can have thousands of processes, and few matter. */
const FIRST_ROWS = 150;
const TIME_NAMES: Readonly<Record<ProfileMode, string>> = {
  cpu: 'CPU time',
  'off-cpu': 'time off the CPU',
  wall: 'wall clock time',
  'off-wake': 'time blocked',
  latency: 'time in these events',
};

/** The processes by their share of the time that is looked at; a click looks at one alone. */
export const ProcessList = memo(function ProcessList({
  processes,
  view,
  onView,
}: ProcessListProps) {
  const [filter, setFilter] = useState('');
  const [showAll, setShowAll] = useState(false);
  const [isHeld, hold] = useHeld();
  const [order] = useState(() => new HeldOrder<ProcessRow>());
  const names = useKnownNames(processes);

  const ordered = useMemo(
    () => order.rows(processes, ({ pid }) => pid, isHeld),
    [order, processes, isHeld],
  );
  const rows = useMemo(() => {
    const inGroups =
      view.containers.length === 0
        ? ordered
        : ordered.filter(({ group }) => view.containers.includes(group));
    return filterRows(inGroups, filter);
  }, [ordered, filter, view.containers]);
  const groups = useMemo(
    () =>
      [...new Set([...view.containers, ...processes.map(({ group }) => group)])]
        .filter((name) => name !== '')
        .sort(),
    [processes, view.containers],
  );
  const chosen = view.containers.join('\n');
  const absent = view.pids.filter((pid) => !processes.some((row) => row.pid === pid));
  const shown = showAll ? rows : rows.slice(0, FIRST_ROWS);
  const scroller = useRef<HTMLDivElement>(null);
  const controlOf = useRovingRows({
    scroller,
    count: absent.length + shown.length,
    keyAt: (index) => absent[index] ?? shown[index - absent.length].pid,
  });
  const isFiltered = view.pids.length + view.tids.length + view.containers.length > 0;
  const { pids } = view;
  const toggle = useCallback(
    (pid: number, withModifier: boolean): void =>
      onView({ pids: pidsAfterClick(pids, pid, withModifier), zoom: [] }),
    [onView, pids],
  );

  return (
    <section aria-label="Process list" className="flex min-h-0 flex-1 flex-col">
      <div className="flex shrink-0 flex-col gap-1.5 border-b border-line p-1.5">
        <input
          type="search"
          aria-label="Filter processes"
          placeholder={`Filter ${formatCount(processes.length)} processes`}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
          className="h-7 w-full min-w-0 rounded-md border border-line bg-bg px-2 text-sm placeholder:text-dim"
        />
        {groups.length <= 1 && view.containers.length === 0 ? null : (
          <select
            aria-label="Container or cgroup"
            title={chosen}
            value={chosen}
            onChange={({ target }) =>
              onView({ containers: target.value === '' ? [] : [target.value], zoom: [] })
            }
            className="h-7 w-full rounded-md border border-line bg-bg px-1 text-sm"
          >
            <option value="">In any container or cgroup</option>
            {view.containers.length > 1 ? (
              <option value={chosen}>
                In {formatCount(view.containers.length)} containers or cgroups
              </option>
            ) : null}
            <Options label="Containers" names={groups.filter((name) => !isPath(name))} />
            <Options label="Cgroups" names={groups.filter(isPath)} />
          </select>
        )}
      </div>
      <div
        ref={scroller}
        className="min-h-0 flex-1 contain-strict overflow-y-auto overscroll-contain p-1"
        {...hold}
      >
        <button
          type="button"
          aria-pressed={!isFiltered}
          onClick={() => onView({ pids: [], tids: [], containers: [], zoom: [] })}
          className="flex h-7 w-full items-center rounded-md px-2 text-left text-sm hover:bg-surface-2 aria-pressed:font-medium aria-pressed:text-ink not-aria-pressed:text-accent"
        >
          All processes
        </button>
        {view.tids.length === 0 ? null : (
          <p className="px-2 py-1 text-xs text-dim">Only threads {view.tids.join(', ')}</p>
        )}
        <ul aria-label="Processes">
          {absent.map((pid) => (
            <Row
              key={pid}
              {...NO_SAMPLES}
              {...controlOf(pid)}
              pid={pid}
              name={names.get(pid) ?? 'pid'}
              selected
              timeName={TIME_NAMES[view.mode]}
              onClick={toggle}
            />
          ))}
          {shown.map((row) => (
            <Row
              key={row.pid}
              {...controlOf(row.pid)}
              pid={row.pid}
              name={row.name}
              commandLine={row.commandLine}
              container={row.container}
              group={row.group}
              samples={row.samples}
              share={row.share}
              selected={pids.includes(row.pid)}
              timeName={TIME_NAMES[view.mode]}
              onClick={toggle}
            />
          ))}
        </ul>
        {rows.length > shown.length ? (
          <Button look="quiet" className="mt-1 w-full" onClick={() => setShowAll(true)}>
            Show all {formatCount(rows.length)}
          </Button>
        ) : null}
        {rows.length === 0 && filter.trim() !== '' ? (
          <p className="px-2 py-3 text-sm text-dim">No process is called “{filter.trim()}”.</p>
        ) : null}
      </div>
    </section>
  );
});

/** As of cgroups that are no containers. */
const isPath = (name: string): boolean => name.startsWith('/');

function Options({ label, names }: { readonly label: string; readonly names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <optgroup label={label}>
      {names.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </optgroup>
  );
}

const NO_SAMPLES = { commandLine: '', container: '', group: '', samples: 0, share: 0 } as const;

type RowProps = Pick<
  ProcessRow,
  'pid' | 'name' | 'commandLine' | 'container' | 'group' | 'samples' | 'share'
> &
  RowControl & {
    readonly timeName: string;
    readonly selected: boolean;
    onClick(pid: number, withModifier: boolean): void;
  };

/** Rendered only when something in it has changed: most processes do nothing. */
const Row = memo(function Row({
  selected,
  timeName,
  onClick,
  'data-row': key,
  tabIndex,
  onFocus,
  onBlur,
  onKeyDown,
  ...row
}: RowProps) {
  const share = row.samples === 0 ? 'idle' : formatShare(row.share);
  return (
    <li>
      <button
        type="button"
        data-row={key}
        tabIndex={tabIndex}
        onFocus={onFocus}
        onBlur={onBlur}
        onKeyDown={onKeyDown}
        aria-label={`${row.name} (${row.pid})`}
        aria-description={row.samples === 0 ? 'no samples' : `${share} of ${timeName}`}
        aria-pressed={selected}
        title={`${row.commandLine || row.name}\npid ${row.pid}${row.group === '' ? '' : `\n${isPath(row.group) ? 'cgroup' : 'container'} ${row.group}`}\n${formatCount(row.samples)} samples`}
        onClick={(event) => onClick(row.pid, event.ctrlKey || event.metaKey || event.shiftKey)}
        className="group relative flex h-7 w-full items-center gap-2 overflow-hidden rounded-md px-2 text-left text-sm hover:bg-surface-2 aria-pressed:bg-accent-soft"
      >
        <span aria-hidden="true" className="absolute inset-x-2 bottom-0.5 h-0.5">
          <span
            className="block h-full rounded-full bg-accent/75"
            style={{ width: `${(row.share * 100).toFixed(2)}%` }}
          />
        </span>
        <span className="flex min-w-0 flex-1 items-baseline gap-1.5">
          <span className="truncate">{row.name}</span>
          <span className="text-xs text-dim">{row.pid}</span>
        </span>
        {row.container === '' ? null : (
          <span className="max-w-16 shrink truncate rounded bg-surface-2 px-1 text-xs text-dim group-hover:bg-surface">
            {row.container}
          </span>
        )}
        <span className="w-12 shrink-0 text-right text-dim group-aria-pressed:text-ink">
          {share}
        </span>
      </button>
    </li>
  );
});

/** Names seen so far, for processes that were picked and then fell out of the window. */
function useKnownNames(processes: readonly ProcessRow[]): ReadonlyMap<number, string> {
  const names = useRef(new Map<number, string>());
  for (const { pid, name } of processes) names.current.set(pid, name);
  return names.current;
}
