/** The histogram's picture: a plain function of what is shown and where. */
import { type ScaleLinear, type ScaleLogarithmic, scaleLinear, scaleLog } from 'd3';
import type { CanvasTheme } from '@/components/flame-graph/use-theme';
import { formatShortCount } from '@/components/ui/format';
import { bucketEnd, bucketLow, bucketOf } from '@/profile/latency/buckets';
import { formatLatency } from '@/profile/latency/format';
import { type Histogram, QUANTILES } from '@/profile/latency/histogram';
import type { LatencyUnit } from '@/profile/latency/sources';

export interface HistogramPicture {
  readonly histogram: Histogram;
  readonly baseline: Histogram | undefined;
  readonly unit: LatencyUnit;
  readonly selected: readonly [first: number, last: number] | undefined;
  /** The bucket under the pointer or the keyboard's cursor. */
  readonly cursor: number | undefined;
}

export interface HistogramLayout {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Values to pixels; the scale begins at 1. */
  readonly x: ScaleLogarithmic<number, number>;
  readonly y: ScaleLinear<number, number>;
  readonly firstBucket: number;
  readonly lastBucket: number;
}

const LEFT = 60;
/** Between two names on the latency axis. */
const MIN_NAME = 52;
const RIGHT = 14;
const BOTTOM = 22;
/** Of the quantiles' names, which stand in rows where they would overlap: all of them do where there are few events. */
const NAME_ROW = 14;
const NAME_ROWS = QUANTILES.length;

export function layoutHistogram(
  { histogram, baseline }: Pick<HistogramPicture, 'histogram' | 'baseline'>,
  width: number,
  height: number,
): HistogramLayout | undefined {
  const ranges = [histogram.range, baseline?.range].filter((range) => range !== undefined);
  if (ranges.length === 0 || width < LEFT + RIGHT + 40 || height < 100) return undefined;
  // A power of two at least, so that a single bucket is no wall.
  const firstBucket = Math.max(0, Math.min(...ranges.map(([first]) => first)) - 4);
  const lastBucket = Math.min(bucketOf(2 ** 37), Math.max(...ranges.map(([, last]) => last)) + 4);
  const most = Math.max(largest(histogram), scaledBaseline(histogram, baseline));
  const [left, right, top, bottom] = [
    LEFT,
    width - RIGHT,
    NAME_ROW * NAME_ROWS + 6,
    height - BOTTOM,
  ];
  return {
    left,
    right,
    top,
    bottom,
    x: scaleLog([Math.max(1, bucketLow(firstBucket)), bucketEnd(lastBucket)], [left, right]).clamp(
      true,
    ),
    y: scaleLinear([0, most], [bottom, top]),
    firstBucket,
    lastBucket,
  };
}

/** The bucket at a place; the nearest where it is outside. */
export function bucketAt(layout: HistogramLayout, x: number): number {
  return bucketOf(Math.floor(layout.x.invert(x)));
}

const largest = ({ counts }: Histogram): number =>
  counts.reduce((most, count) => Math.max(most, count), 0);

/** The baseline is drawn as if it had as many events: what is compared is the shape. */
function baselineFactor(histogram: Histogram, baseline: Histogram): number {
  return baseline.count === 0 ? 0 : histogram.count === 0 ? 1 : histogram.count / baseline.count;
}

function scaledBaseline(histogram: Histogram, baseline: Histogram | undefined): number {
  return baseline === undefined ? 0 : largest(baseline) * baselineFactor(histogram, baseline);
}

export function drawHistogram(
  context: CanvasRenderingContext2D,
  picture: HistogramPicture,
  layout: HistogramLayout,
  { colors, font }: CanvasTheme,
): void {
  const { histogram, baseline, selected, cursor } = picture;
  const { left, right, top, bottom, x, y, firstBucket, lastBucket } = layout;
  context.font = font;
  drawAxes(context, picture.unit, layout, colors);
  for (let bucket = firstBucket; bucket <= lastBucket; bucket++) {
    const count = histogram.counts[bucket];
    if (count === 0) continue;
    const [from, to] = [x(Math.max(1, bucketLow(bucket))), x(bucketEnd(bucket))];
    const isIn = selected === undefined || (bucket >= selected[0] && bucket <= selected[1]);
    context.globalAlpha = isIn ? 1 : 0.35;
    context.fillStyle = colors.accent;
    // A single event among millions is still there.
    const height = Math.max(1, bottom - y(count));
    context.fillRect(from, bottom - height, Math.max(1, to - from - 0.5), height);
  }
  context.globalAlpha = 1;
  if (baseline !== undefined) drawBaseline(context, histogram, baseline, layout, colors.outline);
  if (selected !== undefined) {
    const [from, to] = [x(Math.max(1, bucketLow(selected[0]))), x(bucketEnd(selected[1]))];
    context.strokeStyle = colors.outline;
    context.strokeRect(from - 0.5, top - 0.5, to - from + 1, bottom - top + 1);
  }
  if (cursor !== undefined && cursor >= firstBucket && cursor <= lastBucket) {
    context.fillStyle = colors.outline;
    context.globalAlpha = 0.14;
    const from = x(Math.max(1, bucketLow(cursor)));
    context.fillRect(from, top, Math.max(2, x(bucketEnd(cursor)) - from), bottom - top);
    context.globalAlpha = 1;
  }
  drawQuantiles(context, histogram, layout, colors);
  context.strokeStyle = colors.narrow;
  context.beginPath();
  context.moveTo(left, bottom + 0.5);
  context.lineTo(right, bottom + 0.5);
  context.stroke();
}

