'use client';

import { type RefObject, useEffect, useRef, useState } from 'react';
import { useSize } from './use-size';

/** Higher elements than this are cut off by some browsers: 17.8 million pixels in Firefox. */
const MAX_HEIGHT = 16_000_000;
/** Rows that exist above and below those that are seen. */
const MORE_ROWS = 8;

export interface VisibleRows {
  /** The element that scrolls. */
  readonly element: RefObject<HTMLDivElement | null>;
  onScroll(): void;
  readonly scrollTop: number;
  /** Of what scrolls, without its scroll bar. */
  readonly width: number;
  readonly height: number;
  /** The rows that exist: `first` (inclusive) to `last` (exclusive) of `count`. */
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** The first that is seen as a whole. */
  readonly top: number;
}

/** Of many rows of one height, those that are seen. `beginning`: when it changes, the first rows are what is asked for. */
export function useVisibleRows(rows: number, rowHeight: number, beginning: string): VisibleRows {
  const element = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(element);
  const [scrollTop, setScrollTop] = useState(0);
  const shownBeginning = useRef(beginning);
  useEffect(() => {
    if (shownBeginning.current === beginning) return;
    shownBeginning.current = beginning;
    if (element.current !== null) element.current.scrollTop = 0;
  }, [beginning]);
  const count = Math.min(rows, Math.floor(MAX_HEIGHT / rowHeight));
  // Fewer rows than before: the browser has not scrolled back yet.
  const top = Math.max(0, Math.min(scrollTop, count * rowHeight - height));
  const first = Math.max(0, Math.floor(top / rowHeight) - MORE_ROWS);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + MORE_ROWS);
  return {
    element,
    onScroll: () => setScrollTop(element.current?.scrollTop ?? 0),
    scrollTop,
    width,
    height,
    first,
    last,
    count,
    top: Math.min(Math.max(0, count - 1), Math.ceil(top / rowHeight)),
  };
}
