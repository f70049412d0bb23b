'use client';

/** The states of threads over time, below each other. Dragging selects a time range, and so do the arrow keys with Shift. */
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '@/components/flame-graph/use-theme';
import type { ShownSlices, ThreadList } from '@/components/profile-worker/thread-analysis';
import { useRovingRows } from '@/components/ui/use-roving-rows';
import { preparedContext } from '@/components/ui/use-size';
import { useVisibleRows } from '@/components/ui/use-visible-rows';
import type { TimeRange } from '@/profile/view';
import { RowName, type ThreadRowsProps } from './row-name';
import { rowKey } from './rows';
import { SliceTooltip, sliceText } from './slice-tooltip';
import {
  AXIS_HEIGHT,
  drawAxis,
  drawTimeline,
  isUnwritten,
  layoutTimeline,
  ROW_HEIGHT,
  sliceAt,
  type TimelineRow,
  timeAt,
} from './timeline-draw';

export interface TimelineProps extends ThreadRowsProps {
  readonly slices: ShownSlices | undefined;
  /** More may come. */
  readonly isLive: boolean;
  /** As it was picked; undefined for all that is shown by itself. */
  readonly range: TimeRange | undefined;
  onRange(range: TimeRange | undefined): void;
  /** The threads whose slices are wanted now. */
  onShown(threads: readonly number[]): void;
}

const MIN_DRAG = 6;
/** Nothing is known of what is shorter. */
const MIN_RANGE_NS = 10e6;
/** Slices are asked for in steps of so many rows, not anew for each row that is scrolled. */
const ASKED_ROWS = 16;

interface Cursor {
  readonly row: number;
  readonly timeNs: number;
  /** Where the pointer is; undefined for the keyboard's cursor. */
  readonly at: { readonly x: number; readonly y: number } | undefined;
}

