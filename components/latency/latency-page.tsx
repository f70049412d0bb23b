'use client';

import { useEffect, useState } from 'react';
import { changeOf } from '@/components/activity/rate-changes';
import { HeatmapView } from '@/components/heatmap/heatmap';
import { HistogramView } from '@/components/histogram/histogram';
import type { ProfileState } from '@/components/profile-worker/client';
import { useProfileState, useSharedProfile } from '@/components/profile-worker/use-profile';
import { CopyLink } from '@/components/shell/copy-link';
import { loadingText } from '@/components/shell/loading-text';
import { PageLink } from '@/components/shell/page-link';
import { profilePath } from '@/components/shell/page-query';
import { ProfileError, SignedOut } from '@/components/shell/profile-error';
import { serverBanner } from '@/components/shell/server-banner';
import { StoppedBanner, stoppedBy } from '@/components/shell/stopped-banner';
import { useSignedOut } from '@/components/shell/use-signed-out';
import { WorkspaceSkeleton } from '@/components/shell/workspace-skeleton';
import { Banner } from '@/components/ui/banner';
import { Button, buttonClass } from '@/components/ui/button';
import { formatClock } from '@/components/ui/format';
import { Notice } from '@/components/ui/notice';
import { RadioGroup } from '@/components/ui/radio-group';
import type { LatencyResult } from '@/profile/latency/analysis';
import {
  LATENCY_TEXTS,
  type LatencySource,
  LONG_LATENCY_NS,
  timingNote,
} from '@/profile/latency/sources';
import { DEFAULT_VIEW, type TimeRange } from '@/profile/view';
import { BucketTable } from './bucket-table';
import { LabelTable } from './label-table';
import {
  LATENCY_WINDOWS,
  type LatencyView,
  latencyQuery,
  stacksHref,
  waitsHref,
} from './latency-query';
import { OwnerTable } from './owner-table';
import { MeasureCost, MeasureSwitch, SourceSwitch } from './source-bar';
import { StacksPanel } from './stacks-panel';
import { type ChangeLatencyView, useLatencyView } from './use-latency-view';

const WINDOW_NAMES = ['1 min', '5 min', 'all'] as const;

/** Latencies of the machine as it runs, or of a recording. */
export function LatencyPage({ session }: { readonly session: string | undefined }) {
  const client = useSharedProfile(session);
  const state = useProfileState(client);
  const [view, change] = useLatencyView(session);
  const [failure, setFailure] = useState<string>();
  const isLive = session === undefined;
  useEffect(
    () => client.ask({ of: 'latency', query: latencyQuery(view, isLive) }),
    [client, view, isLive],
  );
  const { search } = view;
  useEffect(() => client.setView({ ...DEFAULT_VIEW, search }), [client, search]);
  useEffect(() => {
    if (session === undefined) client.openLive();
    else client.openSession(session);
  }, [client, session]);
  const signedOut = useSignedOut(state.phase === 'error' || state.connection === 'disconnected');
  const collector = state.status?.collector;
  const problem = collector?.latency.problems[view.source];
  const isMeasured = collector?.latency.sources.includes(view.source) ?? false;

  return (
    <>
      <h1 className="sr-only">{isLive ? 'Live latencies' : 'Latencies of a recording'}</h1>
      <div
        role="toolbar"
        aria-label="Latency"
        className="flex shrink-0 flex-wrap items-center gap-1.5 border-b border-line bg-surface px-2 py-1.5"
      >
        <SourceSwitch
          value={view.source}
          onChange={(source) => change({ source, label: undefined, buckets: undefined, zoom: [] })}
        />
        {isLive ? (
          <>
            <RadioGroup
              label="Time shown"
              options={WINDOW_NAMES.map((name) => ({ value: name, label: name }))}
              value={WINDOW_NAMES[LATENCY_WINDOWS.indexOf(view.windowSeconds as 60)]}
              onChange={(name) =>
                change({ windowSeconds: LATENCY_WINDOWS[WINDOW_NAMES.indexOf(name)] })
              }
            />
            <Button
              look={state.paused ? 'primary' : 'plain'}
              onClick={() => client.setPaused(!state.paused)}
            >
              {state.paused ? 'Resume' : 'Pause'}
            </Button>
            <MeasureSwitch
              source={view.source}
              collector={collector}
              disabled={state.connection !== 'connected'}
              onError={setFailure}
            />
          </>
        ) : (
          <PageLink
            href={profilePath(session, {
              pids: view.pids,
              containers: view.containers,
              range: view.range,
            })}
            className={buttonClass()}
          >
            CPU profile
          </PageLink>
        )}
        <CopyLink />
        {isLive ? <MeasureCost source={view.source} collector={collector} /> : null}
      </div>
      {state.latency === undefined ? null : <Thinned result={state.latency} view={view} />}
      {isLive ? (
        <Warnings
          state={state}
          source={view.source}
          failure={failure}
          problem={problem}
          isMeasured={isMeasured}
        />
      ) : null}
      <main className="flex min-h-0 flex-1 flex-col">
        {signedOut ? (
          <SignedOut />
        ) : state.phase === 'error' && !(isLive && state.latency !== undefined) ? (
          <ProfileError
            title="Latencies can’t be shown"
            error={state.error ?? 'The reason is not known.'}
            actions={<Button onClick={() => location.reload()}>Load again</Button>}
          />
        ) : state.latency === undefined ? (
          <WorkspaceSkeleton
            text={loadingText(
              state,
              isLive ? 'Loading what was measured…' : 'Loading the recording…',
            )}
          />
        ) : (
          <Workspace
            result={state.latency}
            view={view}
            change={change}
            waitsHref={waitsHref(view, session)}
            stacks={
              <StacksPanel
                analysis={state.analysis}
                view={view}
                change={change}
                label={state.latency.label ?? ''}
                href={stacksHref(view, state.latency.label, session)}
                live={isLive ? { collector } : undefined}
                onError={setFailure}
              />
            }
          >
            <Empty
              view={view}
              isMeasured={isMeasured}
              isLive={isLive}
              onAll={() =>
                change({ range: undefined, pids: [], containers: [], buckets: undefined })
              }
            />
          </Workspace>
        )}
      </main>
    </>
  );
}

