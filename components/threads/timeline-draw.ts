/** The picture of threads' states over time: a row per thread, in it slices, in each its shares, one above the other. */
import { type ScaleTime, scaleTime } from 'd3';
import type { CanvasTheme } from '@/components/flame-graph/use-theme';
import type { ShownSlices } from '@/components/profile-worker/thread-analysis';
import { formatClock } from '@/components/ui/format';
import { THREAD_STATES } from '@/profile/thread-ledger';
import type { TimeRange } from '@/profile/view';
import { stateColors } from './states';

export const ROW_HEIGHT = 24;
export const AXIS_HEIGHT = 26;
const BAR_TOP = 3;
const BAR_HEIGHT = ROW_HEIGHT - 2 * BAR_TOP;
const RIGHT = 10;
const PIXELS_PER_TICK = 110;
/** Between labels of the axis, in pixels. */
const LABEL_GAP = 12;

export interface TimelineLayout {
  readonly width: number;
  /** Wall clock in ms to pixels. */
  readonly x: ScaleTime<number, number>;
  readonly wallOffsetNs: number;
}

export interface TimelineRow {
  /** From the top of the picture, in pixels. */
  readonly y: number;
  /** The i-th thread of the slices; undefined for rows that are no thread, or whose slices have not come. */
  readonly place: number | undefined;
}

export interface TimelinePicture {
  readonly rows: readonly TimelineRow[];
  readonly slices: ShownSlices | undefined;
  /** Until when slices may still come: those of waits that go on come late. */
  readonly unwrittenUntilNs: number | undefined;
  /** What is being selected. */
  readonly drag: TimeRange | undefined;
  /** The slice under the pointer. */
  readonly slice: number | undefined;
}

export function layoutTimeline(
  { startNs, endNs }: TimeRange,
  wallOffsetNs: number,
  width: number,
): TimelineLayout | undefined {
  if (width < 60) return undefined;
  const wallMs = (timeNs: number): number => (timeNs + wallOffsetNs) / 1e6;
  const x = scaleTime([wallMs(startNs), wallMs(endNs)], [0, width - RIGHT]).clamp(true);
  return { width, x, wallOffsetNs };
}

export function placeOfTime({ x, wallOffsetNs }: TimelineLayout, timeNs: number): number {
  return x((timeNs + wallOffsetNs) / 1e6);
}

/** Not exact: a Date has whole milliseconds, so the scale is inverted by hand. */
export function timeAt({ x, wallOffsetNs }: TimelineLayout, place: number): number {
  const [from, to] = x.domain().map((date) => date.getTime());
  const [left, right] = x.range();
  const share = Math.min(1, Math.max(0, (place - left) / (right - left)));
  return (from + share * (to - from)) * 1e6 - wallOffsetNs;
}

/** The slice of the i-th thread that covers a time. */
export function sliceAt(slices: ShownSlices, place: number, timeNs: number): number | undefined {
  for (let row = slices.offset[place]; row < slices.offset[place + 1]; row++)
    if (slices.startNs[row] <= timeNs && timeNs < slices.endNs[row]) return row;
  return undefined;
}

/** Waits that go on are written down every 10 seconds; all else a second later. */
const LONGEST_UNWRITTEN_NS = 11.5e9;

/** Whether the thread may go on after its last slice, and what it does is only not known yet. */
export function isUnwritten(slices: ShownSlices, place: number, untilNs: number): boolean {
  if (slices.offset[place] === slices.offset[place + 1]) return false;
  const lastNs = slices.endNs[slices.offset[place + 1] - 1];
  return lastNs < untilNs && untilNs - lastNs < LONGEST_UNWRITTEN_NS;
}

/** A time of day as exact as the time shown asks for. */
export function clockText(timeMs: number, shownMs: number): string {
  const text = formatClock(timeMs);
  if (shownMs >= 20_000) return text;
  const rest = ((timeMs % 1000) + 1000) % 1000;
  return `${text}.${String(Math.floor(rest)).padStart(3, '0')}`;
}

