import { useRef, useState } from 'react';
import { formatCount, formatShare } from '@/components/ui/format';
import { HeldOrder } from '@/components/ui/held-order';
import { RadioGroup } from '@/components/ui/radio-group';
import { useHeld } from '@/components/ui/use-held';
import { type RowControl, useRovingRows } from '@/components/ui/use-roving-rows';
import type { LatencyGroup, LatencyProcess } from '@/profile/latency/analysis';
import { formatLatency } from '@/profile/latency/format';
import { amountOf, type EventSums, type LatencyUnit } from '@/profile/latency/sources';
import type { LatencyView } from './latency-query';

const SHOWN = 200;

const BY = [
  { value: 'process', label: 'Processes', title: 'Whose events are selected, by process' },
  {
    value: 'cgroup',
    label: 'Containers, cgroups',
    title: 'Whose events are selected, by container; by cgroup where there is none',
  },
] as const;

interface Owner extends EventSums {
  readonly key: string | number;
  readonly name: string;
  /** Small, beside the name; '' for nothing. */
  readonly note: string;
  readonly isChosen: boolean;
  /** undefined: it can't be chosen. */
  readonly onChoose: (() => void) | undefined;
}

export interface OwnerTableProps {
  readonly processes: readonly LatencyProcess[];
  readonly groups: readonly LatencyGroup[];
  readonly unit: LatencyUnit;
  readonly view: LatencyView;
  change(part: Partial<LatencyView>): void;
}

/** Whose events are selected. A button shows the latencies of a process, or of a container, alone. */
export function OwnerTable({ processes, groups, unit, view, change }: OwnerTableProps) {
  const { by, pids, containers } = view;
  const all: readonly Owner[] =
    by === 'process'
      ? processes.map(({ pid, ...process }) => ({
          ...process,
          key: pid,
          note: pid === 0 ? '' : String(pid),
          isChosen: pids.includes(pid),
          onChoose: () => change({ pids: toggled(pids, pid) }),
        }))
      : groups.map(({ name, ...group }) => ({
          ...group,
          key: name,
          name: name === '' ? 'not known' : name,
          note: countText(group.processes, 'process', 'processes'),
          isChosen: containers.includes(name),
          onChoose:
            name === '' ? undefined : () => change({ containers: toggled(containers, name) }),
        }));
  const [isHeld, hold] = useHeld();
  const [order] = useState(() => new HeldOrder<Owner>());
  const owners = order.rows(all, ({ key }) => key, isHeld).slice(0, SHOWN);
  const scroller = useRef<HTMLUListElement>(null);
  const controlOf = useRovingRows({
    scroller,
    count: owners.length,
    keyAt: (index) => owners[index].key,
  });
  const total = all.reduce((sum, owner) => sum + amountOf(owner, unit), 0);
  return (
    <section
      aria-label={
        by === 'process'
          ? 'Processes of the selected events'
          : 'Containers and cgroups of the selected events'
      }
      className="flex min-h-0 flex-1 flex-col"
    >
      <div className="flex h-9 shrink-0 items-center justify-between gap-2 border-b border-line px-1">
        <RadioGroup
          label="Whose events"
          options={BY}
          value={by}
          onChange={(value) => change({ by: value })}
        />
        <h2 className="sr-only">
          {by === 'process'
            ? countText(all.length, 'process', 'processes')
            : countText(all.length, 'container or cgroup', 'containers and cgroups')}
        </h2>
        {pids.length + containers.length === 0 ? (
          <span aria-hidden="true" className="px-2 text-sm text-dim">
            {formatCount(all.length)}
          </span>
        ) : (
          <button
            type="button"
            className="rounded px-1 text-sm text-accent hover:bg-surface-2"
            onClick={() => change({ pids: [], containers: [] })}
          >
            Show all
          </button>
        )}
      </div>
      <Elsewhere {...view} />
      <ul ref={scroller} className="min-h-0 flex-1 overflow-y-auto p-1" {...hold}>
        {owners.map(({ key, ...owner }) => (
          <Row key={key} {...owner} control={controlOf(key)} unit={unit} total={total} />
        ))}
      </ul>
    </section>
  );
}

/** What the table that is not shown has chosen, and this one is of. */
function Elsewhere({ by, pids, containers }: Pick<LatencyView, 'by' | 'pids' | 'containers'>) {
  const names = by === 'process' ? containers.join(', ') : pids.join(', ');
  if (names === '') return null;
  return (
    <p className="shrink-0 truncate px-3 pt-1.5 text-xs text-dim" title={names}>
      {by === 'process' ? 'Only in' : pids.length === 1 ? 'Only process' : 'Only processes'} {names}
    </p>
  );
}

function Row({
  name,
  note,
  isChosen,
  onChoose,
  control,
  unit,
  total,
  ...sums
}: Omit<Owner, 'key'> & {
  readonly control: RowControl;
  readonly unit: LatencyUnit;
  readonly total: number;
}) {
  const amount = amountOf(sums, unit);
  return (
    <li>
      <button
        {...control}
        type="button"
        aria-pressed={isChosen}
        aria-disabled={onChoose === undefined}
        title={name}
        onClick={onChoose}
        className="relative flex h-7 w-full items-center gap-2 rounded-md px-2 text-left text-sm not-aria-disabled:hover:bg-surface-2 aria-pressed:bg-accent-soft"
      >
        <span aria-hidden="true" className="absolute inset-x-2 bottom-0.5 h-0.5">
          <span
            className="block h-full rounded-full bg-accent/75"
            style={{ width: `${((100 * amount) / total).toFixed(2)}%` }}
          />
        </span>
        <span className="min-w-0 flex-1 truncate">
          {name} {note === '' ? null : <span className="text-xs text-dim">{note}</span>}
        </span>
        <span className="text-dim" title={`${formatCount(sums.count)} events`}>
          {unit === 'bytes' ? formatLatency(amount, unit) : formatCount(sums.count)}
        </span>
        <span className="w-12 text-right">{formatShare(amount / total)}</span>
      </button>
    </li>
  );
}

function toggled<T>(chosen: readonly T[], one: T): readonly T[] {
  return chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one];
}

function countText(count: number, one: string, several: string): string {
  return `${formatCount(count)} ${count === 1 ? one : several}`;
}