/** Where counts are estimates: why, and what is exact all the same. */
function Thinned({
  result: { oneIn, query },
  view: { source },
}: {
  readonly result: LatencyResult;
  readonly view: LatencyView;
}) {
  if (oneIn === 1 || query.source !== source) return null;
  return (
    <Banner look="warn">
      <strong>Counts are estimates.</strong> To keep to the budget, at least for a part of this time
      one event in {oneIn} is timed, and counts for {oneIn}. Those of {LONG_LATENCY_NS / 1e6} ms and
      more are all there, each once. ± is the standard error.
    </Banner>
  );
}

function Warnings({
  state,
  source,
  failure,
  problem,
  isMeasured,
}: {
  readonly state: ProfileState;
  readonly source: LatencySource;
  readonly isMeasured: boolean;
  readonly failure: string | undefined;
  readonly problem: string | undefined;
}) {
  const banner = serverBanner(state, state.latency !== undefined);
  if (banner !== undefined) return banner;
  const text = failure ?? problem;
  if (text === undefined) {
    const stopped = stoppedBy(state.status, source);
    return stopped === undefined ? null : <StoppedBanner stopped={stopped} />;
  }
  return (
    <Banner look="danger">
      <strong>
        {failure !== undefined
          ? 'Nothing was changed:'
          : isMeasured
            ? 'This source’s stacks can’t be taken:'
            : 'This source can’t be measured:'}
      </strong>{' '}
      {text}
    </Banner>
  );
}

