'use client';

/** The flame graph: a canvas as large as what is seen, over a scroller as high as the whole graph. */
import {
  type KeyboardEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import type { NodeIndex } from '@/profile/call-tree';
import { findNode, pathOf } from '@/profile/call-tree-path';
import type { View } from '@/profile/view';
import { Breadcrumb } from './breadcrumb';
import { Palette } from './color';
import { draw } from './draw';
import {
  type Boxes,
  boxAt,
  emptyBoxes,
  layOut,
  NO_NODE,
  neighbour,
  rangeOf,
  rowTop,
  type Viewport,
  type WeightRange,
} from './layout';
import { nodeFacts, Tooltip } from './tooltip';
import { useTheme } from './use-theme';

export interface FlameGraphProps {
  readonly analysis: Analysis;
  readonly view: View;
  readonly frequencyHz: number;
  onZoom(path: readonly string[]): void;
  onHelp?(): void;
  /** Accessible name. */
  readonly label: string;
}

const ROW_HEIGHT = 20;
const ZOOM_MS = 160;

interface Pointer {
  readonly x: number;
  readonly y: number;
}

export function FlameGraph({ analysis, view, onZoom, onHelp, label }: FlameGraphProps) {
  const { tree, labels } = analysis;
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const boxes = useRef<Boxes>(emptyBoxes());
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [pointer, setPointer] = useState<Pointer>();
  /** By path, so that it stays where it is when the tree is made anew. */
  const [selectedPath, setSelectedPath] = useState<readonly string[]>();
  const theme = useTheme();
  const palette = useMemo(() => new Palette(theme.scheme), [theme.scheme]);

  const zoomed = useMemo(() => findNode(tree, labels, view.zoom), [tree, labels, view.zoom]);
  const target = useMemo(() => rangeOf(tree, zoomed), [tree, zoomed]);
  const selected = selectedPath === undefined ? NO_NODE : findNode(tree, labels, selectedPath);
  const { orientation } = view;
  const contentHeight = Math.max(size.height, (tree.maxDepth + 1) * ROW_HEIGHT);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // A flame burns upwards: its root is at the bottom of what can be scrolled.
  useEffect(() => {
    if (scroller.current !== null)
      scroller.current.scrollTop = orientation === 'flame' ? scroller.current.scrollHeight : 0;
  }, [orientation]);

  const viewport = useCallback(
    (): Viewport => ({
      ...size,
      scrollTop: scroller.current?.scrollTop ?? 0,
      rowHeight: ROW_HEIGHT,
      orientation,
      contentHeight,
    }),
    [size, orientation, contentHeight],
  );

  const hover = useRef<NodeIndex>(NO_NODE);
  const [hovered, setHovered] = useState<NodeIndex>(NO_NODE);
  /** The share of the root's total that fills the width now: it moves to `target` when the zoom changes. */
  const shown = useRef<WeightRange>({ start: 0, end: 1 });
  const goal = useRef<WeightRange>({ start: 0, end: 1 });
  const moving = useRef<{ readonly from: WeightRange; readonly startMs: number }>(undefined);
  const zoomKey = view.zoom.join('\n');
  const lastZoomKey = useRef(zoomKey);

  const paint = useCallback(() => {
    const element = canvas.current;
    const context = element?.getContext('2d', { alpha: false });
    if (!element || !context || size.width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const all = tree.total[0];
    const range = { start: shown.current.start * all, end: shown.current.end * all };
    const now = viewport();
    layOut(tree, range, now, boxes.current);
    draw(
      context,
      {
        boxes: boxes.current,
        label: tree.label,
        labels,
        palette,
        matches: analysis.search?.matches,
        hovered: hover.current,
        selected,
        ...theme.colors,
      },
      now,
    );
    if (
      tree.totalSamples[0] > 0 &&
      performance.getEntriesByName('hearth:first-picture').length === 0
    ) {
      performance.mark('hearth:first-picture');
    }
  }, [analysis, tree, labels, palette, selected, size, theme, viewport]);

  /** Moves `shown` towards the goal; true while there is way to go. */
  const advance = useCallback((nowMs: number): boolean => {
    const move = moving.current;
    if (move === undefined) return false;
    const t = Math.min(1, Math.max(0, (nowMs - move.startMs) / ZOOM_MS));
    const eased = 1 - (1 - t) ** 3;
    const mix = (a: number, b: number): number => a + (b - a) * eased;
    shown.current = {
      start: mix(move.from.start, goal.current.start),
      end: mix(move.from.end, goal.current.end),
    };
    if (t === 1) moving.current = undefined;
    return t < 1;
  }, []);

  const paintRef = useRef(paint);
  paintRef.current = paint;
  const frame = useRef(0);
  const request = useCallback(() => {
    if (frame.current !== 0) return;
    frame.current = requestAnimationFrame((nowMs) => {
      frame.current = 0;
      if (advance(nowMs)) request();
      paintRef.current();
    });
  }, [advance]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of what is painted is the reason to paint
  useEffect(() => {
    const all = Math.max(Number.MIN_VALUE, tree.total[0]);
    const share = { start: target.start / all, end: target.end / all };
    const isZoom = lastZoomKey.current !== zoomKey;
    lastZoomKey.current = zoomKey;
    if (isZoom && !matchMedia('(prefers-reduced-motion: reduce)').matches) {
      moving.current = { from: shown.current, startMs: performance.now() };
    }
    goal.current = share;
    if (moving.current === undefined) shown.current = share;
    request();
  }, [paint, target, zoomKey, request]);

  useEffect(() => () => cancelAnimationFrame(frame.current), []);

  /** What the pointer is over may be another box after an update. */
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new analysis moves boxes under a pointer that rests
  useEffect(() => {
    const box = pointer === undefined ? -1 : boxAt(boxes.current, viewport(), pointer.x, pointer.y);
    const node = box < 0 ? NO_NODE : boxes.current.node[box];
    if (node === hover.current) return;
    hover.current = node;
    setHovered(node);
    request();
  }, [pointer, analysis, viewport, request]);

  const pointAt = (event: PointerEvent): void => {
    const bounds = event.currentTarget.getBoundingClientRect();
    setPointer({ x: event.clientX - bounds.left, y: event.clientY - bounds.top });
  };

  const zoomTo = (node: NodeIndex): void => {
    setSelectedPath(pathOf(tree, labels, node));
    onZoom(pathOf(tree, labels, node));
  };

  const select = (node: NodeIndex): void => {
    setSelectedPath(pathOf(tree, labels, node));
    const element = scroller.current;
    if (element === null) return;
    const top = rowTop(tree.depth[node], viewport());
    if (top < 0) element.scrollTop += top;
    else if (top + ROW_HEIGHT > size.height) element.scrollTop += top + ROW_HEIGHT - size.height;
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = selected === NO_NODE ? zoomed : selected;
    const away = orientation === 'icicle' ? 'ArrowDown' : 'ArrowUp';
    const back = orientation === 'icicle' ? 'ArrowUp' : 'ArrowDown';
    if (event.key === away) select(selected === NO_NODE ? zoomed : neighbour(tree, at, 'in'));
    else if (event.key === back) select(neighbour(tree, at, 'out'));
    else if (event.key === 'ArrowRight') select(neighbour(tree, at, 'next'));
    else if (event.key === 'ArrowLeft') select(neighbour(tree, at, 'previous'));
    else if (event.key === 'Enter') zoomTo(at);
    else if (event.key === '?') onHelp?.();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const facts =
    hovered === NO_NODE || hovered >= tree.length ? undefined : nodeFacts(analysis, hovered);
  const spoken = selected === NO_NODE ? undefined : nodeFacts(analysis, selected);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Breadcrumb path={view.zoom} onZoom={onZoom} />
      <div className="relative min-h-0 flex-1">
        <div
          ref={scroller}
          className="absolute inset-0 overflow-x-hidden overflow-y-auto"
          onScroll={request}
        >
          <div style={{ height: contentHeight }}>
            <div
              // biome-ignore lint/a11y/noNoninteractiveTabindex: the graph has keys of its own
              tabIndex={0}
              role="application"
              aria-label={label}
              aria-description="Arrow keys move between frames, Enter zooms, Escape goes back"
              className="sticky top-0 outline-offset-[-2px]"
              style={size}
              onPointerMove={pointAt}
              onPointerLeave={() => setPointer(undefined)}
              onClick={(event) => {
                const bounds = event.currentTarget.getBoundingClientRect();
                const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
                const box = boxAt(boxes.current, viewport(), x, y);
                if (box >= 0 && boxes.current.node[box] !== NO_NODE)
                  zoomTo(boxes.current.node[box]);
              }}
              onKeyDown={onKeyDown}
            >
              <canvas ref={canvas} className="block touch-pan-y" style={size} />
            </div>
          </div>
        </div>
        {facts !== undefined && pointer !== undefined ? (
          <Tooltip facts={facts} x={pointer.x} y={pointer.y} bounds={size} />
        ) : null}
        <p className="sr-only" aria-live="polite">
          {spoken === undefined
            ? ''
            : `${spoken.name}, ${spoken.where}, ${spoken.rows.map((row) => `${row.what} ${row.share} ${row.error} ${row.time} ${row.samples}`).join(', ')}`}
        </p>
      </div>
    </div>
  );
}
