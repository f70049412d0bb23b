/** The heatmap's picture: columns of time, rows of latency buckets, the darker the more events a second. */
import { interpolateRgb, type ScaleLogarithmic, type ScaleTime, scaleLog, scaleTime } from 'd3';
import type { CanvasTheme } from '@/components/flame-graph/use-theme';
import { axisText, axisTicks } from '@/components/histogram/draw';
import { formatClock } from '@/components/ui/format';
import type { Heatmap } from '@/profile/latency/analysis';
import { bucketEnd, bucketLow, bucketOf } from '@/profile/latency/buckets';
import type { LatencyUnit } from '@/profile/latency/sources';
import type { TimeRange } from '@/profile/view';

export interface HeatmapLayout {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Wall clock in ms to pixels. */
  readonly x: ScaleTime<number, number>;
  readonly y: ScaleLogarithmic<number, number>;
  readonly wallOffsetNs: number;
}

export interface Cell {
  readonly column: number;
  readonly bucket: number;
}

/** A rectangle; where `buckets` is undefined, all of them. */
export interface HeatmapSelection {
  readonly range: TimeRange | undefined;
  readonly buckets: readonly [first: number, last: number] | undefined;
}

export interface HeatmapPicture {
  readonly heatmap: Heatmap;
  readonly unit: LatencyUnit;
  readonly selection: HeatmapSelection;
  readonly baseline: TimeRange | undefined;
  readonly cursor: Cell | undefined;
}

const LEFT = 60;
const RIGHT = 14;
const TOP = 8;
const BOTTOM = 22;
/** Even a single event has to be seen. */
const LEAST_SHADE = 0.18;
/** Between two names on the latency axis. */
const MIN_ROW = 24;

export function layoutHeatmap(
  { firstBucket, buckets, startNs, endNs }: Heatmap,
  wallOffsetNs: number,
  width: number,
  height: number,
): HeatmapLayout | undefined {
  if (buckets === 0 || startNs.length === 0 || width < LEFT + RIGHT + 40 || height < 80)
    return undefined;
  const [left, right, top, bottom] = [LEFT, width - RIGHT, TOP, height - BOTTOM];
  const wallMs = (timeNs: number): number => (timeNs + wallOffsetNs) / 1e6;
  return {
    left,
    right,
    top,
    bottom,
    wallOffsetNs,
    x: scaleTime([wallMs(startNs[0]), wallMs(endNs[endNs.length - 1])], [left, right]).clamp(true),
    y: scaleLog(
      [
        Math.max(1, bucketLow(Math.max(0, firstBucket - 4))),
        bucketEnd(Math.min(bucketOf(2 ** 37), firstBucket + buckets + 3)),
      ],
      [bottom, top],
    ).clamp(true),
  };
}

/** In pixels from the left. */
export function placeOfTime({ x, wallOffsetNs }: HeatmapLayout, timeNs: number): number {
  return x((timeNs + wallOffsetNs) / 1e6);
}

/** The cell at a place; the nearest where it is outside. */
export function cellAt(heatmap: Heatmap, layout: HeatmapLayout, x: number, y: number): Cell {
  const timeNs = layout.x.invert(x).getTime() * 1e6 - layout.wallOffsetNs;
  let column = heatmap.startNs.length - 1;
  while (column > 0 && heatmap.startNs[column] > timeNs) column--;
  return { column, bucket: bucketOf(Math.floor(layout.y.invert(y))) };
}

export function countOf({ firstBucket, buckets, counts }: Heatmap, cell: Cell): number {
  const row = cell.bucket - firstBucket;
  return row < 0 || row >= buckets ? 0 : counts[cell.column * buckets + row];
}

/** How long a column is. */
export function secondsOf({ startNs, endNs }: Heatmap, column: number): number {
  return (endNs[column] - startNs[column]) / 1e9;
}

