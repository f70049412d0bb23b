'use client';

import { PageLink } from '@/components/shell/page-link';
import { formatCount, formatDuration } from '@/components/ui/format';
import { threadText, whereBlocked } from '@/profile/blocked-thread';
import type { LongestWait, WaitHop } from '@/profile/longest-waits';
import { STATE_NAMES } from '@/profile/schema';
import type { TimeRange } from '@/profile/view';
import { interruptText } from './blocked';
import { KernelStack } from './kernel-stack';
import { StateDot } from './state-dot';
import type { ThreadId } from './threads-view';
import { clockText } from './timeline-draw';

export interface LongestListProps {
  /** undefined before they have come. */
  readonly waits: readonly LongestWait[] | undefined;
  readonly wallOffsetNs: number;
  pathOf(thread: ThreadId): string;
  /** Goes there without loading the page anew. */
  readonly onThread?: ((thread: ThreadId) => void) | undefined;
  /** undefined where time can't be chosen. */
  readonly onRange?: ((range: TimeRange) => void) | undefined;
}

/** The longest waits of the time shown: where, and how they came to their ends. Live, those that have ended. */
export function LongestList({ waits, ...rest }: LongestListProps) {
  if (waits?.length === 0) {
    return (
      <p className="px-3 py-6 text-center text-sm text-dim">
        No wait of what you look for has ended in this time.
      </p>
    );
  }
  return (
    <ul
      aria-label="Longest waits"
      className="min-h-0 flex-1 divide-y divide-line overflow-y-auto overscroll-contain"
    >
      {waits?.map((wait) => (
        <Wait key={`${wait.pid} ${wait.tid} ${wait.endNs}`} wait={wait} {...rest} />
      ))}
    </ul>
  );
}

function Wait({
  wait,
  wallOffsetNs,
  pathOf,
  onThread,
  onRange,
}: Omit<LongestListProps, 'waits'> & { readonly wait: LongestWait }) {
  const { process, thread, pid, tid, startNs, endNs, kernelStack, userFunction, waker } = wait;
  const clock = (timeNs: number): string => clockText((timeNs + wallOffsetNs) / 1e6, 0);
  return (
    <li className="px-3 py-1.5 text-sm">
      <div className="flex min-w-0 items-baseline gap-1.5">
        <PageLink
          href={pathOf({ pid, tid })}
          onNavigate={(event) => {
            if (onThread === undefined) return;
            event.preventDefault();
            onThread({ pid, tid });
          }}
          title={`${process} (${pid}), thread ${thread} (${tid}): show its flame graph`}
          className="min-w-0 truncate font-medium hover:underline"
        >
          {thread === process ? process : `${process} / ${thread}`}
        </PageLink>
        <span className="shrink-0 text-xs text-dim">{tid}</span>
        <span className="ml-auto flex items-center gap-1.5 whitespace-nowrap">
          <StateDot state={wait.waitClass} />
          {lengthText(wait)}
        </span>
      </div>
      <details>
        <summary className="truncate text-dim">
          <WhereText wait={wait} />
        </summary>
        <KernelStack frames={kernelStack} userFunction={userFunction} />
      </details>
      <p className="text-dim">
        {waker === undefined ? (
          'Who ended it is not known.'
        ) : waker === 'nobody' ? (
          'It went on when the recording ended.'
        ) : (
          <>
            Ended by{' '}
            <span className="text-ink">
              {waker === 'interrupt' ? interruptText(wait.waitClass) : threadText(waker)}
            </span>
          </>
        )}
      </p>
      {wait.chain.length === 0 ? null : (
        <ol aria-label="What its waker had waited for" className="pl-3 text-dim">
          {wait.chain.map((hop) => (
            <li key={`${hop.tid} ${hop.endNs}`}>
              after <span className="text-ink">{threadText(hop)}</span> had waited:{' '}
              {lengthText(hop)}, <WhereText wait={hop} />
            </li>
          ))}
        </ol>
      )}
      {onRange === undefined ? (
        <p className="text-xs text-dim">
          {clock(startNs)} to {clock(endNs)}
        </p>
      ) : (
        <button
          type="button"
          title="Show this time alone"
          className="text-xs text-accent hover:underline"
          onClick={() => onRange({ startNs: Math.floor(startNs), endNs: Math.ceil(endNs) })}
        >
          {clock(startNs)} to {clock(endNs)}
        </button>
      )}
      {wait.alike < 1.5 ? null : (
        <span className="text-xs text-dim"> longest of about {formatCount(wait.alike)}</span>
      )}
    </li>
  );
}

function WhereText({ wait }: { readonly wait: WaitHop }) {
  const where = whereBlocked(wait);
  return (
    <>
      in <code className="font-mono text-ink">{where ?? 'a place that is not known'}</code>
      {wait.userFunction === undefined ? null : (
        <>
          {' '}
          from <code className="font-mono">{wait.userFunction}</code>
        </>
      )}
    </>
  );
}

function lengthText({ waitClass, startNs, endNs }: WaitHop): string {
  return `${STATE_NAMES[waitClass]}, ${formatDuration((endNs - startNs) / 1e6)}`;
}
