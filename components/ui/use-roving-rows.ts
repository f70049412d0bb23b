'use client';

import {
  type FocusEvent,
  type KeyboardEvent,
  type RefObject,
  useCallback,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { flushSync } from 'react-dom';
import type { VisibleRows } from './use-visible-rows';

export type RowKey = string | number;

/** Rows of a list, each with one control (a button, a link) that stands for it. */
export interface RovingRows {
  /** What scrolls. */
  readonly scroller: RefObject<HTMLElement | null>;
  readonly count: number;
  keyAt(index: number): RowKey;
  /** The rows that exist, and the first that is seen; left out where all do. */
  readonly seen?: Pick<VisibleRows, 'first' | 'last' | 'top' | 'onScroll'>;
}

/** Properties of a row's control. */
export interface RowControl {
  readonly 'data-row': RowKey;
  readonly tabIndex: 0 | -1;
  onFocus(event: FocusEvent<HTMLElement>): void;
  onBlur(): void;
  onKeyDown(event: KeyboardEvent<HTMLElement>): void;
}

/** Where a key leads from row `at` of `count`; undefined for keys that lead nowhere. `page`: rows that are seen at once. */
export function rowAfterKey(
  key: string,
  at: number,
  count: number,
  page: number,
): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowUp: -1,
    ArrowDown: 1,
    PageUp: -page,
    PageDown: page,
    Home: -count,
    End: count,
  };
  if (!Object.hasOwn(steps, key)) return undefined;
  return Math.max(0, Math.min(count - 1, at + steps[key]));
}

/**
 * One stop of the Tab key for all rows; arrow keys, Home, End, Page Up and Page Down move between them. A row that does
 * not exist, as it is not seen, is scrolled to first.
 */
export function useRovingRows(rows: RovingRows): (key: RowKey) => RowControl {
  const [visited, setVisited] = useState<string>();
  const isFocused = useRef(false);
  const newest = useRef(rows);
  newest.current = rows;

  const { first, last, top } = rows.seen ?? { first: 0, last: rows.count, top: 0 };
  let stop = rows.count === 0 ? undefined : String(rows.keyAt(top));
  for (let index = first; index < last; index++)
    if (String(rows.keyAt(index)) === visited) stop = visited;

  useLayoutEffect(() => {
    // The row that had the focus is seen no more; nobody is told of the loss.
    if (isFocused.current && document.activeElement === document.body && stop !== undefined)
      controlOf(newest.current, stop)?.focus({ preventScroll: true });
  });
  const onFocus = useCallback<RowControl['onFocus']>(({ currentTarget }) => {
    // After a click others are looked at: the focus is not handed on.
    isFocused.current = currentTarget.matches(':focus-visible');
    setVisited(currentTarget.dataset.row);
  }, []);
  const onBlur = useCallback((): void => {
    isFocused.current = false;
  }, []);
  const onKeyDown = useCallback<RowControl['onKeyDown']>((event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const { scroller, count, keyAt, seen } = newest.current;
    const element = scroller.current;
    const { currentTarget } = event;
    const at = indexOf(newest.current, currentTarget.dataset.row);
    if (element === null || at === -1) return;
    const { height } = (currentTarget.closest('tr, li') ?? currentTarget).getBoundingClientRect();
    const page = Math.max(1, Math.floor(element.clientHeight / height) - 1);
    const next = rowAfterKey(event.key, at, count, page);
    if (next === undefined) return;
    event.preventDefault();
    const key = String(keyAt(next));
    if (controlOf(newest.current, key) === undefined) {
      element.scrollTop += (next - at) * height;
      flushSync(() => {
        setVisited(key);
        seen?.onScroll();
      });
    }
    const control = controlOf(newest.current, key);
    control?.focus({ preventScroll: true });
    control?.scrollIntoView({ block: 'nearest' });
  }, []);

  return (key) => ({
    'data-row': key,
    tabIndex: String(key) === stop ? 0 : -1,
    onFocus,
    onBlur,
    onKeyDown,
  });
}

function indexOf({ count, keyAt }: RovingRows, key: string | undefined): number {
  for (let index = 0; index < count; index++) if (String(keyAt(index)) === key) return index;
  return -1;
}

function controlOf({ scroller }: RovingRows, key: string): HTMLElement | undefined {
  const selector = `[data-row="${CSS.escape(key)}"]`;
  return scroller.current?.querySelector<HTMLElement>(selector) ?? undefined;
}