export function drawAxis(
  context: CanvasRenderingContext2D,
  { x }: TimelineLayout,
  { colors, font }: CanvasTheme,
): void {
  const [left, right] = x.range();
  const [from, to] = x.domain().map((date) => date.getTime());
  context.font = font;
  context.fillStyle = colors.dimText;
  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  const ticks = x.ticks(Math.max(2, Math.floor((right - left) / PIXELS_PER_TICK)));
  const isExact = ticks.some((tick) => tick.getTime() % 1000 !== 0);
  let free = left;
  for (const tick of ticks) {
    const place = x(tick);
    context.fillRect(Math.round(place), AXIS_HEIGHT - 5, 1, 5);
    const text = clockText(tick.getTime(), isExact ? to - from : Number.POSITIVE_INFINITY);
    const half = context.measureText(text).width / 2;
    if (place - half < free || place + half > right + RIGHT) continue;
    context.fillText(text, place, AXIS_HEIGHT - 9);
    free = place + half + LABEL_GAP;
  }
}

export function drawTimeline(
  context: CanvasRenderingContext2D,
  { rows, slices, unwrittenUntilNs, drag, slice }: TimelinePicture,
  layout: TimelineLayout,
  { colors, scheme }: CanvasTheme,
): void {
  const { height } = context.canvas;
  const fills = stateColors(scheme);
  const at = (timeNs: number): number => placeOfTime(layout, timeNs);
  // Lines of time, behind all.
  context.fillStyle = colors.narrow;
  context.globalAlpha = 0.35;
  const [left, right] = layout.x.range();
  for (const tick of layout.x.ticks(Math.max(2, Math.floor((right - left) / PIXELS_PER_TICK))))
    context.fillRect(Math.round(layout.x(tick)), 0, 1, height);
  context.globalAlpha = 1;
  if (slices !== undefined) {
    for (const { y, place } of rows) {
      if (place === undefined) continue;
      for (let row = slices.offset[place]; row < slices.offset[place + 1]; row++) {
        const [from, to] = [at(slices.startNs[row]), at(slices.endNs[row])];
        const width = Math.max(0.5, to - from - (to - from > 4 ? 0.5 : 0));
        drawShares(context, slices.ns, row * THREAD_STATES, fills, from, y + BAR_TOP, width);
        if (row !== slice) continue;
        context.strokeStyle = colors.outline;
        context.strokeRect(from - 0.5, y + BAR_TOP - 0.5, Math.max(2, width) + 1, BAR_HEIGHT + 1);
      }
    }
  }
  if (slices !== undefined && unwrittenUntilNs !== undefined) {
    context.strokeStyle = colors.dimText;
    context.setLineDash([1, 3]);
    context.beginPath();
    for (const { y, place } of rows) {
      if (place === undefined || !isUnwritten(slices, place, unwrittenUntilNs)) continue;
      context.moveTo(at(slices.endNs[slices.offset[place + 1] - 1]) + 2, y + ROW_HEIGHT / 2);
      context.lineTo(at(unwrittenUntilNs), y + ROW_HEIGHT / 2);
    }
    context.stroke();
    context.setLineDash([]);
  }
  if (drag !== undefined) {
    const [from, to] = [at(drag.startNs), at(drag.endNs)];
    context.fillStyle = colors.accent;
    context.globalAlpha = 0.18;
    context.fillRect(from, 0, to - from, height);
    context.globalAlpha = 1;
    context.fillRect(from, 0, 1, height);
    context.fillRect(to - 1, 0, 1, height);
  }
}

/** What a slice was spent on, as shares of its height: when within it is not known. */
function drawShares(
  context: CanvasRenderingContext2D,
  ns: Float64Array,
  offset: number,
  fills: readonly string[],
  x: number,
  y: number,
  width: number,
): void {
  let all = 0;
  for (let state = 0; state < THREAD_STATES; state++) all += ns[offset + state];
  let bottom = y + BAR_HEIGHT;
  for (let state = 0; state < THREAD_STATES; state++) {
    const height = (ns[offset + state] / all) * BAR_HEIGHT;
    if (height <= 0) continue;
    context.fillStyle = fills[state];
    context.fillRect(x, bottom - height, width, height);
    bottom -= height;
  }
}
