'use client';

import { useMemo } from 'react';
import type { ThreadsUpdate } from '@/components/profile-worker/thread-analysis';
import { RadioGroup } from '@/components/ui/radio-group';
import type { OffCpuStatus } from '@/profile/status';
import { BlockedList } from './blocked-list';
import { LongestList } from './longest-list';
import { pickedProcesses } from './rows';
import type { ThreadId, ThreadsView } from './threads-view';
import type { ChangeThreadsView } from './use-threads-view';

export interface BesideProps {
  /** undefined in a recording, and where nothing is measured now: then nobody is known to be blocked. */
  readonly offCpu: OffCpuStatus | undefined;
  readonly threads: ThreadsUpdate;
  readonly view: ThreadsView;
  readonly change: ChangeThreadsView;
  pathOf(thread: ThreadId): string;
}

/** Beside the threads: the waits that go on now, or the longest of those that are over. */
export function Beside({ offCpu, threads, view, change, pathOf }: BesideProps) {
  const { list } = threads;
  const isPicked = useMemo(() => pickedProcesses(list, view), [list, view]);
  return (
    <div className="flex max-h-[70dvh] shrink-0 flex-col border-t border-line lg:max-h-none lg:w-80 lg:border-t-0 lg:border-l">
      <div className="flex min-h-9 shrink-0 items-center border-b border-line px-2">
        {offCpu === undefined ? (
          <h2 className="px-1 font-medium">Longest waits</h2>
        ) : (
          <RadioGroup
            label="Waits"
            options={[
              { value: 'blocked', label: 'Blocked now' },
              { value: 'longest', label: 'Longest waits', title: 'Of the time shown' },
            ]}
            value={view.beside}
            onChange={(beside) => change({ beside })}
          />
        )}
      </div>
      {offCpu === undefined || view.beside === 'longest' ? (
        <LongestList
          waits={threads.longest}
          wallOffsetNs={threads.list?.wallOffsetNs ?? 0}
          pathOf={pathOf}
          onRange={(range) => change({ range })}
        />
      ) : (
        <BlockedList
          offCpu={offCpu}
          wakers={threads.wakers}
          isPicked={isPicked}
          search={view.search}
          pathOf={pathOf}
        />
      )}
    </div>
  );
}
