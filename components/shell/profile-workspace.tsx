'use client';

import { type KeyboardEvent, type ReactNode, Suspense, useCallback, useState } from 'react';
import { FlameGraph } from '@/components/flame-graph/flame-graph';
import { FunctionTable } from '@/components/function-table/function-table';
import { useOpenHelp } from '@/components/help/help';
import { ProcessList } from '@/components/process-list/process-list';
import type { Analysis } from '@/components/profile-worker/client';
import { lazyPart } from '@/components/ui/lazy-part';
import { type ProfileMode, type View, viewToQuery } from '@/profile/view';
import { SidePane } from './side-pane';
import { useNames } from './use-names';
import { WorkspaceSkeleton } from './workspace-skeleton';

/** With its histogram it is large, and most profiles are looked at without it. */
const WaitsPanel = lazyPart(() =>
  import('@/components/modes/waits-panel').then((module) => module.WaitsPanel),
);

export interface ProfileWorkspaceProps {
  /** undefined while there is nothing yet. */
  readonly analysis: Analysis | undefined;
  /** What the lists show: of a live profile, a little older. */
  readonly listed: Analysis | undefined;
  readonly view: View;
  onView(change: Partial<View>, how?: 'push' | 'replace'): void;
  /** The frame whose waits are to be told of has changed. */
  onSelect(path: readonly string[] | undefined): void;
  /** The flame graph's accessible name. */
  readonly label: string;
  /** What is waited for while there is no analysis. */
  readonly waiting: string;
  /** Whether a range of the time can be looked at. */
  readonly hasRanges: boolean;
  /** In place of the flame graph where there is no sample. */
  readonly empty: ReactNode;
  /** In place of all of it: an error. */
  readonly instead?: ReactNode;
}

/** Names of flame graphs. */
export const GRAPH_LABELS: Readonly<Record<ProfileMode, string>> = {
  cpu: 'Flame graph of CPU time',
  'off-cpu': 'Flame graph of time off the CPU',
  wall: 'Flame graph of wall clock time',
  'off-wake': 'Flame graph of waits and who ended them',
  latency: 'Flame graph of time in the events of a latency source',
};

const TABS = [
  { tab: 'processes', label: 'Processes' },
  { tab: 'graph', label: 'Flame graph' },
  { tab: 'functions', label: 'Functions' },
] as const;
type Tab = (typeof TABS)[number]['tab'];

/**
 * Processes, flame graph and functions: side by side where there is room, else one at a time behind tabs.
 *
 *     >= 1200 px              >= 768 px                     below
 *     proc | graph | func     proc | [graph | func]         [proc | graph | func]
 */
export function ProfileWorkspace(props: ProfileWorkspaceProps) {
  const { analysis, listed, view, onView } = props;
  const [tab, setTab] = useState<Tab>('graph');
  const openHelp = useOpenHelp();
  const nameOf = useNames(analysis?.labels, view.names);
  const { search } = view;
  const onFunction = useCallback(
    (name: string) => onView({ search: name === search ? '' : name }),
    [onView, search],
  );
  if (props.instead !== undefined) {
    return <div className="flex min-h-0 flex-1 overflow-auto bg-surface">{props.instead}</div>;
  }
  if (analysis === undefined || listed === undefined)
    return <WorkspaceSkeleton text={props.waiting} />;

  // Imported files know of no processes.
  const tabs = analysis.isImport ? TABS.slice(1) : TABS;
  // Between the two widths the process list is there beside the tabs, so its tab shows the graph.
  const shown = (own: Tab): string => {
    if (own === 'processes') return tab === 'processes' ? 'flex' : 'hidden md:flex';
    if (own === 'functions') return tab === 'functions' ? 'flex' : 'hidden xl:flex';
    if (tab === 'processes') return 'hidden md:flex';
    return tab === 'graph' ? 'flex' : 'hidden xl:flex';
  };
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div
        role="tablist"
        aria-label="Panes"
        className="flex shrink-0 gap-1 border-b border-line bg-surface px-2 xl:hidden"
        onKeyDown={moveBetweenTabs}
      >
        {tabs.map((one) => (
          <button
            key={one.tab}
            type="button"
            role="tab"
            aria-selected={tab === one.tab}
            tabIndex={tab === one.tab ? 0 : -1}
            onClick={() => setTab(one.tab)}
            className={`-mb-px h-8 border-b-2 border-transparent px-2.5 text-sm text-dim hover:text-ink aria-selected:border-accent aria-selected:text-ink ${one.tab === 'processes' ? 'md:hidden' : ''}`}
          >
            {one.label}
          </button>
        ))}
      </div>
      <div className="flex min-h-0 flex-1">
        {analysis.isImport ? null : (
          <SidePane
            side="left"
            label="Width of the process list"
            name="processes"
            width={240}
            className={`${shown('processes')} max-md:w-full!`}
          >
            <ProcessList processes={listed.processes} view={view} onView={onView} />
          </SidePane>
        )}
        <div className={`${shown('graph')} relative min-h-0 min-w-0 flex-1 flex-col bg-surface`}>
          <FlameGraph
            analysis={analysis}
            view={view}
            nameOf={nameOf}
            onZoom={(zoom) => onView({ zoom })}
            onSelect={props.onSelect}
            onHelp={openHelp}
            label={props.label}
          />
          {analysis.waits === undefined || analysis.waits.drawn === 0 ? null : (
            <Suspense>
              <WaitsPanel
                waits={analysis.waits}
                name={analysis.waits.label === undefined ? undefined : nameOf(analysis.waits.label)}
                wallOffsetNs={analysis.wallOffsetNs}
                pathOf={(thread) => `?${viewToQuery({ ...view, ...onlyThread(thread) })}`}
                onThread={(thread) => onView(onlyThread(thread))}
                filter={view.waits}
                onFilter={(waits) => onView({ waits })}
                onRange={props.hasRanges ? (range) => onView({ range }) : undefined}
              />
            </Suspense>
          )}
          {analysis.tree.totalSamples[0] === 0 ? (
            <div className="absolute inset-0 flex overflow-auto bg-surface">{props.empty}</div>
          ) : null}
        </div>
        <SidePane
          side="right"
          label="Width of the function table"
          name="functions"
          width={400}
          className={`${shown('functions')} max-xl:w-full! max-xl:shrink!`}
        >
          <FunctionTable analysis={listed} nameOf={nameOf} onSelect={onFunction} search={search} />
        </SidePane>
      </div>
    </div>
  );
}

/** The change of a view that looks at a thread alone. */
const onlyThread = ({ pid, tid }: { readonly pid: number; readonly tid: number }) => ({
  pids: [pid],
  tids: [tid],
  zoom: [],
});

/** Left and right lead to the tabs that are seen, which are shown as they are reached. */
function moveBetweenTabs(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
  const focused = document.activeElement;
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=tab]')].filter(
    (tab) => tab.offsetParent !== null,
  );
  if (!(focused instanceof HTMLElement) || !tabs.includes(focused)) return;
  const at = tabs.indexOf(focused);
  const next = tabs[(at + (event.key === 'ArrowRight' ? 1 : tabs.length - 1)) % tabs.length];
  next.focus();
  next.click();
  event.preventDefault();
}
