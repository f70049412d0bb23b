'use client';

import { useCallback, useEffect, useState } from 'react';
import { DEFAULT_LATENCY_VIEW, latencyHref } from '@/components/latency/latency-query';
import { STACKS } from '@/components/profile-worker/question';
import { useProfileState, useSharedProfile } from '@/components/profile-worker/use-profile';
import { SessionName } from '@/components/sessions/session-name';
import { StateBadge } from '@/components/sessions/state-badge';
import { ApiError, getSession, messageOf } from '@/components/shell/api';
import { PageLink } from '@/components/shell/page-link';
import { ProfileError, SignedOut } from '@/components/shell/profile-error';
import { RecordedView } from '@/components/shell/recorded-view';
import { useView } from '@/components/shell/use-view';
import { DEFAULT_THREADS_VIEW, threadsHref } from '@/components/threads/threads-view';
import { Banner } from '@/components/ui/banner';
import { Button, buttonClass } from '@/components/ui/button';
import { formatDuration, formatWhen } from '@/components/ui/format';
import { ReloadIcon } from '@/components/ui/icons';
import type { SessionSummary } from '@/profile/session';
import { ExportMenu } from './export-menu';
import { SymbolizeButton } from './symbolize-button';

/** One recording. */
export function SessionPage({ id }: { readonly id: string }) {
  const client = useSharedProfile(id);
  const state = useProfileState(client);
  const { pids, containers, range } = useView().view;
  const [session, setSession] = useState<SessionSummary>();
  const [error, setError] = useState<unknown>();

  const load = useCallback(async (): Promise<void> => {
    try {
      const summary = await getSession(id);
      setSession(summary);
      setError(undefined);
      client.openSession(id, summary.bytes);
    } catch (failure) {
      setError(failure);
    }
  }, [client, id]);
  useEffect(() => client.ask(STACKS), [client]);
  useEffect(() => void load(), [load]);

  useEffect(() => {
    if (session !== undefined) document.title = `${session.name} · Hearth`;
  }, [session]);

  if (error !== undefined) {
    return (
      <main className="flex min-h-0 flex-1">
        <LoadError error={error} onRetry={() => void load()} />
      </main>
    );
  }
  return (
    <>
      <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-x-3 gap-y-0.5 border-b border-line bg-surface px-3 py-1">
        {session === undefined ? (
          <div
            role="status"
            aria-label="Loading"
            className="breathing h-4 w-48 rounded bg-surface-2"
          />
        ) : (
          <>
            <SessionName session={session} onRenamed={setSession}>
              <h1 className="min-w-0 truncate text-lg font-semibold tracking-tight">
                {session.name}
              </h1>
            </SessionName>
            {session.state === 'complete' ? null : <StateBadge state={session.state} />}
            <Facts session={session} />
          </>
        )}
      </div>
      {session?.state === 'recording' ? (
        <Banner
          look="calm"
          actions={
            <Button onClick={() => void load()}>
              <ReloadIcon />
              Load what was added
            </Button>
          }
        >
          It is still being recorded. This is what was stored when the page loaded.
        </Banner>
      ) : null}
      <RecordedView
        client={client}
        state={state}
        canLink
        session={id}
        cpus={session?.host.cpus}
        actions={
          <>
            {session === undefined || session.state === 'recording' ? null : (
              <SymbolizeButton id={id} onChanged={() => void load()} />
            )}
            <PageLink
              href={latencyHref({ ...DEFAULT_LATENCY_VIEW, pids, containers, range }, id)}
              className={buttonClass()}
            >
              Latency
            </PageLink>
            <PageLink
              href={threadsHref({ ...DEFAULT_THREADS_VIEW, pids, containers, range }, id)}
              className={buttonClass()}
            >
              Threads
            </PageLink>
            <ExportMenu id={id} />
          </>
        }
        onError={
          <Button onClick={() => void load()}>
            <ReloadIcon />
            Try again
          </Button>
        }
      />
    </>
  );
}

function Facts({ session }: { readonly session: SessionSummary }) {
  const facts: readonly (readonly [string, string])[] = [
    ['When', formatWhen(session.startedMs, Date.now())],
    ['Length', formatDuration(session.durationMs)],
    ['Host', session.host.hostname],
    ['Kernel', session.host.kernel],
    ['CPUs', String(session.host.cpus)],
  ];
  return (
    <dl className="flex min-w-0 flex-wrap gap-x-3 text-sm">
      {facts.map(([label, text]) => (
        <div key={label} className="flex gap-1">
          <dt className="sr-only">{label}</dt>
          <dd className="text-dim" title={label}>
            {label === 'CPUs' ? `${text} CPU${text === '1' ? '' : 's'}` : text}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function LoadError({ error, onRetry }: { readonly error: unknown; onRetry(): void }) {
  if (error instanceof ApiError && error.status === 401) return <SignedOut />;
  if (error instanceof ApiError && error.status === 404) {
    return (
      <ProfileError
        title="There is no such recording"
        error="It may have been deleted, or it was made on another machine."
        actions={
          <PageLink href="/sessions" className={buttonClass()}>
            All sessions
          </PageLink>
        }
      />
    );
  }
  return (
    <ProfileError
      title="This recording can’t be loaded"
      error={messageOf(error)}
      actions={
        <Button onClick={onRetry}>
          <ReloadIcon />
          Try again
        </Button>
      }
    />
  );
}
