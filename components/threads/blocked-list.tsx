'use client';

import Link from 'next/link';
import { useMemo, useState } from 'react';
import type { ThreadsUpdate } from '@/components/profile-worker/thread-analysis';
import { formatCount } from '@/components/ui/format';
import type { ProbableWaker } from '@/profile/probable-waker';
import type { BlockedThread, OffCpuStatus } from '@/profile/status';
import {
  blockedStates,
  blockedText,
  isKernelThread,
  wakerGrounds,
  wakerName,
  whereBlocked,
} from './blocked';
import { STATE_CSS } from './states';

export interface BlockedListProps {
  readonly offCpu: OffCpuStatus;
  readonly wakers: ThreadsUpdate['wakers'];
  /** Only these; empty: all. */
  readonly pids: readonly number[];
  pathOf(thread: { readonly pid: number; readonly tid: number }): string;
}

const keyOf = ({ pid, tid }: { readonly pid: number; readonly tid: number }): string =>
  `${pid} ${tid}`;

/** Who has been blocked for longer than a second and still is, where, and who will probably wake it. */
export function BlockedList({ offCpu, wakers, pids, pathOf }: BlockedListProps) {
  const [states, setStates] = useState<ReadonlySet<number>>(new Set());
  const [hasKernel, setHasKernel] = useState(false);
  const probable = useMemo(
    () => new Map(wakers?.open.map((open, i) => [keyOf(open), wakers.probable[i]])),
    [wakers],
  );
  const { blocked, blockedThreads } = offCpu;
  const byKey = new Map(blocked.map((thread) => [keyOf(thread), thread]));
  const candidates = blocked.filter(
    (thread) =>
      (hasKernel || !isKernelThread(thread)) && (pids.length === 0 || pids.includes(thread.pid)),
  );
  const shown = candidates.filter(({ waitClass }) => states.size === 0 || states.has(waitClass));
  const kernelThreads = blocked.filter(isKernelThread).length;
  const toggle = (state: number): void => {
    const next = new Set(states);
    if (!next.delete(state)) next.add(state);
    setStates(next);
  };
  return (
    <section aria-labelledby="blocked-now" className="flex min-h-0 flex-1 flex-col">
      <div className="flex min-h-9 shrink-0 flex-wrap items-center gap-x-2 border-b border-line px-3">
        <h2 id="blocked-now" className="font-medium">
          Blocked now
        </h2>
        <span
          className="text-sm text-dim"
          title="Threads that have been blocked for longer than a second"
        >
          {formatCount(blockedThreads)} for over 1 s
        </span>
        <label className="ml-auto flex items-center gap-1.5 text-sm text-dim">
          <input
            type="checkbox"
            className="accent-(--accent)"
            checked={hasKernel}
            onChange={({ target }) => setHasKernel(target.checked)}
          />
          kernel threads{hasKernel ? '' : ` (${formatCount(kernelThreads)})`}
        </label>
      </div>
      {candidates.length === 0 ? null : (
        <fieldset
          aria-label="States"
          className="flex shrink-0 flex-wrap gap-1 border-b border-line px-2 py-1.5"
        >
          {blockedStates(candidates).map(({ state, name, count }) => (
            <button
              key={state}
              type="button"
              aria-pressed={states.has(state)}
              onClick={() => toggle(state)}
              className="flex h-6 items-center gap-1.5 rounded-full border border-line px-2 text-xs text-dim hover:border-line-strong aria-pressed:border-accent aria-pressed:bg-accent-soft aria-pressed:text-ink"
            >
              <Dot state={state} />
              {name} {formatCount(count)}
            </button>
          ))}
        </fieldset>
      )}
      <ul
        aria-label="Blocked threads"
        className="min-h-0 flex-1 divide-y divide-line overflow-y-auto overscroll-contain"
      >
        {shown.map((thread) => (
          <Blocked
            key={keyOf(thread)}
            thread={thread}
            probable={probable.get(keyOf(thread))}
            blockedWaker={wakerOf(thread, probable, byKey)}
            pathOf={pathOf}
          />
        ))}
      </ul>
      {shown.length === 0 ? (
        <p className="px-3 pb-6 text-center text-sm text-dim">
          {blocked.length === 0
            ? 'No thread has been blocked for longer than a second.'
            : 'None of what is picked.'}
        </p>
      ) : null}
      {blockedThreads > blocked.length ? (
        <p className="shrink-0 border-t border-line px-3 py-1 text-xs text-dim">
          {formatCount(blocked.length)} of {formatCount(blockedThreads)}: first those in states that
          rarely last unless something is wrong.
        </p>
      ) : null}
    </section>
  );
}

/** The probable waker, where it is itself blocked. */
function wakerOf(
  thread: BlockedThread,
  probable: ReadonlyMap<string, ProbableWaker | undefined>,
  blocked: ReadonlyMap<string, BlockedThread>,
): BlockedThread | undefined {
  const waker = probable.get(keyOf(thread))?.waker;
  return waker?.kind === 'thread' ? blocked.get(keyOf(waker)) : undefined;
}

function Blocked({
  thread,
  probable,
  blockedWaker,
  pathOf,
}: {
  readonly thread: BlockedThread;
  readonly probable: ProbableWaker | undefined;
  readonly blockedWaker: BlockedThread | undefined;
  pathOf(thread: { readonly pid: number; readonly tid: number }): string;
}) {
  const { process, thread: name, tid, pid, kernelStack, lastWaker, waitClass } = thread;
  const where = whereBlocked(thread);
  return (
    <li className="px-3 py-1.5 text-sm">
      <div className="flex min-w-0 items-baseline gap-1.5">
        <Link
          href={pathOf({ pid, tid })}
          title={`${process} (${pid}), thread ${name} (${tid}): show its flame graph`}
          className="min-w-0 truncate font-medium hover:underline"
        >
          {name === process ? process : `${process} / ${name}`}
        </Link>
        <span className="text-xs text-dim">{tid}</span>
        <span className="ml-auto flex items-center gap-1.5 whitespace-nowrap">
          <Dot state={waitClass} />
          {blockedText(thread)}
        </span>
      </div>
      {where === undefined ? null : (
        <details>
          <summary className="truncate text-dim">
            in <code className="font-mono text-ink">{where}</code>
          </summary>
          <ol
            aria-label="Kernel stack, the leaf first"
            className="my-1 rounded bg-surface-2 px-2 py-1 font-mono text-xs break-all"
          >
            {kernelStack.toReversed().map((frame, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a frame is its place in the stack
              <li key={i}>{frame}</li>
            ))}
          </ol>
        </details>
      )}
      {probable === undefined ? (
        <p className="text-dim">
          {lastWaker === undefined
            ? 'Nobody is known who woke it before.'
            : `Last woken by ${lastWaker.process} (${lastWaker.tid}).`}
        </p>
      ) : (
        <p>
          <span className="text-dim">Probably woken by </span>
          {wakerName(probable.waker)}
          <span className="text-dim">, {wakerGrounds(probable)}</span>
          {blockedWaker === undefined ? null : (
            <span className="text-warn">
              {' '}
              – which is blocked itself: {blockedText(blockedWaker)}
            </span>
          )}
        </p>
      )}
    </li>
  );
}

function Dot({ state }: { readonly state: number }) {
  return (
    <span
      aria-hidden="true"
      className="inline-block size-2.5 shrink-0 rounded-[2px]"
      style={{ background: STATE_CSS[state] }}
    />
  );
}
