'use client';

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { TimeStrip } from '@/components/activity/time-strip';
import { ModeBar } from '@/components/modes/mode-bar';
import { pickedText } from '@/components/process-list/rows';
import type { Analysis } from '@/components/profile-worker/analysis';
import type { ProfileState } from '@/components/profile-worker/client';
import { STACKS } from '@/components/profile-worker/question';
import { useProfileState, useSharedProfile } from '@/components/profile-worker/use-profile';
import { loadingText } from '@/components/shell/loading-text';
import { PageLink } from '@/components/shell/page-link';
import { profilePath } from '@/components/shell/page-query';
import { ProfileError, SignedOut } from '@/components/shell/profile-error';
import { GRAPH_LABELS, ProfileWorkspace } from '@/components/shell/profile-workspace';
import { serverBanner } from '@/components/shell/server-banner';
import { useCalm } from '@/components/shell/use-calm';
import { useShortcuts } from '@/components/shell/use-shortcuts';
import { useSignedOut } from '@/components/shell/use-signed-out';
import { useView } from '@/components/shell/use-view';
import { TruthBar } from '@/components/truth-bar/truth-bar';
import { Button, buttonClass, IconButton } from '@/components/ui/button';
import { CloseIcon, ReloadIcon } from '@/components/ui/icons';
import type { SessionSummary } from '@/profile/session';
import type { TimeRange, View } from '@/profile/view';
import { secondsBehind } from './behind';
import { LiveEmpty } from './live-empty';
import { LiveToolbar } from './live-toolbar';

/** The machine as it runs. */
export function LivePage() {
  const client = useSharedProfile(undefined);
  const state = useProfileState(client);
  const pageView = useView();
  const { view, window, changeView, changeWindow } = pageView;
  const search = useRef<HTMLInputElement>(null);
  const [stopped, setStopped] = useState<SessionSummary>();
  const [failure, setFailure] = useState<string>();

  const { status, analysis, paused, disconnectedMs } = state;
  // While time goes on, a range would soon have nothing in it any more. The latency page leads to here with one.
  const isRangeShown = paused || view.mode === 'latency';
  const shownView = useMemo(
    () => (isRangeShown ? view : { ...view, range: undefined }),
    [view, isRangeShown],
  );
  useEffect(() => client.setView(shownView), [client, shownView]);
  useEffect(() => client.setWindow(window), [client, window]);
  useEffect(() => {
    client.ask(STACKS);
    client.openLive();
  }, [client]);
  const isRangeOfThePast = view.range !== undefined && view.mode !== 'latency';
  const setPaused = useCallback(
    (isPaused: boolean): void => {
      client.setPaused(isPaused);
      // One that came with a link is of a time that is gone.
      if (isRangeOfThePast) changeView({ range: undefined });
    },
    [client, isRangeOfThePast, changeView],
  );
  const selectRange = (range: TimeRange | undefined): void => {
    client.setPaused(range !== undefined);
    changeView({ range });
  };

  const listed = useCalm(analysis, [view, window, analysis?.labels], !paused);
  const signedOut = useSignedOut(state.phase === 'error' || state.connection === 'disconnected');

  useShortcuts({
    '/': () => {
      search.current?.focus();
      search.current?.select();
      return true;
    },
    ' ': () => {
      setPaused(!paused);
      return true;
    },
    escape: () => {
      if (view.zoom.length > 0) changeView({ zoom: view.zoom.slice(0, -1) });
      else if (view.search !== '') changeView({ search: '' });
      else if (shownView.range !== undefined) selectRange(undefined);
      else return false;
      return true;
    },
  });

  const sinceMs =
    analysis === undefined ? undefined : (analysis.startNs + analysis.wallOffsetNs) / 1e6;
  return (
    <>
      <h1 className="sr-only">Live profile</h1>
      <LiveToolbar
        {...pageView}
        searched={view.search === '' ? undefined : analysis}
        searchRef={search}
        sinceMs={window === 'all' ? sinceMs : undefined}
        paused={paused}
        onPaused={setPaused}
        recording={status?.recording}
        disabled={status === undefined || isOver(status) || state.connection !== 'connected'}
        onStopped={setStopped}
        onError={setFailure}
      />
      {serverBanner(state, analysis !== undefined)}
      <ModeBar
        view={view}
        waits={analysis}
        live={{ status }}
        session={undefined}
        onView={changeView}
      />
      <main className="relative flex min-h-0 flex-1 flex-col">
        {analysis === undefined || signedOut || !isMeasured(analysis) ? null : (
          <TimeStrip
            activity={analysis.activity}
            of={pickedText(view, analysis.processes)}
            unit={analysis.unit}
            mode={analysis.mode}
            cpus={status?.collector?.cpus}
            rates={analysis.rates}
            range={shownView.range}
            onRange={selectRange}
            live={{
              window: analysis,
              isPaused: paused,
              endText: paused ? 'paused' : isSampling(state) ? 'now' : 'last sample',
              onDrag: () => {
                if (!paused) setPaused(true);
              },
            }}
          />
        )}
        <ProfileWorkspace
          analysis={analysis}
          listed={listed}
          view={view}
          onView={changeView}
          onSelect={(path) => client.setSelected(path)}
          hasRanges={false}
          label={GRAPH_LABELS[view.mode]}
          waiting={waitingFor(state)}
          empty={
            <LiveEmpty
              view={view}
              window={window}
              status={status}
              onAllProcesses={() => changeView({ pids: [], tids: [], containers: [], zoom: [] })}
              onWindow={changeWindow}
            />
          }
          {...(signedOut
            ? { instead: <SignedOut /> }
            : state.phase === 'error' && analysis === undefined
              ? {
                  instead: (
                    <ProfileError
                      title="The live view can’t be shown"
                      error={state.error ?? 'The reason is not known.'}
                      actions={
                        <Button onClick={() => location.reload()}>
                          <ReloadIcon />
                          Load again
                        </Button>
                      }
                    />
                  ),
                }
              : {})}
        />
        <Toast
          stopped={stopped}
          view={{ ...view, range: undefined }}
          failure={failure}
          onClose={() => {
            setStopped(undefined);
            setFailure(undefined);
          }}
        />
      </main>
      <TruthBar
        kind="live"
        status={status}
        analysis={listed}
        isOld={disconnectedMs !== undefined}
        secondsBehind={secondsBehind(state)}
        view={view}
        onView={changeView}
      />
    </>
  );
}

