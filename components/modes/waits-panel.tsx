'use client';

import { useMemo, useState } from 'react';
import { HistogramView } from '@/components/histogram/histogram';
import { STATE_CSS, statesByTime } from '@/components/threads/states';
import { IconButton } from '@/components/ui/button';
import { formatCount, formatDuration, formatShare } from '@/components/ui/format';
import { ChevronIcon } from '@/components/ui/icons';
import { formatLatency } from '@/profile/latency/format';
import { Histogram, QUANTILES } from '@/profile/latency/histogram';
import { THREAD_STATES } from '@/profile/thread-ledger';
import type { WaitSummary } from '@/profile/wait-summary';

/** Tailwind's `md`. */
const ROOM_PIXELS = 768;

/** How long the waits of a frame were, and what for. */
export function WaitsPanel({
  waits,
  name,
}: {
  readonly waits: WaitSummary;
  /** Of what is zoomed into; undefined for everything. */
  readonly name: string | undefined;
}) {
  /** undefined: where there is room for it. */
  const [isOpen, setOpen] = useState<boolean>();
  const histogram = useMemo(() => Histogram.of(waits), [waits]);
  const states = useMemo(
    () => statesByTime(Array.from({ length: THREAD_STATES }, (_, i) => waits.byState[i] ?? 0)),
    [waits],
  );
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
              <dd>{quantileText(histogram, q)}</dd>
            </div>
          ))}
        </dl>
      </div>
      {isOpen !== false && waits.count > 0 ? (
        <div
          className={`${isOpen === undefined ? 'hidden md:flex' : 'flex'} h-40 min-h-0 gap-2 px-2 pb-1`}
        >
          <HistogramView
            label={name === undefined ? 'all waits' : `waits of ${name}`}
            histogram={histogram}
            baseline={undefined}
            unit="nanoseconds"
            selected={undefined}
          />
          <ul className="w-44 shrink-0 overflow-y-auto py-1 max-sm:w-36">
            {states.map(({ state, name: stateName, share }) => (
              <li key={state} className="flex h-5 items-center gap-1.5 whitespace-nowrap">
                <span
                  className="size-2.5 shrink-0 rounded-sm"
                  style={{ background: STATE_CSS[state] }}
                />
                <span className="min-w-0 flex-1 truncate">{stateName}</span>
                <span className="text-dim">{formatShare(share)}</span>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
    </section>
  );
}

function quantileText(histogram: Histogram, q: number): string {
  const quantile = histogram.quantile(q);
  return quantile === undefined ? '–' : formatLatency(quantile.value, 'nanoseconds');
}
