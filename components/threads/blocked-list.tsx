'use client';

import { useMemo, useState } from 'react';
import type { ThreadsUpdate } from '@/components/profile-worker/thread-analysis';
import { isFound } from '@/components/profile-worker/thread-search';
import { PageLink } from '@/components/shell/page-link';
import { formatCount } from '@/components/ui/format';
import { whereBlocked } from '@/profile/blocked-thread';
import type { ProbableWaker } from '@/profile/probable-waker';
import type { BlockedThread, OffCpuStatus } from '@/profile/status';
import {
  type BlockedGroup,
  blockedStates,
  blockedText,
  groupBlocked,
  isKernelThread,
  wakerGrounds,
  wakerText,
} from './blocked';
import { KernelStack } from './kernel-stack';
import { StateDot } from './state-dot';
import type { ThreadId } from './threads-view';

export interface BlockedListProps {
  readonly offCpu: OffCpuStatus;
  readonly wakers: ThreadsUpdate['wakers'];
  readonly search: string;
  /** Whether a process's threads are to be shown. */
  isPicked(pid: number): boolean;
  pathOf(thread: ThreadId): string;
}

const keyOf = ({ pid, tid }: { readonly pid: number; readonly tid: number }): string =>
  `${pid} ${tid}`;

/** Who has been blocked for longer than a second and still is, where, and who will probably wake it. */
export function BlockedList({ offCpu, wakers, search, isPicked, pathOf }: BlockedListProps) {
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
      (hasKernel || !isKernelThread(thread)) && isPicked(thread.pid) && isFound(thread, search),
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
        <h2 id="blocked-now" className="sr-only">
          Blocked now
        </h2>
        <span className="text-sm text-dim">
          {formatCount(blockedThreads)} {blockedThreads === 1 ? 'thread' : 'threads'}, for over 1 s
        </span>
        <label
          title="Show the kernel’s own threads, too"
          className="ml-auto flex items-center gap-1.5 text-sm text-dim"
        >
          <input
            type="checkbox"
            className="accent-(--accent)"
            checked={hasKernel}
            onChange={({ target }) => setHasKernel(target.checked)}
          />
          kernel’s ({formatCount(kernelThreads)})
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
              <StateDot state={state} />
              {name} {formatCount(count)}
            </button>
          ))}
        </fieldset>
      )}
      <ul
        aria-label="Blocked threads"
        className={`min-h-0 divide-y divide-line overflow-y-auto overscroll-contain ${shown.length === 0 ? '' : 'flex-1'}`}
      >
        {groupBlocked(shown).map((group) => (
          <Blocked
            key={group.key}
            group={group}
            probable={probable}
            byKey={byKey}
            pathOf={pathOf}
          />
        ))}
      </ul>
      {shown.length === 0 ? (
        <p className="px-3 py-6 text-center text-sm text-dim">
          {blocked.length === 0
            ? 'No thread has been blocked for longer than a second.'
            : 'None of what is picked.'}
        </p>
      ) : null}
      {blockedThreads > blocked.length ? (
        <p className="shrink-0 border-t border-line px-3 py-1 text-xs text-dim">
          {formatCount(blocked.length)} of {formatCount(blockedThreads)} are here: of each kind of
          wait some.
        </p>
      ) : null}
    </section>
  );
}

type Probable = ReadonlyMap<string, ProbableWaker | undefined>;

function Blocked({
  group: { first, threads },
  probable,
  byKey,
  pathOf,
}: {
  readonly group: BlockedGroup;
  readonly probable: Probable;
  readonly byKey: ReadonlyMap<string, BlockedThread>;
  pathOf(thread: ThreadId): string;
}) {
  const where = whereBlocked(first);
  return (
    <li className="px-3 py-1.5 text-sm">
      <div className="flex min-w-0 items-baseline gap-1.5">
        {first.alike === 1 ? (
          <ThreadLink thread={first} hasProcess pathOf={pathOf} />
        ) : (
          <span className="min-w-0 truncate font-medium">{first.process}</span>
        )}
        <span className="shrink-0 text-xs text-dim">
          {threads.length === 1
            ? first.tid
            : `${first.pid}, ${formatCount(threads.length)} threads`}
        </span>
        <span className="ml-auto flex items-center gap-1.5 whitespace-nowrap">
          <StateDot state={first.waitClass} />
          {blockedText(first)}
        </span>
      </div>
      <details>
        <summary className="truncate text-dim">
          {where === undefined ? (
            'at a place that is not known'
          ) : (
            <>
              in <code className="font-mono text-ink">{where}</code>
            </>
          )}
        </summary>
        {first.alike === 1 ? null : (
          <ul aria-label="Threads blocked here" className="my-1 divide-y divide-line pl-3">
            {threads.map((thread) => (
              <li key={keyOf(thread)} className="py-0.5">
                <span className="flex items-baseline gap-1.5">
                  <ThreadLink thread={thread} hasProcess={false} pathOf={pathOf} />
                  <span className="text-xs text-dim">{thread.tid}</span>
                  <span className="ml-auto whitespace-nowrap">{blockedText(thread)}</span>
                </span>
                <WakerText thread={thread} probable={probable} byKey={byKey} />
              </li>
            ))}
            {first.alike > threads.length ? (
              <li className="py-0.5 text-dim">
                and {formatCount(first.alike - threads.length)} more like these
              </li>
            ) : null}
          </ul>
        )}
        <KernelStack frames={first.kernelStack} />
      </details>
      <WakerText thread={first} probable={probable} byKey={byKey} />
    </li>
  );
}

function ThreadLink({
  thread: { process, thread: name, pid, tid },
  hasProcess,
  pathOf,
}: {
  readonly thread: BlockedThread;
  readonly hasProcess: boolean;
  pathOf(thread: ThreadId): string;
}) {
  return (
    <PageLink
      href={pathOf({ pid, tid })}
      title={`${process} (${pid}), thread ${name} (${tid}): show its flame graph`}
      className={`min-w-0 truncate hover:underline ${hasProcess ? 'font-medium' : ''}`}
    >
      {hasProcess && name !== process ? `${process} / ${name}` : name}
    </PageLink>
  );
}

/** Who will probably wake it, and whether that is itself blocked. */
function WakerText({
  thread,
  probable,
  byKey,
}: {
  readonly thread: BlockedThread;
  readonly probable: Probable;
  readonly byKey: ReadonlyMap<string, BlockedThread>;
}) {
  const guess = probable.get(keyOf(thread));
  if (guess === undefined) {
    const { lastWaker } = thread;
    return (
      <p className="text-dim">
        {lastWaker === undefined
          ? 'Nobody is known who woke it before.'
          : `Last woken by ${lastWaker.process} (${lastWaker.tid}).`}
      </p>
    );
  }
  const waker = guess.waker.kind === 'thread' ? byKey.get(keyOf(guess.waker)) : undefined;
  return (
    <p className="text-dim">
      Probably woken by <span className="text-ink">{wakerText(guess.waker, thread.waitClass)}</span>
      , {wakerGrounds(guess)}
      {waker === undefined ? null : (
        <span className="text-warn">
          {' '}
          – which is blocked itself: {blockedText(waker)}
          {whereBlocked(waker) === undefined ? '' : `, in ${whereBlocked(waker)}`}
        </span>
      )}
    </p>
  );
}