/** From 0 to 1 by the logarithm of events a second: one column with very many would make all others pale. */
export function shadeOf(heatmap: Heatmap): (eventsPerSecond: number) => number {
  const longest = heatmap.startNs.reduce((most, _, i) => Math.max(most, secondsOf(heatmap, i)), 0);
  const least = 1 / Math.max(1, longest);
  return scaleLog([least, Math.max(2 * least, heatmap.mostPerSecond)], [LEAST_SHADE, 1]);
}

export function drawHeatmap(
  context: CanvasRenderingContext2D,
  picture: HeatmapPicture,
  layout: HeatmapLayout,
  { colors, font }: CanvasTheme,
): void {
  const { heatmap, unit, selection, baseline, cursor } = picture;
  const { left, right, top, bottom, y } = layout;
  const at = (timeNs: number): number => placeOfTime(layout, timeNs);
  context.font = font;
  const shade = shadeOf(heatmap);
  const color = interpolateRgb(colors.background, colors.accent);
  for (let column = 0; column < heatmap.startNs.length; column++) {
    const [from, to] = [at(heatmap.startNs[column]), at(heatmap.endNs[column])];
    const seconds = secondsOf(heatmap, column);
    for (let row = 0; row < heatmap.buckets; row++) {
      const count = heatmap.counts[column * heatmap.buckets + row];
      if (count === 0) continue;
      const bucket = heatmap.firstBucket + row;
      const [low, high] = [y(Math.max(1, bucketLow(bucket))), y(bucketEnd(bucket))];
      context.fillStyle = color(shade(count / seconds));
      context.fillRect(from, high, Math.max(1, to - from), Math.max(1, low - high));
    }
  }
  const outline = (range: TimeRange | undefined, buckets: HeatmapSelection['buckets']): void => {
    const [from, to] = range === undefined ? [left, right] : [at(range.startNs), at(range.endNs)];
    const [low, high] =
      buckets === undefined
        ? [bottom, top]
        : [y(Math.max(1, bucketLow(buckets[0]))), y(bucketEnd(buckets[1]))];
    if (to > from) context.strokeRect(from + 0.5, high + 0.5, to - from - 1, low - high - 1);
  };
  context.strokeStyle = colors.outline;
  context.lineWidth = 1.5;
  if (selection.range !== undefined || selection.buckets !== undefined)
    outline(selection.range, selection.buckets);
  if (baseline !== undefined) {
    context.setLineDash([4, 3]);
    outline(baseline, undefined);
    context.setLineDash([]);
  }
  context.lineWidth = 1;
  if (cursor !== undefined) {
    const [from, to] = [at(heatmap.startNs[cursor.column]), at(heatmap.endNs[cursor.column])];
    const high = y(bucketEnd(cursor.bucket));
    const low = y(Math.max(1, bucketLow(cursor.bucket)));
    context.strokeRect(
      from - 0.5,
      high - 0.5,
      Math.max(3, to - from) + 1,
      Math.max(3, low - high) + 1,
    );
  }
  drawAxes(context, unit, layout, colors);
}

function drawAxes(
  context: CanvasRenderingContext2D,
  unit: LatencyUnit,
  { left, right, top, bottom, x, y }: HeatmapLayout,
  colors: CanvasTheme['colors'],
): void {
  context.fillStyle = colors.dimText;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const tick of axisTicks(y, unit, MIN_ROW)) {
    context.fillText(
      axisText(tick, unit),
      left - 6,
      Math.min(Math.max(y(tick), top + 6), bottom - 4),
    );
    context.fillRect(left - 4, Math.round(y(tick)), 4, 1);
  }
  context.textBaseline = 'alphabetic';
  context.textAlign = 'center';
  const PIXELS_PER_TICK = 110;
  for (const tick of x.ticks(Math.max(2, Math.floor((right - left) / PIXELS_PER_TICK)))) {
    const place = x(tick);
    context.fillRect(Math.round(place), bottom, 1, 4);
    if (place > left + 24 && place < right - 24)
      context.fillText(formatClock(tick.getTime()), place, bottom + 17);
  }
  context.strokeStyle = colors.narrow;
  context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
}
