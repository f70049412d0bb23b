'use client';

import { useCallback, useEffect, useState } from 'react';
import { ApiError, listSessions, messageOf } from '@/components/shell/api';
import { PageLink } from '@/components/shell/page-link';
import { profilePath } from '@/components/shell/page-query';
import { ProfileError, SignedOut } from '@/components/shell/profile-error';
import { Banner } from '@/components/ui/banner';
import { Button, buttonClass, IconButton } from '@/components/ui/button';
import { formatBytes, formatCount, formatDuration, formatWhen } from '@/components/ui/format';
import { ReloadIcon, TrashIcon } from '@/components/ui/icons';
import { Notice } from '@/components/ui/notice';
import type { SessionSummary } from '@/profile/session';
import { DeleteDialog } from './delete-dialog';
import { SessionName } from './session-name';
import { StateBadge } from './state-badge';

const REFRESH_MS = 2000;

/** What was recorded. */
export function SessionsPage() {
  const [sessions, setSessions] = useState<readonly SessionSummary[]>();
  const [error, setError] = useState<unknown>();
  const [toDelete, setToDelete] = useState<SessionSummary>();

  const refresh = useCallback(async (): Promise<void> => {
    try {
      setSessions(await listSessions());
      setError(undefined);
    } catch (failure) {
      setError(failure);
    }
  }, []);
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => {
      if (!document.hidden) void refresh();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [refresh]);

  if (error instanceof ApiError && error.status === 401) {
    return (
      <main className="flex min-h-0 flex-1">
        <SignedOut />
      </main>
    );
  }
  return (
    <>
      {error !== undefined && sessions !== undefined ? (
        <Banner look="warn">{messageOf(error)} This list may be old.</Banner>
      ) : null}
      <main className="flex min-h-0 flex-1 flex-col overflow-y-auto">
        <div className="mx-auto flex w-full max-w-5xl flex-1 flex-col px-3 py-5 sm:px-6">
          <h1 className="mb-3 text-xl font-semibold tracking-tight">Sessions</h1>
          {sessions === undefined ? (
            error === undefined ? (
              <ListSkeleton />
            ) : (
              <ProfileError
                title="The sessions can’t be shown"
                error={messageOf(error)}
                actions={
                  <Button onClick={() => void refresh()}>
                    <ReloadIcon />
                    Try again
                  </Button>
                }
              />
            )
          ) : sessions.length === 0 ? (
            <Notice
              title="Nothing was recorded yet"
              text="Press Record on the live page, run your program, press Stop. The recording is then here, and has a link that you can send."
              actions={
                <PageLink href="/" className={buttonClass('primary')}>
                  Live view
                </PageLink>
              }
            />
          ) : (
            <ul
              aria-label="Sessions"
              className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface"
            >
              {sessions.map((session) => (
                <SessionRow
                  key={session.id}
                  session={session}
                  onRenamed={(renamed) =>
                    setSessions((all) => all?.map((one) => (one.id === renamed.id ? renamed : one)))
                  }
                  onDelete={() => setToDelete(session)}
                />
              ))}
            </ul>
          )}
        </div>
      </main>
      <DeleteDialog
        session={toDelete}
        onClose={() => setToDelete(undefined)}
        onDeleted={(id) => setSessions((all) => all?.filter((one) => one.id !== id))}
      />
    </>
  );
}

function SessionRow({
  session,
  onRenamed,
  onDelete,
}: {
  readonly session: SessionSummary;
  onRenamed(session: SessionSummary): void;
  onDelete(): void;
}) {
  const isRecording = session.state === 'recording';
  return (
    <li className="flex items-center gap-3 px-3 py-2 hover:bg-surface-2/60">
      <div className="min-w-0 flex-1">
        <div className="flex h-6 min-w-0 items-center gap-2">
          <SessionName session={session} onRenamed={onRenamed}>
            <PageLink
              href={profilePath(session.id)}
              className="min-w-0 truncate font-medium hover:text-accent hover:underline"
            >
              {session.name}
            </PageLink>
          </SessionName>
          {session.state === 'complete' ? null : <StateBadge state={session.state} />}
        </div>
        <div className="truncate text-sm text-dim">
          {formatWhen(session.startedMs, Date.now())}
          <span className="sm:hidden"> · {formatDuration(session.durationMs)}</span>
          <span> · {session.host.hostname}</span>
        </div>
      </div>
      <Fact label="Duration" text={formatDuration(session.durationMs)} width="w-24" />
      <Fact label="Samples" text={formatCount(session.samples)} width="w-24" />
      <Fact label="Size" text={formatBytes(session.bytes)} width="w-20" />
      <IconButton
        label={isRecording ? 'Stop the recording before deleting it' : `Delete ${session.name}`}
        disabled={isRecording}
        onClick={onDelete}
      >
        <TrashIcon />
      </IconButton>
    </li>
  );
}

function Fact({
  label,
  text,
  width,
}: {
  readonly label: string;
  readonly text: string;
  readonly width: string;
}) {
  return (
    <dl className={`hidden shrink-0 text-right sm:block ${width}`}>
      <dd>{text}</dd>
      <dt className="text-xs text-dim">{label}</dt>
    </dl>
  );
}

function ListSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-2">
      {[0, 1, 2].map((row) => (
        <div key={row} className="breathing h-14 rounded-lg bg-surface-2" />
      ))}
    </div>
  );
}
