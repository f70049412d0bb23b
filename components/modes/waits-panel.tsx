'use client';

import { useMemo, useState } from 'react';
import { type BucketRange, HistogramView } from '@/components/histogram/histogram';
import { LongestList, type LongestListProps } from '@/components/threads/longest-list';
import { StateDot } from '@/components/threads/state-dot';
import { IconButton } from '@/components/ui/button';
import { formatCount, formatDuration, formatShortCount } from '@/components/ui/format';
import { ChevronIcon } from '@/components/ui/icons';
import { bucketEnd, bucketLow, bucketOf, LAST_BUCKET } from '@/profile/latency/buckets';
import { formatLatency, formatQuantile } from '@/profile/latency/format';
import { Histogram, QUANTILES } from '@/profile/latency/histogram';
import { STATE_NAMES } from '@/profile/schema';
import type { WaitFilter } from '@/profile/view';
import type { StateSummary, WaitSummary } from '@/profile/wait-summary';

/** Tailwind's `md`. */
const ROOM_PIXELS = 768;

/** How long the waits of a frame were, and what for. */
export function WaitsPanel({
  waits,
  name,
  filter,
  onFilter,
  ...longest
}: {
  readonly waits: WaitSummary;
  /** Of the frame; undefined for everything. */
  readonly name: string | undefined;
  /** What the graph shows of them. */
  readonly filter: WaitFilter | undefined;
  onFilter(filter: WaitFilter | undefined): void;
} & Omit<LongestListProps, 'waits'>) {
  /** undefined: where there is room for it. */
  const [isOpen, setOpen] = useState<boolean>();
  const histogram = useMemo(() => Histogram.of(waits), [waits]);
  return (
    <section
      aria-label={name === undefined ? 'All waits' : `Waits of ${name}`}
      className="flex shrink-0 flex-col border-t border-line bg-surface text-sm"
    >
      <div className="flex min-h-8 items-center gap-x-3 gap-y-0.5 overflow-hidden px-2">
        <IconButton
          label={isOpen === false ? 'Show the waits' : 'Hide the waits'}
          aria-expanded={isOpen ?? true}
          onClick={() => setOpen(!(isOpen ?? window.innerWidth >= ROOM_PIXELS))}
        >
          <span
            className={isOpen === true ? 'rotate-90' : isOpen === undefined ? 'md:rotate-90' : ''}
          >
            <ChevronIcon />
          </span>
        </IconButton>
        <h2 className="min-w-16 truncate font-semibold">
          {name === undefined ? 'All waits' : `Waits of ${name}`}
        </h2>
        <span className="shrink-0 text-dim">
          about {formatCount(waits.count)}, {formatDuration(waits.sum / 1e6)} in all
        </span>
        <dl className="flex min-w-0 gap-x-3 overflow-hidden whitespace-nowrap max-sm:hidden">
          {QUANTILES.map(({ name: quantile, q }) => (
            <div key={quantile} className="flex gap-1">
              <dt className="text-dim">{quantile}</dt>
              <dd>{formatQuantile(histogram.quantile(q), 'nanoseconds')}</dd>
            </div>
          ))}
        </dl>
      </div>
      {isOpen !== false && waits.count > 0 ? (
        <div
          className={`${isOpen === undefined ? 'hidden md:flex' : 'flex'} max-h-[50vh] min-h-0 gap-x-2 max-md:flex-col max-md:overflow-y-auto md:h-56`}
        >
          <div className="flex h-44 min-w-0 shrink-0 px-2 md:h-full md:flex-1 md:shrink">
            <HistogramView
              label={name === undefined ? 'all waits' : `waits of ${name}`}
              histogram={histogram}
              baseline={undefined}
              unit="nanoseconds"
              selected={bucketsOf(filter)}
              hint="Drag to see where waits of these lengths are"
              onSelect={(buckets) => onFilter(filterOf(buckets, filter?.states ?? []))}
            />
          </div>
          <div className="flex min-w-0 flex-col border-line max-md:border-t md:w-[22rem] md:overflow-y-auto md:border-l">
            <StateTable
              states={waits.states}
              chosen={filter?.states ?? []}
              onChoose={(states) => onFilter(withStates(filter, states))}
            />
            {waits.longest.length === 0 ? null : (
              <>
                <h3 className="border-t border-line px-3 pt-1.5 text-xs text-dim">
                  The longest, and how each came to its end
                </h3>
                <LongestList waits={waits.longest} {...longest} />
              </>
            )}
          </div>
        </div>
      ) : null}
    </section>
  );
}

const COLUMNS = ['Waits', 'Total', 'p50', 'p99'] as const;

/** All lengths and all kinds are no filter. */
function filterOf(
  buckets: BucketRange | undefined,
  states: readonly number[],
): WaitFilter | undefined {
  if (buckets === undefined) return withStates(undefined, states);
  const [first, last] = buckets;
  return { states, minNs: bucketLow(first), maxNs: bucketEnd(last) };
}

function withStates(
  filter: WaitFilter | undefined,
  states: readonly number[],
): WaitFilter | undefined {
  const { minNs, maxNs } = filter ?? { minNs: 0, maxNs: Number.POSITIVE_INFINITY };
  return states.length === 0 && minNs === 0 && maxNs === Number.POSITIVE_INFINITY
    ? undefined
    : { states, minNs, maxNs };
}

function bucketsOf(filter: WaitFilter | undefined): BucketRange | undefined {
  if (filter === undefined) return undefined;
  const { minNs, maxNs } = filter;
  if (minNs === 0 && maxNs === Number.POSITIVE_INFINITY) return undefined;
  return [bucketOf(minNs), maxNs === Number.POSITIVE_INFINITY ? LAST_BUCKET : bucketOf(maxNs) - 1];
}

function StateTable({
  states,
  chosen,
  onChoose,
}: {
  readonly states: readonly StateSummary[];
  readonly chosen: readonly number[];
  onChoose(states: readonly number[]): void;
}) {
  return (
    <table aria-label="Waits by kind" className="my-1 w-full text-xs whitespace-nowrap">
      <thead className="text-dim">
        <tr>
          <th scope="col" className="pl-3 text-left font-normal">
            Kind
          </th>
          {COLUMNS.map((column) => (
            <th key={column} scope="col" className="pr-3 text-right font-normal">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {states.map(({ state, count, sum, p50, p99 }) => (
          <tr key={state} className="h-5">
            <th scope="row" className="pl-3 text-left font-normal">
              <button
                type="button"
                aria-pressed={chosen.includes(state)}
                title="Show these waits alone; again: all"
                onClick={() => onChoose(chosen.includes(state) ? [] : [state])}
                className="flex items-center gap-1.5 rounded px-1 -mx-1 hover:bg-surface-2 aria-pressed:bg-surface-2 aria-pressed:font-semibold"
              >
                <StateDot state={state} />
                {STATE_NAMES[state]}
              </button>
            </th>
            <td className="pr-3 text-right">{formatShortCount(Math.round(count))}</td>
            {[sum, p50, p99].map((ns, column) => (
              <td key={COLUMNS[column + 1]} className="pr-3 text-right">
                {formatLatency(ns, 'nanoseconds')}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
