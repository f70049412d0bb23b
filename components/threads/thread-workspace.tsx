'use client';

/** The threads of a list: which are shown, in what order, as a ledger or as a timeline. */
import { useCallback, useMemo, useState } from 'react';
import type { ShownSlices, ThreadList } from '@/components/profile-worker/thread-analysis';
import { Button } from '@/components/ui/button';
import { formatCount } from '@/components/ui/format';
import { useHeld } from '@/components/ui/use-held';
import { STATE_NAMES } from '@/profile/schema';
import { checkedDifference } from '@/profile/thread-ledger';
import { formatPercent, SORT_COLUMNS, type SortColumn } from './columns';
import { Ledger } from './ledger';
import type { ThreadRowsProps } from './row-name';
import { differenceOf, HeldRows, residualOf, rowsOf } from './rows';
import { STATE_CSS } from './states';
import type { ThreadId, ThreadsView } from './threads-view';
import { Timeline } from './timeline';
import { clockText } from './timeline-draw';
import type { ChangeThreadsView } from './use-threads-view';

export interface ThreadWorkspaceProps {
  readonly list: ThreadList;
  readonly slices: ShownSlices | undefined;
  readonly isLive: boolean;
  readonly view: ThreadsView;
  readonly change: ChangeThreadsView;
  pathOf(thread: ThreadId): string;
  onShown(threads: readonly number[]): void;
}

export function ThreadWorkspace(props: ThreadWorkspaceProps) {
  const { list, slices, view, change } = props;
  const { search, pids, containers, sort, isGrouped } = view;
  const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
  const [isHeld, hold] = useHeld();
  const [held] = useState(() => new HeldRows());
  const rows = useMemo(
    () => rowsOf(list, { search, pids, containers, sort, isGrouped, closed }, held, isHeld),
    [list, search, pids, containers, sort, isGrouped, closed, held, isHeld],
  );
  const toggle = useCallback((pid: number): void => {
    setClosed((old) => {
      const next = new Set(old);
      if (!next.delete(pid)) next.add(pid);
      return next;
    });
  }, []);
  const shared: ThreadRowsProps = {
    list,
    rows,
    closed,
    pids,
    beginning: JSON.stringify([search, pids, containers, sort, isGrouped]),
    pathOf: props.pathOf,
    onToggle: toggle,
    onOnly: (pid) => change({ pids: [pid] }),
  };
  return (
    <section
      aria-label="Threads"
      className="flex min-w-0 flex-1 flex-col max-lg:min-h-[75dvh] max-lg:shrink-0 max-lg:basis-0 lg:min-h-0"
    >
      <Facts {...props} threads={rows.threads} />
      <Legend />
      <div className="flex min-h-0 flex-1 flex-col" {...hold}>
        {rows.threads === 0 ? (
          <p className="m-auto p-6 text-center text-dim">No thread is what you look for.</p>
        ) : view.show === 'ledger' ? (
          <Ledger {...shared} sort={sort} onSort={(next) => change({ sort: next })} />
        ) : (
          <Timeline
            {...shared}
            slices={slices}
            isLive={props.isLive}
            range={view.range}
            onRange={(range) => change({ range })}
            onShown={props.onShown}
          />
        )}
      </div>
    </section>
  );
}

