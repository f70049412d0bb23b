'use client';

import { useState } from 'react';
import { deleteSession, messageOf } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { formatBytes, formatDuration } from '@/components/ui/format';
import type { SessionSummary } from '@/profile/session';

/** Asks before a session goes for good. */
export function DeleteDialog({
  session,
  onClose,
  onDeleted,
}: {
  readonly session: SessionSummary | undefined;
  onClose(): void;
  onDeleted(id: string): void;
}) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const close = (): void => {
    setError(undefined);
    onClose();
  };
  const remove = async (id: string): Promise<void> => {
    setBusy(true);
    try {
      await deleteSession(id);
      onDeleted(id);
      close();
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog label="Delete recording" open={session !== undefined} onClose={close}>
      {session === undefined ? null : (
        <>
          <p>
            <strong className="break-words">{session.name}</strong>,{' '}
            {formatDuration(session.durationMs)}, {formatBytes(session.bytes)}, will be gone for
            good, and links to it with it.
          </p>
          {error === undefined ? null : (
            <p role="alert" className="mt-2 text-danger">
              {error}
            </p>
          )}
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={close}>Keep it</Button>
            <Button look="danger" disabled={busy} onClick={() => void remove(session.id)}>
              Delete
            </Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