function drawAxes(
  context: CanvasRenderingContext2D,
  unit: LatencyUnit,
  { left, right, bottom, x, y }: HistogramLayout,
  colors: CanvasTheme['colors'],
): void {
  context.lineWidth = 1;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const tick of y.ticks(4)) {
    context.fillStyle = colors.dimText;
    if (Number.isInteger(tick)) context.fillText(formatShortCount(tick), left - 6, y(tick));
    context.globalAlpha = 0.5;
    context.fillStyle = colors.narrow;
    context.fillRect(left, Math.round(y(tick)), right - left, 0.5);
    context.globalAlpha = 1;
  }
  context.textBaseline = 'alphabetic';
  context.textAlign = 'center';
  context.fillStyle = colors.dimText;
  for (const tick of axisTicks(x, unit, MIN_NAME)) {
    const at = x(tick);
    context.fillRect(Math.round(at), bottom, 1, 4);
    context.fillText(
      axisText(tick, unit),
      Math.min(Math.max(at, left + 14), right - 12),
      bottom + 17,
    );
  }
}

/** Powers of ten (of bytes: of two) as close as fits; where there are few of them, twos and fives as well. */
export function axisTicks(
  scale: ScaleLogarithmic<number, number>,
  unit: LatencyUnit,
  minPixels: number,
): number[] {
  const [low, high] = scale.domain();
  const [from, to] = scale.range();
  const powers = (base: number, steps: readonly number[]): number[] =>
    Array.from({ length: 41 }, (_, power) => steps.map((step) => step * base ** power))
      .flat()
      .filter((value) => value >= low && value <= high);
  const choices =
    unit === 'bytes'
      ? [2, 4, 16, 32, 1024].map((base) => powers(base, [1]))
      : [[1, 2, 5], [1, 3], [1]].map((steps) => powers(10, steps)).concat([powers(1000, [1])]);
  const fitting = choices.find((ticks) => ticks.length * minPixels <= Math.abs(to - from));
  return fitting ?? choices[choices.length - 1];
}

/** Without needless digits: '10 us', not '10.0 us'. */
export function axisText(value: number, unit: LatencyUnit): string {
  return formatLatency(value, unit)
    .replace(/(\.\d*?)0+(?= )/, '$1')
    .replace(/\.(?= )/, '');
}

function drawBaseline(
  context: CanvasRenderingContext2D,
  histogram: Histogram,
  baseline: Histogram,
  { bottom, x, y, firstBucket, lastBucket }: HistogramLayout,
  color: string,
): void {
  const factor = baselineFactor(histogram, baseline);
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x(Math.max(1, bucketLow(firstBucket))), bottom);
  for (let bucket = firstBucket; bucket <= lastBucket; bucket++) {
    const height = y(baseline.counts[bucket] * factor);
    context.lineTo(x(Math.max(1, bucketLow(bucket))), height);
    context.lineTo(x(bucketEnd(bucket)), height);
  }
  context.lineTo(x(bucketEnd(lastBucket)), bottom);
  context.stroke();
  context.lineWidth = 1;
}

function drawQuantiles(
  context: CanvasRenderingContext2D,
  histogram: Histogram,
  { right, bottom, x }: HistogramLayout,
  colors: CanvasTheme['colors'],
): void {
  const ends: number[] = Array(NAME_ROWS).fill(Number.NEGATIVE_INFINITY);
  context.textBaseline = 'alphabetic';
  for (const { name, q } of QUANTILES) {
    const quantile = histogram.quantile(q);
    if (quantile === undefined) continue;
    const at = x(Math.max(1, quantile.value));
    const width = context.measureText(name).width;
    const isLeft = at + width + 4 > right;
    const start = isLeft ? at - width - 3 : at + 3;
    const row = Math.max(
      0,
      ends.findIndex((end) => end + 4 < start),
    );
    ends[row] = start + width;
    context.strokeStyle = colors.dimText;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(at, row * NAME_ROW + 2);
    context.lineTo(at, bottom);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colors.outline;
    context.textAlign = 'left';
    context.fillText(name, start, row * NAME_ROW + 12);
  }
}