/** How many, of when, whether it adds up; and how to undo what is picked. */
function Facts({
  list,
  view,
  change,
  threads,
}: Pick<ThreadWorkspaceProps, 'list' | 'view' | 'change'> & { readonly threads: number }) {
  const { startNs, endNs } = list.range;
  const clock = (timeNs: number): string =>
    clockText((timeNs + list.wallOffsetNs) / 1e6, (endNs - startNs) / 1e6);
  const checks = useMemo(() => checksOf(list), [list]);
  const [pid] = view.pids;
  return (
    <div className="flex min-h-9 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1 text-sm">
      <h2 className="font-medium whitespace-nowrap">
        {formatCount(threads)} {threads === 1 ? 'thread' : 'threads'}
        {threads === list.length ? '' : ` of ${formatCount(list.length)}`}
      </h2>
      <span className="text-dim">
        {clock(startNs)} to {clock(endNs)}
      </span>
      <span
        className="text-dim"
        title="What is missing to threads’ elapsed times: of all together, and of the one where it is most"
      >
        residual {formatPercent(checks.all)}, at most {formatPercent(checks.most)}
      </span>
      {Number.isNaN(checks.scheduler) ? null : (
        <span
          className="text-dim"
          title="By how much times on CPU and in the run queue differ from what the kernel’s scheduler accounts itself, of the thread where it is most, in percent of its elapsed time; of those that were there for a tenth of a second or longer. What the scheduler’s clock leaves out, as measured, has been put back."
        >
          scheduler differs by at most {formatPercent(Math.abs(checks.scheduler))}
        </span>
      )}
      {view.range === undefined ? null : (
        <span className="text-dim">slices at its edges count in proportion</span>
      )}
      <span className="ml-auto flex flex-wrap items-center gap-1.5">
        {view.show === 'ledger' ? null : (
          <label className="flex items-center gap-1.5 text-dim">
            sort by
            <select
              value={view.sort}
              onChange={({ target }) => change({ sort: target.value as SortColumn })}
              className="h-6 rounded-md border border-line bg-bg px-1 text-ink"
            >
              {SORT_COLUMNS.map(({ key, name }) => (
                <option key={key} value={key}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <label className="flex items-center gap-1.5 text-dim">
          <input
            type="checkbox"
            className="accent-(--accent)"
            checked={view.isGrouped}
            onChange={({ target }) => change({ isGrouped: target.checked })}
          />
          by process
        </label>
        {pid === undefined ? null : (
          <Button title="Show the threads of all processes" onClick={() => change({ pids: [] })}>
            {view.pids.length === 1 ? `Only process ${pid}` : `Only ${view.pids.length} processes`}{' '}
            ×
          </Button>
        )}
        {view.containers.length === 0 ? null : (
          <Button
            title={`Only ${view.containers.join(', ')}: show the threads of all containers and cgroups`}
            onClick={() => change({ containers: [] })}
          >
            <span className="max-w-60 truncate">
              {view.containers.length === 1
                ? `Only ${view.containers[0]}`
                : `Only ${view.containers.length} containers or cgroups`}
            </span>{' '}
            ×
          </Button>
        )}
        {view.range === undefined ? null : (
          <Button onClick={() => change({ range: undefined })}>Show all of the time</Button>
        )}
      </span>
    </div>
  );
}

interface Checks {
  /** Residuals in percent: of all together, and of the thread where it is most. */
  readonly all: number;
  readonly most: number;
  /** The difference to the scheduler of the thread where it is most, of those that were there for long enough; NaN where it is known of none. */
  readonly scheduler: number;
}

function checksOf(list: ThreadList): Checks {
  let [elapsed, missing, most, scheduler] = [0, 0, 0, Number.NaN];
  for (let entry = 0; entry < list.length; entry++) {
    const residual = residualOf(list, entry);
    const length = list.endNs[entry] - list.startNs[entry];
    elapsed += length;
    missing += (residual / 100) * length;
    if (Math.abs(residual) > Math.abs(most)) most = residual;
    const difference = checkedDifference(differenceOf(list, entry), length);
    if (Number.isNaN(scheduler) || Math.abs(difference) > Math.abs(scheduler))
      scheduler = difference;
  }
  return { all: elapsed === 0 ? 0 : (missing / elapsed) * 100, most, scheduler };
}

function Legend() {
  return (
    <ul
      aria-label="States"
      className="flex shrink-0 flex-wrap gap-x-3 border-b border-line px-3 py-1 text-xs text-dim"
    >
      {STATE_NAMES.map((name, state) => (
        <li key={name} className="flex items-center gap-1 whitespace-nowrap">
          <span
            aria-hidden="true"
            className="inline-block size-2.5 rounded-[2px]"
            style={{ background: STATE_CSS[state] }}
          />
          {name}
        </li>
      ))}
    </ul>
  );
}
