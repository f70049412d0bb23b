'use client';

/** The flame graph: its canvas, and around it the way back, what is hovered over, and what the keyboard has. */
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { useShortcuts } from '@/components/shell/use-shortcuts';
import type { NodeIndex } from '@/profile/call-tree';
import { findNode, pathOf } from '@/profile/call-tree-path';
import type { LabelIndex } from '@/profile/labels';
import type { View } from '@/profile/view';
import { Breadcrumb } from './breadcrumb';
import { FlameCanvas, type Spot } from './flame-canvas';
import { NO_NODE } from './layout';
import { type Step, step, zoomedOut } from './navigate';
import { factsSentence, nodeFacts } from './node-facts';
import { SelectedLine } from './selected-line';
import { Tooltip } from './tooltip';
import { useTheme } from './use-theme';

export interface FlameGraphProps {
  readonly analysis: Analysis;
  readonly view: View;
  /** What a label is called in the graph; hovering tells its full name. */
  nameOf(label: LabelIndex): string;
  onZoom(path: readonly string[]): void;
  /** Another frame has been selected, by pointer or keyboard; undefined: none is any more. */
  onSelect(path: readonly string[] | undefined): void;
  onHelp?(): void;
  /** Accessible name. */
  readonly label: string;
}

export function FlameGraph({
  analysis,
  view,
  nameOf,
  onZoom,
  onSelect,
  onHelp,
  label,
}: FlameGraphProps) {
  const { tree, labels } = analysis;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const graph = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const flames = useRef<FlameCanvas>(undefined);
  const [hovered, setHovered] = useState<Spot>();
  const [pointer, setPointer] = useState<{ readonly x: number; readonly y: number }>();
  /** By path, so that it stays when the tree is made anew. */
  const [selectedPath, setSelectedPath] = useState<readonly string[]>();
  /** Read out when the selection changes, not with every update of its numbers. */
  const [spoken, setSpoken] = useState('');
  /** A double click that starts on what fills the width leads back. */
  const leadsBack = useRef(false);
  const theme = useTheme();

  const zoomed = useMemo(() => findNode(tree, labels, view.zoom), [tree, labels, view.zoom]);
  const selected = useMemo(() => {
    if (selectedPath === undefined) return NO_NODE;
    const node = findNode(tree, labels, selectedPath);
    // An ancestor is not what was selected.
    return tree.depth[node] === selectedPath.length ? node : NO_NODE;
  }, [tree, labels, selectedPath]);
  const zoomKey = view.zoom.join('\n');

  useEffect(() => {
    if (scroller.current === null || content.current === null || canvas.current === null) return;
    const elements = {
      scroller: scroller.current,
      content: content.current,
      canvas: canvas.current,
    };
    const created = new FlameCanvas(elements, setHovered);
    flames.current = created;
    return () => created.dispose();
  }, []);

  const { orientation } = view;
  useEffect(() => {
    if (theme === undefined) return;
    flames.current?.show({ analysis, zoomed, zoomKey, selected, orientation, nameOf, theme });
  }, [analysis, zoomed, zoomKey, selected, orientation, nameOf, theme]);

  const changeSelection = (path: readonly string[] | undefined): void => {
    setSelectedPath(path);
    onSelect(path);
  };
  const select = (node: NodeIndex): void => {
    changeSelection(pathOf(tree, labels, node));
    setSpoken(factsSentence(nodeFacts(analysis, node)));
    flames.current?.reveal(node);
  };
  const zoomTo = (node: NodeIndex): void => {
    select(node);
    if (node !== zoomed) onZoom(pathOf(tree, labels, node));
  };
  const zoomOut = (): void => onZoom(pathOf(tree, labels, zoomedOut(tree, zoomed)));

  const onClick = (event: MouseEvent): void => {
    const node = nodeUnder(flames.current, event);
    if (event.detail <= 1) {
      leadsBack.current = node === NO_NODE || node === zoomed;
      if (node !== NO_NODE) zoomTo(node);
    } else if (event.detail === 2 && leadsBack.current && zoomed !== 0) zoomOut();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = selected === NO_NODE ? zoomed : selected;
    const direction = STEPS[orientation][event.key];
    if (direction !== undefined)
      select(selected === NO_NODE ? zoomed : step(tree, at, zoomed, direction));
    else if (event.key === 'Enter') zoomTo(at);
    else if (event.key === 'Escape' && zoomed !== 0) zoomOut();
    else if (event.key === 'Escape' && selectedPath !== undefined) changeSelection(undefined);
    else if (event.key === '?' && onHelp !== undefined) onHelp();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  // Arrows mean the graph while nothing that has the keyboard moves by them itself.
  const take = (key: string) => (): boolean => {
    const direction = STEPS[orientation][key];
    if (direction === undefined || !isFreeForArrows(document.activeElement)) return false;
    graph.current?.focus({ preventScroll: true });
    select(selected === NO_NODE ? zoomed : step(tree, selected, zoomed, direction));
    return true;
  };
  useShortcuts({
    arrowup: take('ArrowUp'),
    arrowdown: take('ArrowDown'),
    arrowleft: take('ArrowLeft'),
    arrowright: take('ArrowRight'),
    escape: () => {
      if (zoomed === 0) return false;
      zoomOut();
      return true;
    },
  });

  const facts = hovered === undefined ? undefined : nodeFacts(hovered.analysis, hovered.node);
  // At the edge that the graph reaches last: what is seen stays where it is when the line comes.
  const line =
    selected === NO_NODE ? null : (
      <SelectedLine name={nameOf(tree.label[selected])} facts={nodeFacts(analysis, selected)} />
    );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Breadcrumb path={view.zoom} names={namesTo(analysis, zoomed, nameOf)} onZoom={onZoom} />
      {orientation === 'flame' ? line : null}
      <div className="relative min-h-0 flex-1">
        <div ref={scroller} className="absolute inset-0 overflow-x-hidden overflow-y-auto">
          <div ref={content}>
            <div
              ref={graph}
              // biome-ignore lint/a11y/noNoninteractiveTabindex: an application has keys of its own, and so the focus
              tabIndex={0}
              role="application"
              aria-label={label}
              aria-roledescription="flame graph"
              aria-description="Arrow keys move between frames, Enter zooms in, Escape zooms out"
              className={`sticky top-0 -outline-offset-2 ${hovered === undefined ? '' : 'cursor-pointer'}`}
              onPointerMove={(event) => {
                flames.current?.point(offsetIn(event));
                setPointer({ x: event.clientX, y: event.clientY });
              }}
              onPointerLeave={() => {
                flames.current?.point(undefined);
                setPointer(undefined);
              }}
              onClick={onClick}
              onKeyDown={onKeyDown}
            >
              <canvas ref={canvas} className="block touch-pan-y" />
            </div>
          </div>
        </div>
        <p className="sr-only" aria-live="polite">
          {spoken}
        </p>
      </div>
      {orientation === 'icicle' ? line : null}
      {facts !== undefined && pointer !== undefined ? (
        <Tooltip facts={facts} x={pointer.x} y={pointer.y} />
      ) : null}
    </div>
  );
}

