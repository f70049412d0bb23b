'use client';

/** The ledger: what each thread's time was spent on, in seconds that add up to the elapsed time. Only rows that are seen exist. */
import { useRovingRows } from '@/components/ui/use-roving-rows';
import { useVisibleRows } from '@/components/ui/use-visible-rows';
import { formatLatency } from '@/profile/latency/format';
import {
  checkedDifference,
  type Difference,
  largestDifference,
  residualPercent,
  type SchedulerDifference,
  schedulerDifference,
  THREAD_STATES,
} from '@/profile/thread-ledger';
import { formatPercent, formatSeconds, type SortColumn, TIME_COLUMNS } from './columns';
import { RowName, type ThreadRowsProps } from './row-name';
import { differenceOf, type Group, residualOf, rowKey } from './rows';
import { shareBar } from './states';

const ROW_HEIGHT = 24;
/** Above so many percent the sum is not what it should be. */
const LARGE_RESIDUAL = 2;
/** Above so many percent a thread is not what the scheduler says. */
const LARGE_DIFFERENCE = 1;

export interface LedgerProps extends ThreadRowsProps {
  readonly sort: SortColumn;
  onSort(sort: SortColumn): void;
}

export function Ledger(props: LedgerProps) {
  const { list, rows, beginning, sort } = props;
  const seen = useVisibleRows(rows.rows.length, ROW_HEIGHT, beginning);
  const keyAt = (index: number): string | number => rowKey(list, rows, index);
  const controlOf = useRovingRows({ scroller: seen.element, count: seen.count, keyAt, seen });
  const heading = (key: SortColumn, name: string, title: string) => (
    <th
      key={key}
      scope="col"
      aria-sort={sort === key ? (key === 'thread' ? 'ascending' : 'descending') : 'none'}
      className={`border-b border-line bg-surface-2 font-normal ${key === 'thread' ? 'sticky left-0 z-20 border-r pl-2 text-left' : 'pr-2 text-right'}`}
    >
      <button
        type="button"
        title={title}
        onClick={() => props.onSort(key)}
        className={`h-7 tracking-tight whitespace-nowrap hover:text-ink ${sort === key ? 'font-semibold text-ink' : 'text-dim'}`}
      >
        {name}
        <span aria-hidden="true">{sort === key ? (key === 'thread' ? ' ↑' : ' ↓') : ''}</span>
      </button>
    </th>
  );
  return (
    <div
      ref={seen.element}
      className="relative min-h-0 min-w-0 flex-1 scroll-pt-7 overflow-auto overscroll-contain"
      onScroll={seen.onScroll}
    >
      <table
        aria-label="Ledger of threads, in seconds"
        aria-rowcount={rows.rows.length + 1}
        className="w-full min-w-280 table-fixed border-separate border-spacing-0 text-sm"
      >
        <colgroup>
          <col className="w-36 sm:w-44" />
          <col className="w-14" />
          <col span={TIME_COLUMNS.length + 2} />
          <col className="w-17" />
          <col className="w-15" />
        </colgroup>
        <thead className="sticky top-0 z-10 text-xs">
          <tr aria-rowindex={1}>
            {heading('thread', 'Thread', 'By process and name')}
            <th
              scope="col"
              className="border-b border-line bg-surface-2 px-2 text-left font-normal text-dim"
            >
              Shares
            </th>
            {heading(
              'elapsed',
              'Elapsed',
              'Seconds for which the thread was there and looked at. Waits that go on are written down every 10 seconds at least.',
            )}
            {TIME_COLUMNS.map(({ key, name, title }) => heading(key, name, title))}
            {heading(
              'residual',
              'Residual',
              'What is missing to the elapsed time; negative where it is too much',
            )}
            {heading(
              'scheduler',
              'Scheduler',
              'By how much the time on CPU or in the run queue, whichever differs more, is above what the kernel’s scheduler accounts itself (schedstat), in percent of the elapsed time, when its clock has been put right',
            )}
            {heading(
              'clock',
              'Its clock',
              'What the scheduler accounts too little (or, negative, too much) because of its clock, as measured at each switch, in percent of the elapsed time',
            )}
          </tr>
        </thead>
        <tbody>
          <tr style={{ height: seen.first * ROW_HEIGHT }} />
          {Array.from(rows.rows.subarray(seen.first, seen.last), (row, i) => {
            const index = seen.first + i;
            const key = keyAt(index);
            const name = <RowName {...props} index={index} control={controlOf(key)} />;
            if (row < 0) {
              const group = rows.groups[-1 - row];
              return (
                <GroupRow key={key} group={group} index={index}>
                  {name}
                </GroupRow>
              );
            }
            const elapsedNs = list.endNs[row] - list.startNs[row];
            const ns = list.ns.subarray(row * THREAD_STATES, (row + 1) * THREAD_STATES);
            return (
              <Times
                key={key}
                ns={ns}
                elapsedNs={elapsedNs}
                residual={residualOf(list, row)}
                difference={differenceOf(list, row)}
                index={index}
              >
                {name}
              </Times>
            );
          })}
          <tr style={{ height: (seen.count - seen.last) * ROW_HEIGHT }} />
        </tbody>
      </table>
    </div>
  );
}

