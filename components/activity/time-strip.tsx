'use client';

import { type KeyboardEvent, type PointerEvent, useMemo, useRef, useState } from 'react';
import { Button } from '@/components/ui/button';
import { formatDuration, formatElapsed } from '@/components/ui/format';
import type { SamplingRates } from '@/profile/profile';
import type { ProfileMode, TimeRange } from '@/profile/view';
import { anyChange } from './rate-changes';
import { RateMarks } from './rate-marks';
import {
  type Activity,
  activityEndNs,
  areaPath,
  columnCount,
  columnMeans,
  placeOf,
  rangeBetween,
  timeTicks,
} from './strip';

export interface TimeStripProps {
  /** Of what is picked, whatever range is selected. */
  readonly activity: Activity;
  /** What is picked; undefined: everything. */
  readonly of: string | undefined;
  readonly unit: string;
  readonly mode: ProfileMode;
  /** That the machine has; undefined where it is not known. */
  readonly cpus: number | undefined;
  /** How much was sampled: changes are marked. */
  readonly rates: readonly SamplingRates[];
  readonly range: TimeRange | undefined;
  onRange(range: TimeRange | undefined): void;
  /** Of a profile that grows. */
  readonly live?: LiveStrip;
}

export interface LiveStrip {
  /** What is shown while no range is selected. */
  readonly window: TimeRange;
  readonly isPaused: boolean;
  /** What its end is: 'now', while it grows. */
  readonly endText: string;
  /** What is aimed at must not move on. */
  onDrag(): void;
}

/** A shorter drag is a click, in pixels. */
const MIN_DRAG = 3;

type Drag =
  | { readonly kind: 'select'; readonly anchor: number; readonly at: number }
  | { readonly kind: 'move'; readonly anchor: number; readonly from: number; readonly to: number };