/** What the nodes from the root's child to a node are called. */
function namesTo(
  { tree }: Analysis,
  node: NodeIndex,
  nameOf: (label: LabelIndex) => string,
): string[] {
  const names: string[] = [];
  for (let at = node; at !== 0; at = tree.parent[at]) names.push(nameOf(tree.label[at]));
  return names.reverse();
}

const STEPS: Readonly<Record<View['orientation'], Readonly<Record<string, Step>>>> = {
  icicle: { ArrowDown: 'in', ArrowUp: 'out', ArrowLeft: 'previous', ArrowRight: 'next' },
  flame: { ArrowUp: 'in', ArrowDown: 'out', ArrowLeft: 'previous', ArrowRight: 'next' },
};

/** Buttons and links do nothing with arrow keys; lists that scroll, fields, switches and panels do. */
function isFreeForArrows(focused: Element | null): boolean {
  if (document.querySelector(':popover-open') !== null) return false;
  return (
    focused === null || focused === document.body || focused.matches('button:not([role=tab]), a')
  );
}

function offsetIn(event: MouseEvent): { x: number; y: number } {
  const bounds = event.currentTarget.getBoundingClientRect();
  return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
}

function nodeUnder(flames: FlameCanvas | undefined, event: MouseEvent): NodeIndex {
  const { x, y } = offsetIn(event);
  return flames?.nodeAt(x, y) ?? NO_NODE;
}
