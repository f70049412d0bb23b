'use client';

import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '@/components/flame-graph/use-theme';
import { formatCount } from '@/components/ui/format';
import { preparedContext, useSize } from '@/components/ui/use-size';
import { bucketEnd, bucketLow } from '@/profile/latency/buckets';
import { formatLatency, formatQuantile } from '@/profile/latency/format';
import { type Histogram, QUANTILES } from '@/profile/latency/histogram';
import type { LatencyUnit } from '@/profile/latency/sources';
import { bucketAt, drawHistogram, layoutHistogram } from './draw';

export type BucketRange = readonly [first: number, last: number];

export interface HistogramViewProps {
  /** What it is a histogram of. */
  readonly label: string;
  readonly histogram: Histogram;
  readonly baseline: Histogram | undefined;
  readonly unit: LatencyUnit;
  readonly selected: BucketRange | undefined;
  /** What selecting is good for. */
  readonly hint?: string;
  /** Without it, nothing can be selected. */
  onSelect?(buckets: BucketRange | undefined): void;
}

/** Counts by latency. Where something can be selected, dragging does it, and the arrow keys with Shift. */
export function HistogramView(props: HistogramViewProps) {
  const { label, histogram, baseline, unit, selected, hint, onSelect } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(frame);
  const theme = useTheme();
  const [cursor, setCursor] = useState<number>();
  /** Where a drag began, and where it is. */
  const [drag, setDrag] = useState<BucketRange>();
  const anchor = useRef<number>(undefined);
  const layout = useMemo(
    () => layoutHistogram({ histogram, baseline }, size.width, size.height),
    [histogram, baseline, size],
  );

  useEffect(() => {
    if (canvas.current === null || layout === undefined || theme === undefined) return;
    const context = preparedContext(canvas.current, size);
    if (context === undefined) return;
    const shown = drag === undefined ? selected : ordered(drag);
    drawHistogram(context, { histogram, baseline, unit, selected: shown, cursor }, layout, theme);
  }, [histogram, baseline, unit, selected, cursor, drag, layout, size, theme]);

  const at = ({ clientX, currentTarget }: PointerEvent): number | undefined =>
    layout === undefined
      ? undefined
      : bucketAt(layout, clientX - currentTarget.getBoundingClientRect().left);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (layout === undefined) return;
    if (event.key === 'Escape' && selected !== undefined && onSelect !== undefined) {
      onSelect(undefined);
      event.stopPropagation();
      return;
    }
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const from = cursor ?? layout.firstBucket;
    const next = Math.min(layout.lastBucket, Math.max(layout.firstBucket, from + step));
    setCursor(next);
    if (!event.shiftKey || onSelect === undefined) {
      anchor.current = undefined;
      return;
    }
    anchor.current ??= from;
    onSelect(ordered([anchor.current, next]));
  };

  return (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      <div
        ref={frame}
        role="application"
        aria-roledescription="histogram"
        aria-label={`Histogram of ${label}: ${summary(histogram, unit)}. Arrow keys read it${onSelect === undefined ? '' : ', with Shift they select'}.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys read and select
        tabIndex={0}
        className={`relative flex-1 touch-pan-y select-none ${onSelect === undefined ? 'min-h-0' : 'min-h-24'}`}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          const bucket = at(event);
          if (bucket === undefined || event.button !== 0 || onSelect === undefined) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([bucket, bucket]);
        }}
        onPointerMove={(event) => {
          const bucket = at(event);
          setCursor(bucket);
          if (bucket !== undefined && drag !== undefined) setDrag([drag[0], bucket]);
        }}
        onPointerUp={() => {
          if (drag !== undefined) onSelect?.(drag[0] === drag[1] ? undefined : ordered(drag));
          setDrag(undefined);
        }}
        onPointerCancel={() => setDrag(undefined)}
        onPointerLeave={() => setCursor(undefined)}
      >
        <canvas ref={canvas} className="absolute inset-0 h-full w-full" />
      </div>
      <p aria-live="polite" className="h-5 shrink-0 truncate px-3 text-sm text-dim">
        {cursor === undefined
          ? (hint ?? '')
          : `${formatLatency(bucketLow(cursor), unit)} to ${formatLatency(bucketEnd(cursor), unit)}: ${formatCount(histogram.counts[cursor])} events`}
      </p>
    </div>
  );
}

const ordered = ([a, b]: BucketRange): BucketRange => [Math.min(a, b), Math.max(a, b)];

function summary(histogram: Histogram, unit: LatencyUnit): string {
  const quantiles = QUANTILES.map(({ name, q }) => {
    const quantile = histogram.quantile(q);
    return quantile === undefined ? '' : `${name} ${formatQuantile(quantile, unit)}`;
  });
  return [`${formatCount(histogram.count)} events`, ...quantiles.filter(Boolean)].join(', ');
}