export function Timeline(props: TimelineProps) {
  const { list, rows, beginning, slices, isLive, onShown, onRange } = props;
  const seen = useVisibleRows(rows.rows.length, ROW_HEIGHT, beginning);
  const keyAt = (index: number): string | number => rowKey(list, rows, index);
  const controlOf = useRovingRows({ scroller: seen.element, count: seen.count, keyAt, seen });
  const canvas = useRef<HTMLCanvasElement>(null);
  const axis = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [cursor, setCursor] = useState<Cursor>();
  const [drag, setDrag] = useState<{
    readonly fromNs: number;
    readonly toNs: number;
    readonly x: number;
  }>();
  const anchor = useRef<number>(undefined);
  const nameWidth = seen.width < 640 ? 132 : 224;
  const width = Math.max(0, seen.width - nameWidth);
  const { range, wallOffsetNs } = list;
  const layout = useMemo(
    () => layoutTimeline(range, wallOffsetNs, width),
    [range, wallOffsetNs, width],
  );

  const from = Math.floor(seen.first / ASKED_ROWS) * ASKED_ROWS;
  const to = Math.ceil(seen.last / ASKED_ROWS) * ASKED_ROWS;
  const shown = useMemo(
    () =>
      Array.from(
        rows.rows.subarray(from, to).filter((row) => row >= 0),
        (row) => list.thread[row],
      ),
    [rows, list, from, to],
  );
  useEffect(() => onShown(shown), [shown, onShown]);

  const places = useMemo(
    () => new Map(slices?.shown.map((thread, place) => [thread, place])),
    [slices],
  );
  const placeOf = (row: number): number | undefined =>
    row >= 0 && row < rows.rows.length && rows.rows[row] >= 0
      ? places.get(list.thread[rows.rows[row]])
      : undefined;
  const placeAtCursor = cursor === undefined ? undefined : placeOf(cursor.row);
  const slice =
    cursor === undefined || slices === undefined || placeAtCursor === undefined
      ? undefined
      : sliceAt(slices, placeAtCursor, cursor.timeNs);
  const unwrittenUntilNs = isLive && props.range === undefined ? range.endNs : undefined;
  const dragged = drag === undefined ? undefined : ordered(drag.fromNs, drag.toNs);

  useEffect(() => {
    if (layout === undefined || theme === undefined) return;
    if (axis.current !== null) {
      const context = preparedContext(axis.current, { width, height: AXIS_HEIGHT });
      if (context !== undefined) drawAxis(context, layout, theme);
    }
    if (canvas.current === null) return;
    const context = preparedContext(canvas.current, { width, height: seen.height });
    if (context === undefined) return;
    const visible: TimelineRow[] = [];
    for (let row = seen.first; row < seen.last; row++)
      visible.push({ y: row * ROW_HEIGHT - seen.scrollTop, place: placeOf(row) });
    drawTimeline(
      context,
      { rows: visible, slices, unwrittenUntilNs, drag: dragged, slice },
      layout,
      theme,
    );
  });

  const cursorOf = (
    event: PointerEvent<HTMLDivElement>,
  ): (Cursor & { readonly x: number }) | undefined => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = event.clientX - box.left;
    if (layout === undefined) return undefined;
    const y = event.clientY - box.top + seen.scrollTop;
    return {
      x,
      row: Math.floor(y / ROW_HEIGHT),
      timeNs: timeAt(layout, x),
      at: { x: event.clientX, y: event.clientY },
    };
  };
  const select = (selected: TimeRange): void => {
    if (selected.endNs - selected.startNs >= MIN_RANGE_NS) onRange(selected);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (step === undefined || slices === undefined || layout === undefined) return;
    event.preventDefault();
    const row = Math.min(rows.rows.length - 1, Math.max(0, (cursor?.row ?? seen.first) + step[1]));
    const stepNs = (range.endNs - range.startNs) / 60;
    const old = cursor?.timeNs ?? range.startNs;
    const timeNs = Math.min(range.endNs - 1, Math.max(range.startNs, old + step[0] * stepNs));
    setCursor({ row, timeNs, at: undefined });
    const element = seen.element.current;
    if (
      element !== null &&
      (row * ROW_HEIGHT < element.scrollTop ||
        (row + 1) * ROW_HEIGHT > element.scrollTop + seen.height)
    )
      element.scrollTop = row * ROW_HEIGHT - seen.height / 2;
    if (!event.shiftKey) {
      anchor.current = undefined;
      setDrag(undefined);
    } else if (step[0] !== 0) {
      anchor.current ??= old;
      setDrag({ fromNs: anchor.current, toNs: timeNs, x: 0 });
    }
  };
  const onKeyUp = ({ key }: KeyboardEvent): void => {
    if (key !== 'Shift' || anchor.current === undefined || dragged === undefined) return;
    anchor.current = undefined;
    setDrag(undefined);
    select(dragged);
  };
  const entry = cursor === undefined ? undefined : rows.rows[cursor.row];
  const isUnwrittenHere =
    cursor !== undefined &&
    slices !== undefined &&
    placeAtCursor !== undefined &&
    unwrittenUntilNs !== undefined &&
    isUnwritten(slices, placeAtCursor, unwrittenUntilNs) &&
    cursor.timeNs >= slices.endNs[slices.offset[placeAtCursor + 1] - 1];

  return (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      <div
        className="flex shrink-0 border-b border-line bg-surface-2"
        style={{ height: AXIS_HEIGHT }}
      >
        <span
          className="shrink-0 border-r border-line pl-2 text-xs/[26px] text-dim"
          style={{ width: nameWidth }}
        >
          Thread
        </span>
        <canvas ref={axis} style={{ width, height: AXIS_HEIGHT }} />
      </div>
      <div
        ref={seen.element}
        className="min-h-0 min-w-0 flex-1 overflow-y-auto overscroll-contain"
        onScroll={seen.onScroll}
      >
        <div className="relative" style={{ height: seen.count * ROW_HEIGHT }}>
          <div
            role="application"
            aria-roledescription="timeline"
            aria-label={`Timeline of the states of ${rows.threads} ${rows.threads === 1 ? 'thread' : 'threads'}. Arrow keys read it, with Shift they select a time range.`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys read and select
            tabIndex={0}
            className="sticky top-0 touch-pan-y select-none -outline-offset-2"
            style={{ marginLeft: nameWidth, height: seen.height }}
            onKeyDown={onKeyDown}
            onKeyUp={onKeyUp}
            onPointerDown={(event) => {
              const at = cursorOf(event);
              if (event.button !== 0 || at === undefined) return;
              event.currentTarget.setPointerCapture(event.pointerId);
              setDrag({ fromNs: at.timeNs, toNs: at.timeNs, x: at.x });
            }}
            onPointerMove={(event) => {
              const at = cursorOf(event);
              setCursor(at);
              if (drag !== undefined && at !== undefined) setDrag({ ...drag, toNs: at.timeNs });
            }}
            onPointerUp={(event) => {
              const at = cursorOf(event);
              if (
                dragged !== undefined &&
                at !== undefined &&
                Math.abs(at.x - (drag?.x ?? 0)) >= MIN_DRAG
              )
                select(dragged);
              setDrag(undefined);
            }}
            onPointerCancel={() => setDrag(undefined)}
            onPointerLeave={() => setCursor(undefined)}
          >
            <canvas ref={canvas} className="h-full w-full" />
          </div>
          {Array.from(rows.rows.subarray(seen.first, seen.last), (row, i) => {
            const index = seen.first + i;
            const key = keyAt(index);
            return (
              <div
                key={key}
                className={`absolute left-0 border-r border-line text-sm ${row >= 0 ? 'bg-surface hover:bg-surface-2' : 'bg-surface-2'}`}
                style={{ top: index * ROW_HEIGHT, height: ROW_HEIGHT, width: nameWidth }}
              >
                <RowName {...props} index={index} control={controlOf(key)} />
              </div>
            );
          })}
        </div>
      </div>
      <p
        aria-live="polite"
        className="h-5 shrink-0 truncate border-t border-line px-3 text-xs/5 text-dim"
      >
        {slice === undefined || slices === undefined || entry === undefined
          ? isUnwrittenHere
            ? 'Not written down yet: waits that go on are written down every 10 seconds.'
            : 'Drag over a time range to look at it alone. When within a slice its states were is not known: they are drawn as shares of its height.'
          : `${threadText(list, entry)}, ${sliceText(slices, slice, list)}`}
      </p>
      {slice === undefined ||
      slices === undefined ||
      entry === undefined ||
      cursor?.at === undefined ||
      drag !== undefined ? null : (
        <SliceTooltip
          title={threadText(list, entry)}
          list={list}
          slices={slices}
          slice={slice}
          x={cursor.at.x}
          y={cursor.at.y}
        />
      )}
    </div>
  );
}

const STEPS: Readonly<Record<string, readonly [steps: number, rows: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function ordered(aNs: number, bNs: number): TimeRange {
  return { startNs: Math.floor(Math.min(aNs, bNs)), endNs: Math.ceil(Math.max(aNs, bNs)) };
}

function threadText(list: ThreadList, entry: number): string {
  const [name, process] = [list.names[list.name[entry]], list.names[list.process[entry]]];
  return `${name === process ? name : `${process} / ${name}`} ${list.tid[entry]}`;
}
