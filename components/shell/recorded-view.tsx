'use client';

import { type ReactNode, Suspense, useEffect, useRef } from 'react';
import { TimeStrip } from '@/components/activity/time-strip';
import { ModeSwitch } from '@/components/modes/mode-switch';
import { pickedText } from '@/components/process-list/rows';
import type { ProfileClient, ProfileState } from '@/components/profile-worker/client';
import { TruthBar } from '@/components/truth-bar/truth-bar';
import { Button } from '@/components/ui/button';
import { lazyPart } from '@/components/ui/lazy-part';
import { Notice } from '@/components/ui/notice';
import { CopyLink } from './copy-link';
import { loadingText } from './loading-text';
import { NamesSwitch } from './names-switch';
import { OrientationSwitch } from './orientation-switch';
import { ProfileError } from './profile-error';
import { GRAPH_LABELS, ProfileWorkspace } from './profile-workspace';
import { SearchBox } from './search-box';
import { useShortcuts } from './use-shortcuts';
import { useView } from './use-view';

/** Nothing in mode CPU. */
const ModeBar = lazyPart(() =>
  import('@/components/modes/mode-bar').then((module) => module.ModeBar),
);

export interface RecordedViewProps {
  readonly client: ProfileClient;
  readonly state: ProfileState;
  /** Whether a link brings others to the same profile. */
  readonly canLink: boolean;
  /** Its ID on the server; undefined for a file. */
  readonly session: string | undefined;
  /** Of the machine that it is of; undefined where they are not known. */
  readonly cpus: number | undefined;
  /** More controls in the toolbar. */
  readonly actions?: ReactNode;
  /** What to offer when the profile can't be shown. */
  readonly onError?: ReactNode;
}

/** A profile that doesn't grow: a session, or a file. */
export function RecordedView({
  client,
  state,
  canLink,
  session,
  cpus,
  actions,
  onError,
}: RecordedViewProps) {
  const { view, changeView } = useView();
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => client.setView(view), [client, view]);
  useShortcuts({
    '/': () => {
      search.current?.focus();
      search.current?.select();
      return true;
    },
    escape: () => {
      if (view.zoom.length > 0) changeView({ zoom: view.zoom.slice(0, -1) });
      else if (view.search !== '') changeView({ search: '' });
      else if (view.range !== undefined) changeView({ range: undefined });
      else return false;
      return true;
    },
  });

  const { analysis } = state;
  const hasTimes = analysis !== undefined && analysis.activity.weights.length > 1;
  return (
    <>
      <div
        role="toolbar"
        aria-label="View"
        className="flex shrink-0 flex-wrap items-center gap-1.5 border-b border-line bg-surface px-2 py-1.5"
      >
        <SearchBox
          search={view.search}
          analysis={analysis}
          onSearch={(text) => changeView({ search: text }, 'replace')}
          inputRef={search}
        />
        {analysis?.isImport === true ? null : (
          <ModeSwitch
            value={view.mode}
            hasLatency={view.latency !== undefined}
            onChange={(mode) => changeView({ mode, zoom: [] })}
          />
        )}
        <OrientationSwitch
          value={view.orientation}
          onChange={(orientation) => changeView({ orientation })}
        />
        <NamesSwitch value={view.names} onChange={(names) => changeView({ names })} />
        {canLink ? <CopyLink /> : null}
        {actions}
      </div>
      {view.mode === 'cpu' ? null : (
        <Suspense>
          <ModeBar
            view={view}
            waits={analysis}
            live={undefined}
            session={session}
            onView={changeView}
          />
        </Suspense>
      )}
      <main className="flex min-h-0 flex-1 flex-col">
        {hasTimes ? (
          <TimeStrip
            activity={analysis.activity}
            of={pickedText(view, analysis.processes)}
            unit={analysis.unit}
            mode={analysis.mode}
            cpus={cpus}
            rates={analysis.rates}
            range={view.range}
            onRange={(range) => changeView({ range })}
          />
        ) : null}
        <ProfileWorkspace
          analysis={analysis}
          listed={analysis}
          view={view}
          onView={changeView}
          onSelect={(path) => client.setSelected(path)}
          hasRanges
          label={GRAPH_LABELS[view.mode]}
          waiting={loadingText(state)}
          empty={
            <Notice
              title="No samples in what is selected"
              text={
                view.range === undefined && view.pids.length + view.containers.length === 0
                  ? view.mode === 'cpu'
                    ? 'Nothing ran on a CPU while this was recorded, or it ended before the first sample.'
                    : view.mode === 'latency'
                      ? 'No event of what was selected has a stack in this recording.'
                      : analysis?.hasWaits === true
                        ? 'Nothing that was recorded is of this kind.'
                        : 'Off-CPU profiling was off while this was recorded: switch it on before the next one.'
                  : `The processes that you picked ${view.mode === 'cpu' ? 'used no CPU time' : 'have no waits'} in this time range.`
              }
              actions={
                <Button
                  onClick={() =>
                    changeView({ range: undefined, pids: [], tids: [], containers: [], zoom: [] })
                  }
                >
                  Show everything
                </Button>
              }
            />
          }
          {...(state.phase === 'error'
            ? {
                instead: (
                  <ProfileError
                    title="This profile can’t be shown"
                    error={state.error ?? 'The reason is not known.'}
                    actions={onError}
                  />
                ),
              }
            : {})}
        />
      </main>
      <TruthBar kind="recorded" analysis={analysis} view={view} onView={changeView} />
    </>
  );
}
