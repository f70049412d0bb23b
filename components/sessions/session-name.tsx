'use client';

import { type ReactNode, useRef, useState } from 'react';
import { messageOf, renameSession } from '@/components/shell/api';
import { IconButton } from '@/components/ui/button';
import { PencilIcon } from '@/components/ui/icons';
import type { SessionSummary } from '@/profile/session';

/** What appears in the place of a button that was pressed has the focus. */
const focus = (element: HTMLElement | null): void => element?.focus();

/** A session's name, `children` as shown, that can be changed in its place: Enter keeps it, Escape doesn't. */
export function SessionName({
  session,
  onRenamed,
  children,
}: {
  readonly session: SessionSummary;
  onRenamed(session: SessionSummary): void;
  readonly children: ReactNode;
}) {
  const [text, setText] = useState<string>();
  const [error, setError] = useState<string>();
  const done = useRef(false);

  const save = async (): Promise<void> => {
    const name = text?.trim() ?? '';
    if (done.current) return;
    done.current = true;
    if (name !== '' && name !== session.name) {
      try {
        onRenamed(await renameSession(session.id, name));
      } catch (failure) {
        setError(messageOf(failure));
        done.current = false;
        return;
      }
    }
    setText(undefined);
  };

  if (text === undefined) {
    return (
      <span className="group/name inline-flex min-w-0 max-w-full items-center gap-1">
        {children}
        <IconButton
          label={`Rename ${session.name}`}
          className="size-6! opacity-60 group-hover/name:opacity-100 focus-visible:opacity-100"
          onClick={() => {
            done.current = false;
            setError(undefined);
            setText(session.name);
          }}
        >
          <PencilIcon />
        </IconButton>
      </span>
    );
  }
  return (
    <form
      className="inline-flex min-w-0 items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <input
        ref={focus}
        aria-label="Name"
        maxLength={200}
        value={text}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.preventDefault();
          done.current = true;
          setText(undefined);
        }}
        className="-ml-2 h-6 w-72 min-w-0 rounded-md border border-line-strong bg-bg px-1.75 text-base"
      />
      {error === undefined ? null : (
        <span role="alert" className="text-sm text-danger">
          {error}
        </span>
      )}
    </form>
  );
}
