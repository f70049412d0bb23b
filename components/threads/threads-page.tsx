'use client';

import { useCallback, useEffect, useRef, useState } from 'react';
import type { ProfileState } from '@/components/profile-worker/client';
import { NO_THREADS } from '@/components/profile-worker/thread-analysis';
import { useProfileState, useSharedProfile } from '@/components/profile-worker/use-profile';
import { CopyLink } from '@/components/shell/copy-link';
import { loadingText } from '@/components/shell/loading-text';
import { PageLink } from '@/components/shell/page-link';
import { profilePath } from '@/components/shell/page-query';
import { ProfileError, SignedOut } from '@/components/shell/profile-error';
import { serverBanner } from '@/components/shell/server-banner';
import { StoppedBanner, stoppedBy } from '@/components/shell/stopped-banner';
import { useShortcuts } from '@/components/shell/use-shortcuts';
import { useSignedOut } from '@/components/shell/use-signed-out';
import { WorkspaceSkeleton } from '@/components/shell/workspace-skeleton';
import { Banner } from '@/components/ui/banner';
import { Button, buttonClass } from '@/components/ui/button';
import { SearchIcon } from '@/components/ui/icons';
import { Notice } from '@/components/ui/notice';
import { RadioGroup } from '@/components/ui/radio-group';
import { Beside } from './beside';
import { OffCpuSwitch } from './off-cpu-switch';
import { ThreadWorkspace } from './thread-workspace';
import { flameGraphPath, THREAD_WINDOWS, type ThreadId } from './threads-view';
import { useThreadsView } from './use-threads-view';

const WINDOW_NAMES = ['1 min', '5 min', 'all'] as const;

/** What the threads of the machine spend their time on, as it runs or in a recording. */
export function ThreadsPage({ session }: { readonly session: string | undefined }) {
  const client = useSharedProfile(session);
  const state = useProfileState(client);
  const [view, change] = useThreadsView(session);
  const [shown, setShown] = useState<readonly number[]>([]);
  const showThreads = useCallback((next: readonly number[]): void => {
    // The same threads need not be asked for again.
    setShown((old) => (sameThreads(old, next) ? old : next));
  }, []);
  const [failure, setFailure] = useState<string>();
  const searchBox = useRef<HTMLInputElement>(null);
  const isLive = session === undefined;
  const collector = state.status?.collector;
  const offCpu = collector?.offCpu;

  useEffect(() => {
    if (session === undefined) client.openLive();
    else client.openSession(session);
  }, [client, session]);
  const { windowSeconds, range, show, pids, containers, search } = view;
  const wantsLongest = offCpu === undefined || view.beside === 'longest';
  const isPaused = state.paused;
  const blocked = offCpu?.blocked;
  useEffect(() => {
    client.ask({
      of: 'threads',
      query: {
        ...NO_THREADS,
        windowSeconds: isLive ? windowSeconds : undefined,
        range,
        shown: show === 'timeline' ? shown : [],
        open: (blocked ?? []).map(({ pid, tid, kernelStack }) => ({ pid, tid, kernelStack })),
        longestOf: wantsLongest ? { pids, containers, search } : undefined,
      },
    });
  }, [
    client,
    isLive,
    windowSeconds,
    range,
    show,
    shown,
    blocked,
    wantsLongest,
    pids,
    containers,
    search,
  ]);
  const signedOut = useSignedOut(state.phase === 'error' || state.connection === 'disconnected');
  const pathOf = useCallback(
    (thread: ThreadId) => flameGraphPath(thread, 'wall', { range, windowSeconds }, session),
    [range, windowSeconds, session],
  );
  const waitsPathOf = useCallback(
    (thread: ThreadId) => flameGraphPath(thread, 'off-cpu', { range, windowSeconds }, session),
    [range, windowSeconds, session],
  );
  useShortcuts({
    '/': () => {
      searchBox.current?.focus();
      searchBox.current?.select();
      return true;
    },
    ' ': () => {
      if (isLive) client.setPaused(!isPaused);
      return isLive;
    },
    escape: () => {
      if (search !== '') change({ search: '' });
      else if (range !== undefined) change({ range: undefined });
      else return false;
      return true;
    },
  });
  const list = state.threads?.list;
  const offSwitch = (look: 'plain' | 'primary') => (
    <OffCpuSwitch
      isOn={offCpu !== undefined}
      look={look}
      disabled={state.connection !== 'connected' || collector === undefined}
      onError={setFailure}
    />
  );

  return (
    <>
      <h1 className="sr-only">{isLive ? 'Live threads' : 'Threads of a recording'}</h1>
      <div
        role="toolbar"
        aria-label="Threads"
        className="flex shrink-0 flex-wrap items-center gap-1.5 border-b border-line bg-surface px-2 py-1.5"
      >
        <label className="mr-auto flex h-7 min-w-0 max-w-2xl flex-1 basis-52 items-center gap-1.5 rounded-md border border-line bg-bg px-2 focus-within:border-line-strong max-sm:basis-full">
          <span className="text-dim">
            <SearchIcon />
          </span>
          <input
            ref={searchBox}
            type="search"
            aria-label="Search threads"
            aria-keyshortcuts="/"
            placeholder="Search threads and processes, by name or number"
            autoComplete="off"
            spellCheck={false}
            value={view.search}
            onKeyDown={(event) => {
              if (event.key !== 'Escape') return;
              event.preventDefault();
              change({ search: '' }, 'replace');
              event.currentTarget.blur();
            }}
            onChange={({ target }) => change({ search: target.value }, 'replace')}
            className="h-full min-w-0 flex-1 bg-transparent text-sm outline-none placeholder:text-dim"
          />
        </label>
        <RadioGroup
          label="Show"
          options={[
            { value: 'ledger', label: 'Ledger', title: 'Sums that add up to the elapsed time' },
            { value: 'timeline', label: 'Timeline', title: 'States over time' },
          ]}
          value={view.show}
          onChange={(next) => change({ show: next })}
        />
        {isLive ? (
          <>
            <RadioGroup
              label="Time shown"
              options={WINDOW_NAMES.map((name) => ({ value: name, label: name }))}
              value={WINDOW_NAMES[THREAD_WINDOWS.indexOf(view.windowSeconds as 60)]}
              onChange={(name) =>
                change({
                  windowSeconds: THREAD_WINDOWS[WINDOW_NAMES.indexOf(name)],
                  range: undefined,
                })
              }
            />
            <Button
              look={isPaused ? 'primary' : 'plain'}
              onClick={() => client.setPaused(!isPaused)}
            >
              {isPaused ? 'Resume' : 'Pause'}
            </Button>
            {offCpu === undefined ? null : offSwitch('plain')}
          </>
        ) : (
          <PageLink
            href={profilePath(session, { pids, containers, range })}
            className={buttonClass()}
          >
            Flame graph
          </PageLink>
        )}
        <CopyLink />
      </div>
      {isLive ? (
        <Warnings
          state={state}
          failure={failure ?? collector?.offCpuProblem}
          isOff={collector !== undefined && offCpu === undefined && (list?.length ?? 0) > 0}
          offSwitch={offSwitch('plain')}
        />
      ) : null}
      <main className="flex min-h-0 flex-1 flex-col bg-surface">
        {signedOut ? (
          <SignedOut />
        ) : state.phase === 'error' && !(isLive && list !== undefined) ? (
          <ProfileError
            title="Threads can’t be shown"
            error={state.error ?? 'The reason is not known.'}
            actions={<Button onClick={() => location.reload()}>Load again</Button>}
          />
        ) : list === undefined ? (
          <WorkspaceSkeleton
            text={loadingText(
              state,
              isLive ? 'Loading what was measured…' : 'Loading the recording…',
            )}
          />
        ) : list.length === 0 ? (
          <Nothing
            isLive={isLive}
            isOn={offCpu !== undefined}
            isRange={range !== undefined}
            onAll={() => change({ range: undefined, windowSeconds: undefined })}
            offSwitch={offSwitch('primary')}
          />
        ) : (
          <div className="flex min-h-0 flex-1 flex-col max-lg:overflow-y-auto lg:flex-row">
            <ThreadWorkspace
              list={list}
              slices={state.threads?.slices}
              isLive={isLive}
              view={view}
              change={change}
              pathOf={pathOf}
              onShown={showThreads}
            />
            <Beside
              offCpu={offCpu}
              threads={state.threads ?? {}}
              view={view}
              change={change}
              pathOf={waitsPathOf}
            />
          </div>
        )}
      </main>
    </>
  );
}

