import type { ThreadList } from '@/components/profile-worker/thread-analysis';
import type { RowControl } from '@/components/ui/use-roving-rows';
import type { Rows } from './rows';
import { ProcessName, ThreadName } from './thread-name';
import type { ThreadId } from './threads-view';

/** What the ledger and the timeline show rows of. */
export interface ThreadRowsProps {
  readonly list: ThreadList;
  readonly rows: Rows;
  readonly closed: ReadonlySet<number>;
  readonly pids: readonly number[];
  /** What the rows' order and filter depend on: their beginning is shown where it changes. */
  readonly beginning: string;
  pathOf(thread: ThreadId): string;
  onToggle(pid: number): void;
  onOnly(pid: number): void;
}

/** Whose the row at `index` is: a thread's, or a process's, which opens and closes. */
export function RowName({
  list,
  rows,
  index,
  control,
  ...props
}: ThreadRowsProps & { readonly index: number; readonly control: RowControl }) {
  const row = rows.rows[index];
  if (row >= 0) {
    const isMember = rows.isMember[index] === 1;
    return (
      <ThreadName
        list={list}
        entry={row}
        isMember={isMember}
        control={control}
        pathOf={props.pathOf}
      />
    );
  }
  const group = rows.groups[-1 - row];
  return (
    <ProcessName
      group={group}
      isOpen={!props.closed.has(group.pid)}
      isOnly={props.pids.length === 1}
      control={control}
      onToggle={props.onToggle}
      onOnly={props.onOnly}
    />
  );
}
