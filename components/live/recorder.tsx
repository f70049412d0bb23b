'use client';

import { useState } from 'react';
import { messageOf, startRecording, stopRecording } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { formatElapsed } from '@/components/ui/format';
import { useNow } from '@/components/ui/use-now';
import type { SessionSummary } from '@/profile/session';
import type { LiveStatus } from '@/profile/status';

export interface RecorderProps {
  /** What the server says is being recorded, from whichever page it was started. */
  readonly recording: LiveStatus['recording'];
  /** There is no connection, so nobody knows whether it is recorded still; or nothing that could be recorded. */
  readonly disabled: boolean;
  onStopped(session: SessionSummary): void;
  onError(message: string): void;
}

/** Record and stop, with the name that the recording gets and how long it has been running. */
export function Recorder({ recording, disabled, onStopped, onError }: RecorderProps) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const now = useNow(recording === undefined || disabled ? undefined : 500);

  const run = async (action: () => Promise<void>): Promise<void> => {
    setBusy(true);
    try {
      await action();
    } catch (error) {
      onError(messageOf(error));
    } finally {
      setBusy(false);
    }
  };

  if (recording !== undefined) {
    return (
      <div className="flex h-7 min-w-0 items-center gap-2 rounded-md border border-danger/50 bg-danger-soft pl-2.5">
        <span
          aria-hidden="true"
          className={`size-2 shrink-0 rounded-full bg-danger ${disabled ? '' : 'breathing'}`}
        />
        <span className="max-w-32 truncate text-sm" title={recording.name}>
          {recording.name}
        </span>
        <span
          className="min-w-9 text-sm text-danger"
          title={
            disabled
              ? 'It had been recording for this long when the connection was lost'
              : 'It has been recording for this long'
          }
        >
          {formatElapsed(now - recording.sinceMs)}
        </span>
        <Button
          look="danger"
          aria-label="Stop recording"
          className="-my-px -mr-px"
          disabled={disabled || busy}
          onClick={() =>
            void run(async () => {
              onStopped(await stopRecording(recording.sessionId));
            })
          }
        >
          Stop
        </Button>
      </div>
    );
  }
  return (
    <form
      className="flex h-7 items-stretch"
      onSubmit={(event) => {
        event.preventDefault();
        void run(async () => {
          await startRecording(name.trim());
          setName('');
        });
      }}
    >
      <input
        aria-label="Recording name"
        placeholder="Name (optional)"
        maxLength={200}
        value={name}
        onChange={(event) => setName(event.target.value)}
        className="w-32 min-w-0 rounded-l-md border border-r-0 border-line bg-bg px-2 text-sm placeholder:text-dim"
      />
      <Button type="submit" className="rounded-l-none!" disabled={disabled || busy}>
        <span aria-hidden="true" className="size-2 rounded-full bg-danger" />
        Record
      </Button>
    </form>
  );
}