function Workspace({
  result,
  view,
  change,
  waitsHref: href,
  stacks,
  children,
}: {
  readonly result: LatencyResult;
  readonly view: LatencyView;
  readonly change: ChangeLatencyView;
  readonly waitsHref: string | undefined;
  /** Of what is selected. */
  readonly stacks: React.ReactNode;
  /** Shown where there is nothing. */
  readonly children: React.ReactNode;
}) {
  const row = result.labels.find(({ label }) => label === result.label);
  if (row === undefined || result.query.source !== view.source) {
    return <div className="flex min-h-0 flex-1 bg-surface">{children}</div>;
  }
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-y-auto bg-surface lg:flex-row lg:overflow-hidden">
      <div className="flex min-w-0 flex-col lg:min-h-0 lg:flex-1 lg:overflow-y-auto">
        <div className="flex max-h-48 shrink-0 flex-col border-b border-line">
          <LabelTable
            labels={result.labels}
            note={timingNote(result.query.source)}
            chosen={result.label}
            onChoose={(label) => change({ label, buckets: undefined, zoom: [] })}
          />
        </div>
        <RangeBar result={result} view={view} change={change} waitsHref={href} />
        <div className="flex shrink-0 flex-col xl:min-h-56 xl:flex-1 xl:shrink xl:flex-row">
          <div className="flex h-56 flex-col border-line pt-1 max-xl:border-b xl:h-auto xl:min-w-0 xl:flex-1 xl:border-r">
            <HistogramView
              label={row.label}
              histogram={row.histogram}
              baseline={row.baseline}
              unit={row.unit}
              selected={view.buckets}
              hint="Drag to select latencies: processes and stacks are those of what is selected."
              onSelect={(buckets) => change({ buckets })}
            />
          </div>
          <div className="flex h-56 flex-col pt-1 xl:h-auto xl:min-w-0 xl:flex-1">
            <HeatmapView
              label={row.label}
              heatmap={result.heatmap}
              unit={row.unit}
              wallOffsetNs={result.wallOffsetNs}
              selection={view}
              baseline={view.baseline}
              rates={result.rates}
              change={changeOf(view.source)}
              onSelect={({ range, buckets }) => change({ range, buckets })}
            />
          </div>
        </div>
        {stacks}
        <BucketTable row={row} />
      </div>
      <div className="flex max-h-96 shrink-0 flex-col border-t border-line lg:max-h-none lg:w-80 lg:border-t-0 lg:border-l">
        <OwnerTable
          processes={result.processes}
          groups={result.groups}
          unit={row.unit}
          view={view}
          change={change}
        />
      </div>
    </div>
  );
}

/** What is selected and compared, and how to undo it. */
function RangeBar({
  result,
  view,
  change,
  waitsHref: href,
}: {
  readonly result: LatencyResult;
  readonly view: LatencyView;
  readonly change: ChangeLatencyView;
  readonly waitsHref: string | undefined;
}) {
  const { range, baseline, buckets } = view;
  const shown: TimeRange = { startNs: Math.floor(result.startNs), endNs: Math.ceil(result.endNs) };
  const text = ({ startNs, endNs }: TimeRange): string => {
    const clock = (timeNs: number): string => formatClock((timeNs + result.wallOffsetNs) / 1e6);
    return `${clock(startNs)} to ${clock(endNs)}`;
  };
  return (
    <div className="flex min-h-9 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1 text-sm">
      <h2 className="min-w-0 truncate font-medium">{result.label}</h2>
      <span className="text-dim">{range === undefined ? 'all that is shown' : text(range)}</span>
      {baseline === undefined ? null : (
        <span className="text-dim">compared with {text(baseline)} (the line)</span>
      )}
      <span className="ml-auto flex flex-wrap gap-1.5">
        {href === undefined ? null : (
          <PageLink
            href={href}
            title="The stacks of the waits of these lengths, as off-CPU profiling takes them"
            className={buttonClass()}
          >
            Off-CPU graph of these waits
          </PageLink>
        )}
        {baseline === undefined ? (
          <Button
            title="Keep this time range as the baseline, then select another"
            onClick={() => change({ baseline: range ?? shown, range: undefined })}
          >
            Compare with this
          </Button>
        ) : (
          <Button onClick={() => change({ baseline: undefined })}>End comparison</Button>
        )}
        <Button
          disabled={range === undefined && buckets === undefined}
          onClick={() => change({ range: undefined, buckets: undefined })}
        >
          Clear selection
        </Button>
      </span>
    </div>
  );
}

function Empty({
  view,
  isMeasured,
  isLive,
  onAll,
}: {
  readonly view: LatencyView;
  readonly isMeasured: boolean;
  readonly isLive: boolean;
  onAll(): void;
}) {
  const { title, text } = LATENCY_TEXTS[view.source];
  const isPart = view.range !== undefined || view.pids.length + view.containers.length > 0;
  if (isPart && (isMeasured || !isLive)) {
    return (
      <Notice
        title="No events in what is selected"
        text="The processes or containers that you picked had none in this time range."
        actions={<Button onClick={onAll}>Show everything</Button>}
      />
    );
  }
  if (!isLive) {
    return (
      <Notice
        title={`${title}: not in this recording`}
        text="This source was not measured while it was recorded, or nothing happened."
      />
    );
  }
  if (isMeasured) {
    return <Notice title={`${title}: no events yet`} text={`Being measured. ${text}`} />;
  }
  return (
    <Notice
      title={`${title}: not measured`}
      text={`${text} Nothing is attached to the kernel for it until you press Measure.`}
      actions={isPart ? <Button onClick={onAll}>Clear what is picked</Button> : undefined}
    />
  );
}