/** CPU use, or how many threads waited, over time; a drag selects the part that everything else shows. */
export function TimeStrip({
  activity,
  of,
  unit,
  mode,
  cpus,
  rates,
  range,
  onRange,
  live,
}: TimeStripProps) {
  const strip = useRef<HTMLDivElement>(null);
  const drag = useRef<Drag | undefined>(undefined);
  const [draft, setDraft] = useState<readonly [number, number]>();
  const { path, columns, max } = useMemo(() => {
    // Waits have their lengths, however often CPUs are sampled.
    const sampled = mode === 'cpu' || mode === 'wall' ? rates : [];
    const means = columnMeans(activity.weights, columnCount(activity, sampled));
    const top = means.reduce((a, b) => Math.max(a, b), 0);
    return { path: areaPath(means, top), columns: means.length, max: top };
  }, [activity, mode, rates]);

  const lengthNs = activityEndNs(activity) - activity.startNs;
  const shown = range ?? live?.window;
  const [from, to] =
    draft ??
    (shown === undefined
      ? [0, 1]
      : [placeOf(activity, shown.startNs), placeOf(activity, shown.endNs)]);
  const isSelected = draft !== undefined || range !== undefined;

  const placeAt = (event: PointerEvent): number => {
    const box = strip.current?.getBoundingClientRect();
    return box === undefined ? 0 : Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const select = (a: number, b: number): void => onRange(rangeBetween(activity, a, b));

  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = placeAt(event);
    const edge = event.target instanceof HTMLElement ? event.target.dataset.edge : undefined;
    if (edge !== undefined && isSelected) {
      drag.current = { kind: 'select', anchor: edge === 'start' ? to : from, at };
    } else if (range !== undefined && at > from && at < to) {
      drag.current = { kind: 'move', anchor: at, from, to };
    } else {
      drag.current = { kind: 'select', anchor: at, at };
    }
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    const now = drag.current;
    if (now === undefined) return;
    if (draft === undefined) live?.onDrag();
    const at = placeAt(event);
    if (now.kind === 'select') {
      setDraft(at < now.anchor ? [at, now.anchor] : [now.anchor, at]);
    } else {
      const shift = Math.min(1 - now.to, Math.max(-now.from, at - now.anchor));
      setDraft([now.from + shift, now.to + shift]);
    }
  };
  const onPointerUp = (): void => {
    drag.current = undefined;
    if (draft === undefined) return;
    const width = strip.current?.clientWidth ?? 1;
    if ((draft[1] - draft[0]) * width >= MIN_DRAG) select(draft[0], draft[1]);
    setDraft(undefined);
  };
  const onEdgeKey = (event: KeyboardEvent, edge: 'start' | 'end'): void => {
    const step = event.shiftKey ? 0.05 : 0.01;
    const change = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[
      event.key
    ];
    if (change === undefined) return;
    event.preventDefault();
    if (edge === 'start') select(Math.min(from + change, to - 0.001), to);
    else select(from, Math.max(to + change, from + 0.001));
  };

  const seconds = lengthNs / 1e9;
  return (
    <section
      aria-label="Time"
      className="shrink-0 border-b border-line bg-surface px-3 pt-1.5 pb-1"
    >
      <div className="flex h-6 items-center justify-between gap-3 text-xs text-dim">
        <span className="truncate">
          {of === undefined ? '' : `${of}: `}
          {scaleText(unit, mode, max, activity.bucketNs, cpus)}
        </span>
        {isSelected ? (
          <span className="flex items-center gap-2 whitespace-nowrap">
            <span className="text-ink">
              {formatDuration(((to - from) * lengthNs) / 1e6)}{' '}
              {live === undefined
                ? `from ${formatDuration((from * lengthNs) / 1e6)}`
                : untilText(((1 - to) * lengthNs) / 1e6)}
            </span>
            <Button look="plain" className="h-6! px-2!" onClick={() => onRange(undefined)}>
              {live === undefined ? 'Whole recording' : 'Back to live'}
            </Button>
          </span>
        ) : (
          <span className="hidden whitespace-nowrap sm:inline">
            Drag to {live?.isPaused === false ? 'pause and ' : ''}select a part
          </span>
        )}
      </div>
      <div
        ref={strip}
        className="relative h-11 cursor-crosshair touch-pan-y select-none overflow-hidden rounded-[3px] bg-surface-2"
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => {
          drag.current = undefined;
          setDraft(undefined);
        }}
      >
        <svg
          aria-hidden="true"
          viewBox={`0 0 ${Math.max(1, columns)} 1`}
          preserveAspectRatio="none"
          className="absolute inset-0 h-full w-full text-accent"
        >
          <path d={path} fill="currentColor" opacity="0.75" />
        </svg>
        <RateMarks
          rates={rates}
          change={anyChange}
          range={{ startNs: activity.startNs, endNs: activityEndNs(activity) }}
          left={(timeNs) => `${placeOf(activity, timeNs) * 100}%`}
        />
        {isSelected || live !== undefined ? (
          <>
            <Shade left={0} width={from} />
            <Shade left={to} width={1 - to} />
          </>
        ) : null}
        {(['start', 'end'] as const).map((edge) => {
          const place = edge === 'start' ? from : to;
          return (
            <div
              key={edge}
              role="slider"
              tabIndex={0}
              data-edge={edge}
              aria-label={edge === 'start' ? 'Range start' : 'Range end'}
              aria-valuemin={0}
              aria-valuemax={Number(seconds.toFixed(3))}
              aria-valuenow={Number((place * seconds).toFixed(3))}
              aria-valuetext={formatDuration(place * seconds * 1000)}
              onKeyDown={(event) => onEdgeKey(event, edge)}
              className={`absolute inset-y-0 w-2 -translate-x-1/2 focus-visible:-outline-offset-2 ${isSelected ? 'cursor-ew-resize' : ''}`}
              style={{ left: `${place * 100}%` }}
            >
              {isSelected ? (
                <div className="pointer-events-none mx-auto h-full w-0.5 bg-accent" />
              ) : null}
            </div>
          );
        })}
      </div>
      <div aria-hidden="true" className="relative mt-0.5 h-4 text-xs text-dim">
        {timeTicks(seconds, 6).map((tick) => {
          const distance = seconds === 0 ? 0 : tick / seconds;
          const place = live === undefined ? distance : 1 - distance;
          return (
            <span
              key={tick}
              className={`absolute whitespace-nowrap ${place < 0.02 ? '' : place > 0.97 ? 'z-10 -translate-x-full bg-surface pl-1' : '-translate-x-1/2'}`}
              style={{ left: `${place * 100}%` }}
            >
              {live === undefined ? tickText(tick, seconds) : agoText(tick, live.endText)}
            </span>
          );
        })}
      </div>
    </section>
  );
}

function Shade({ left, width }: { readonly left: number; readonly width: number }) {
  return (
    <div
      className="pointer-events-none absolute inset-y-0 bg-surface opacity-70"
      style={{ left: `${left * 100}%`, width: `${width * 100}%` }}
    />
  );
}

/** CPU time in a time is CPUs, waiting is threads; of other units only the height's ratio is known. */
function scaleText(
  unit: string,
  mode: ProfileMode,
  max: number,
  bucketNs: number,
  cpus: number | undefined,
): string {
  if (unit !== 'nanoseconds' || bucketNs === 0) return 'Activity';
  // Of few samples an estimate may be above what there is.
  const limit = mode === 'cpu' && cpus !== undefined ? cpus : Number.POSITIVE_INFINITY;
  const most = Math.min(max / bucketNs, limit);
  const peak = most.toFixed(most < 10 ? 2 : most < 100 ? 1 : 0);
  if (mode === 'cpu')
    return `CPU, peak ${peak}${cpus === undefined ? '' : ` of ${cpus}`} core${cpus === 1 ? '' : 's'}`;
  if (mode === 'latency') return `In these events, peak ${peak} at a time`;
  return mode === 'wall' ? `Threads, peak ${peak}` : `Waiting, peak ${peak} threads`;
}

/** `seconds` of a strip of `all` seconds. */
function tickText(seconds: number, all: number): string {
  return all >= 120 ? formatElapsed(seconds * 1000) : `${Number(seconds.toPrecision(6))} s`;
}

/** Where a part ends, in ms before the strip does. */
const untilText = (ms: number): string =>
  ms < 1 ? 'until the end' : `until −${formatDuration(ms)}`;

const agoText = (seconds: number, endText: string): string =>
  seconds > 0 ? `−${seconds} s` : endText;