function sameThreads(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((thread, i) => thread === b[i]);
}

function Warnings({
  state,
  failure,
  isOff,
  offSwitch,
}: {
  readonly state: ProfileState;
  readonly failure: string | undefined;
  readonly isOff: boolean;
  readonly offSwitch: React.ReactNode;
}) {
  const banner = serverBanner(state, state.threads !== undefined);
  if (banner !== undefined) return banner;
  if (failure !== undefined) {
    return (
      <Banner look="danger">
        <strong>Off-CPU profiling can’t be switched:</strong> {failure}
      </Banner>
    );
  }
  const stopped = stoppedBy(state.status, 'offCpu');
  if (stopped !== undefined)
    return <StoppedBanner stopped={stopped} actions={isOff ? offSwitch : undefined} />;
  if (!isOff) return null;
  return (
    <Banner look="calm" actions={offSwitch}>
      <strong>Off-CPU profiling is off.</strong> What is shown ends where it was switched off.
    </Banner>
  );
}

function Nothing({
  isLive,
  isOn,
  isRange,
  onAll,
  offSwitch,
}: {
  readonly isLive: boolean;
  readonly isOn: boolean;
  readonly isRange: boolean;
  onAll(): void;
  readonly offSwitch: React.ReactNode;
}) {
  if (isRange) {
    return (
      <Notice
        title="No times in this range"
        text="Nothing was written down of any thread in the time that this link names."
        actions={<Button onClick={onAll}>Show all of the time</Button>}
      />
    );
  }
  if (!isLive) {
    return (
      <Notice
        title="Not in this recording"
        text="Off-CPU profiling was off while it was recorded, so what its threads’ time was spent on is not known."
      />
    );
  }
  if (isOn) {
    return (
      <Notice
        title="No times yet"
        text="Off-CPU profiling is on. Threads’ times come once a second."
      />
    );
  }
  return (
    <Notice
      title="Off-CPU profiling is off"
      text="It follows every thread’s switches in the kernel, and so knows what all of its time is spent on: on a CPU, waiting for one, or blocked, and on what. Nothing is attached for it until you turn it on."
      actions={offSwitch}
    />
  );
}
