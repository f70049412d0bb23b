'use client';

import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { RateChange } from '@/components/activity/rate-changes';
import { RateMarks } from '@/components/activity/rate-marks';
import { useTheme } from '@/components/flame-graph/use-theme';
import { formatClock, formatCount, formatDuration } from '@/components/ui/format';
import { preparedContext, useSize } from '@/components/ui/use-size';
import type { Heatmap } from '@/profile/latency/analysis';
import { bucketEnd, bucketLow } from '@/profile/latency/buckets';
import { formatLatency } from '@/profile/latency/format';
import type { LatencyUnit } from '@/profile/latency/sources';
import type { SamplingRates } from '@/profile/profile';
import type { TimeRange } from '@/profile/view';
import {
  type Cell,
  cellAt,
  countOf,
  drawHeatmap,
  type HeatmapSelection,
  layoutHeatmap,
  placeOfTime,
  secondsOf,
} from './draw';

export interface HeatmapViewProps {
  /** What it is a heatmap of. */
  readonly label: string;
  readonly heatmap: Heatmap;
  readonly unit: LatencyUnit;
  readonly wallOffsetNs: number;
  readonly selection: HeatmapSelection;
  readonly baseline: TimeRange | undefined;
  /** What was measured, and how much of it: changes are marked. */
  readonly rates: readonly SamplingRates[];
  /** Which of them. */
  readonly change: RateChange;
  onSelect(selection: HeatmapSelection): void;
}

const NOTHING: HeatmapSelection = { range: undefined, buckets: undefined };
/** A drag that is flatter or narrower selects everything in that direction. */
const MIN_DRAG = 6;

interface Drag {
  readonly x: number;
  readonly y: number;
  readonly toX: number;
  readonly toY: number;
}

/** Latency over time. Dragging selects a rectangle; so do the arrow keys with Shift. */
export function HeatmapView(props: HeatmapViewProps) {
  const { label, heatmap, unit, wallOffsetNs, selection, baseline, rates, change, onSelect } =
    props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(frame);
  const theme = useTheme();
  const [cursor, setCursor] = useState<Cell>();
  const [drag, setDrag] = useState<Drag>();
  const anchor = useRef<Cell>(undefined);
  const layout = useMemo(
    () => layoutHeatmap(heatmap, wallOffsetNs, size.width, size.height),
    [heatmap, wallOffsetNs, size],
  );
  const known = cursor !== undefined && cursor.column < heatmap.startNs.length ? cursor : undefined;

  const dragged = ({ x, y, toX, toY }: Drag): HeatmapSelection => {
    if (layout === undefined) return NOTHING;
    const [a, b] = [cellAt(heatmap, layout, x, y), cellAt(heatmap, layout, toX, toY)];
    const whole = between(heatmap, a, b);
    return {
      range: Math.abs(toX - x) < MIN_DRAG ? undefined : whole.range,
      buckets: Math.abs(toY - y) < MIN_DRAG ? undefined : whole.buckets,
    };
  };
  const shown = drag === undefined ? selection : dragged(drag);

  useEffect(() => {
    if (canvas.current === null || layout === undefined || theme === undefined) return;
    const context = preparedContext(canvas.current, size);
    if (context === undefined) return;
    drawHeatmap(
      context,
      { heatmap, unit, selection: shown, baseline, cursor: known },
      layout,
      theme,
    );
  }, [heatmap, unit, shown, baseline, known, layout, size, theme]);

  const place = ({ clientX, clientY, currentTarget }: PointerEvent): readonly [number, number] => {
    const box = currentTarget.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && (selection.range ?? selection.buckets) !== undefined) {
      onSelect(NOTHING);
      event.stopPropagation();
      return;
    }
    const step = STEPS[event.key];
    if (step === undefined || heatmap.buckets === 0) return;
    event.preventDefault();
    const from = known ?? { column: heatmap.startNs.length - 1, bucket: heatmap.firstBucket };
    const limit = (value: number, low: number, high: number): number =>
      Math.min(high, Math.max(low, value));
    const next: Cell = {
      column: limit(from.column + step[0], 0, heatmap.startNs.length - 1),
      bucket: limit(
        from.bucket + step[1],
        heatmap.firstBucket,
        heatmap.firstBucket + heatmap.buckets - 1,
      ),
    };
    setCursor(next);
    if (!event.shiftKey) {
      anchor.current = undefined;
      return;
    }
    anchor.current ??= from;
    onSelect(between(heatmap, anchor.current, next));
  };

  return (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      <div
        ref={frame}
        role="application"
        aria-roledescription="heatmap"
        aria-label={`Heatmap of ${label}: ${heatmap.startNs.length} columns of time. Arrow keys read it, with Shift they select.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys read and select
        tabIndex={0}
        className="relative min-h-40 flex-1 touch-pan-y select-none"
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const [x, y] = place(event);
          setDrag({ x, y, toX: x, toY: y });
        }}
        onPointerMove={(event) => {
          if (layout === undefined) return;
          const [x, y] = place(event);
          setCursor(cellAt(heatmap, layout, x, y));
          if (drag !== undefined) setDrag({ ...drag, toX: x, toY: y });
        }}
        onPointerUp={() => {
          if (drag !== undefined) onSelect(dragged(drag));
          setDrag(undefined);
        }}
        onPointerCancel={() => setDrag(undefined)}
        onPointerLeave={() => setCursor(undefined)}
      >
        <canvas ref={canvas} className="absolute inset-0 h-full w-full" />
        {layout === undefined ? null : (
          <div
            className="pointer-events-none absolute inset-x-0 *:pointer-events-auto"
            style={{ top: layout.top, height: layout.bottom - layout.top }}
          >
            <RateMarks
              rates={rates}
              change={change}
              range={{
                startNs: heatmap.startNs[0],
                endNs: heatmap.endNs[heatmap.endNs.length - 1],
              }}
              left={(timeNs) => `${placeOfTime(layout, timeNs)}px`}
            />
          </div>
        )}
      </div>
      <p aria-live="polite" className="h-5 shrink-0 truncate px-3 text-sm text-dim">
        {known === undefined
          ? 'Drag a rectangle to select a time and latencies.'
          : `${formatClock((heatmap.startNs[known.column] + wallOffsetNs) / 1e6)}, ${formatLatency(bucketLow(known.bucket), unit)} to ${formatLatency(bucketEnd(known.bucket), unit)}: ${formatCount(countOf(heatmap, known))} events in ${formatDuration(1000 * secondsOf(heatmap, known.column))}`}
      </p>
    </div>
  );
}

const STEPS: Readonly<Record<string, readonly [columns: number, buckets: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** The rectangle of which two cells are corners. */
function between({ startNs, endNs }: Heatmap, a: Cell, b: Cell): HeatmapSelection {
  return {
    range: {
      startNs: Math.floor(startNs[Math.min(a.column, b.column)]),
      endNs: Math.ceil(endNs[Math.max(a.column, b.column)]),
    },
    buckets: [Math.min(a.bucket, b.bucket), Math.max(a.bucket, b.bucket)],
  };
}