/** Waits that nobody looks at are not shown as none. */
const isMeasured = ({ mode, hasWaits }: Analysis): boolean =>
  mode === 'cpu' || mode === 'latency' || hasWaits;

const isSampling = ({ connection, status }: ProfileState): boolean =>
  connection === 'connected' &&
  status?.agent.state !== 'dead' &&
  status?.agent.state !== 'starting';

/** No agent runs, and none will. */
const isOver = (status: ProfileState['status']): boolean =>
  status?.agent.state === 'dead' && status.agent.restartInMs === undefined;

function waitingFor(state: ProfileState): string {
  const { connection, status } = state;
  if (connection !== 'connected') return loadingText(state);
  if (status?.agent.state === 'starting') return 'The agent is starting…';
  if (isOver(status)) return 'Nothing can be sampled.';
  if (status?.agent.state === 'dead') return 'Waiting for the agent to start again…';
  return status?.collector === undefined || status.collector.samplesPerSecond === 0
    ? 'Waiting for the first samples…'
    : loadingText(state, 'Loading what was sampled…');
}

/** Stays until it is closed: whoever stops a recording may look away first. */
function Toast({
  stopped,
  view,
  failure,
  onClose,
}: {
  readonly stopped: SessionSummary | undefined;
  /** The recording opens with what is looked at now. */
  readonly view: View;
  readonly failure: string | undefined;
  onClose(): void;
}) {
  return (
    <div
      role="status"
      className="pointer-events-none absolute inset-x-2 bottom-9 z-20 flex justify-center"
    >
      {stopped === undefined && failure === undefined ? null : (
        <div className="pointer-events-auto flex max-w-[min(100%,36rem)] items-center gap-3 rounded-lg border border-line bg-surface py-2 pr-2 pl-3 shadow-(--shadow)">
          <span className={`min-w-0 truncate ${failure === undefined ? '' : 'text-danger'}`}>
            {failure ?? <>Recorded “{stopped?.name}”</>}
          </span>
          {failure === undefined && stopped !== undefined ? (
            <PageLink href={profilePath(stopped.id, view)} className={buttonClass('primary')}>
              Open recording
            </PageLink>
          ) : null}
          <IconButton label="Dismiss" onClick={onClose}>
            <CloseIcon />
          </IconButton>
        </div>
      )}
    </div>
  );
}
