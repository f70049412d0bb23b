import type { ThreadList } from '@/components/profile-worker/thread-analysis';
import { PageLink } from '@/components/shell/page-link';
import { formatCount } from '@/components/ui/format';
import type { RowControl } from '@/components/ui/use-roving-rows';
import type { Group } from './rows';
import type { ThreadId } from './threads-view';

/** A thread's name and number, which lead to its flame graph; with its process where that is not said above it. */
export function ThreadName({
  list,
  entry,
  isMember,
  control,
  pathOf,
}: {
  readonly list: ThreadList;
  readonly entry: number;
  readonly isMember: boolean;
  readonly control: RowControl;
  pathOf(thread: ThreadId): string;
}) {
  const [pid, tid] = [list.pid[entry], list.tid[entry]];
  const name = list.names[list.name[entry]];
  const process = list.names[list.process[entry]];
  const isMain = pid === tid && process === name;
  return (
    <PageLink
      {...control}
      href={pathOf({ pid, tid })}
      aria-label={`${isMain ? process : `${process}, thread ${name}`} (${tid})`}
      title={`${process} (${pid}), thread ${name} (${tid}): show its flame graph`}
      className={`flex h-full min-w-0 items-center gap-1.5 -outline-offset-2 hover:underline ${isMember ? 'pl-5' : 'pl-2'}`}
    >
      <span className="min-w-0 truncate">
        {isMember || isMain ? null : <span className="text-dim">{process} / </span>}
        {name}
      </span>
      <span className="shrink-0 text-xs text-dim">{tid}</span>
    </PageLink>
  );
}

/** A process, above its threads. */
export function ProcessName({
  group,
  isOpen,
  isOnly,
  control,
  onToggle,
  onOnly,
}: {
  readonly group: Group;
  readonly isOpen: boolean;
  /** Others are filtered out already. */
  readonly isOnly: boolean;
  readonly control: RowControl;
  onToggle(pid: number): void;
  onOnly(pid: number): void;
}) {
  const { pid, process, threads } = group;
  return (
    <span className="group flex h-full min-w-0 items-center">
      <button
        {...control}
        type="button"
        aria-expanded={isOpen}
        aria-label={`${process} (${pid}), ${formatCount(threads)} threads`}
        title={`${process} (${pid}), ${formatCount(threads)} threads`}
        onClick={() => onToggle(pid)}
        className="flex h-full min-w-0 flex-1 items-center gap-1.5 pl-1 text-left font-medium -outline-offset-2"
      >
        <span
          aria-hidden="true"
          className={`w-2.5 shrink-0 text-xs text-dim ${isOpen ? 'rotate-90' : ''}`}
        >
          ▸
        </span>
        <span className="min-w-0 truncate">{process}</span>
        <span className="shrink-0 text-xs font-normal text-dim">{pid}</span>
        <span className="shrink-0 text-xs font-normal text-dim group-hover:hidden max-sm:hidden">
          {formatCount(threads)} threads
        </span>
      </button>
      {isOnly ? null : (
        <button
          type="button"
          tabIndex={control.tabIndex}
          aria-label={`Only ${process} (${pid})`}
          onClick={() => onOnly(pid)}
          className="hidden shrink-0 rounded px-1.5 text-xs text-accent group-hover:block hover:bg-surface focus-visible:block group-focus-within:block"
        >
          Only this
        </button>
      )}
    </span>
  );
}