function GroupRow({
  group: { ns, schedulerNs, schedulerClockNs, elapsedNs },
  index,
  children,
}: {
  readonly group: Group;
  readonly index: number;
  readonly children: React.ReactNode;
}) {
  return (
    <Times
      ns={ns}
      elapsedNs={elapsedNs}
      residual={residualPercent(ns, elapsedNs)}
      difference={schedulerDifference(ns, schedulerNs, schedulerClockNs, elapsedNs)}
      index={index}
      isGroup
    >
      {children}
    </Times>
  );
}

function Times({
  ns,
  elapsedNs,
  residual,
  difference,
  index,
  isGroup = false,
  children,
}: {
  readonly ns: Float64Array;
  readonly elapsedNs: number;
  readonly residual: number;
  readonly difference: SchedulerDifference;
  readonly index: number;
  readonly isGroup?: boolean;
  /** The name. */
  readonly children: React.ReactNode;
}) {
  const background = isGroup ? 'bg-surface-2' : 'bg-surface';
  const cell = `truncate py-0 pr-2 text-right ${background} group-hover/row:bg-surface-2`;
  return (
    <tr aria-rowindex={index + 2} className="group/row" style={{ height: ROW_HEIGHT }}>
      <th
        scope="row"
        className={`sticky left-0 z-[1] h-6 border-r border-line p-0 text-left font-normal ${background} group-hover/row:bg-surface-2`}
      >
        {children}
      </th>
      <td className={`px-2 py-0 ${background} group-hover/row:bg-surface-2`}>
        <span
          aria-hidden="true"
          className="block h-3 rounded-[2px]"
          style={{ backgroundImage: shareBar(ns, elapsedNs) }}
        />
      </td>
      <td className={`${cell} font-medium`} title={formatLatency(elapsedNs, 'nanoseconds')}>
        {formatSeconds(elapsedNs)}
      </td>
      {TIME_COLUMNS.map(({ key, name, states }) => {
        const time = states.reduce((sum: number, state) => sum + ns[state], 0);
        return (
          <td
            key={key}
            className={time === 0 ? `${cell} text-dim` : cell}
            title={`${name}: ${formatLatency(time, 'nanoseconds')}, ${((time / elapsedNs) * 100).toFixed(1)}%`}
          >
            {formatSeconds(time)}
          </td>
        );
      })}
      <td
        className={`${cell} ${Math.abs(residual) > LARGE_RESIDUAL ? 'font-semibold text-warn' : 'text-dim'}`}
        title={formatLatency(Math.abs((residual / 100) * elapsedNs), 'nanoseconds')}
      >
        {formatPercent(residual)}
      </td>
      <td
        className={`${cell} ${Math.abs(checkedDifference(difference, elapsedNs)) > LARGE_DIFFERENCE ? 'font-semibold text-warn' : 'text-dim'}`}
        title={differenceText(difference)}
      >
        {formatPercent(largestDifference(difference.other))}
      </td>
      <td className={`${cell} text-dim`} title={clockText(difference)}>
        {formatPercent(largestDifference(difference.ofItsClock))}
      </td>
    </tr>
  );
}

/** Why it may differ, too. */
function differenceText({ ofItsClock, other }: SchedulerDifference): string {
  if (Number.isNaN(other.onCpu)) return 'What the scheduler accounted is not in this recording';
  const all = {
    onCpu: ofItsClock.onCpu + other.onCpu,
    runQueue: ofItsClock.runQueue + other.runQueue,
  };
  return `${differences(other)} of the elapsed time above what the scheduler accounts, when its clock has been put right. With its clock as it is: ${differences(all)}.`;
}

function clockText({ ofItsClock }: SchedulerDifference): string {
  return `${differences(ofItsClock)} of the elapsed time. Where a wakeup asks for a switch, the scheduler reads its clock at the wakeup, and not again until the switch: for it, a thread runs while its CPU still wakes up, and one that has to make room has done so already. And that clock stands still while the host of a virtual machine takes the CPU.`;
}

const differences = ({ onCpu, runQueue }: Difference): string =>
  `On CPU ${formatPercent(onCpu)}, run queue ${formatPercent(runQueue)}`;
