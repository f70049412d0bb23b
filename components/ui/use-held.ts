'use client';

import { type FocusEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** For the element that holds the rows. */
export interface HoldHandlers {
  onPointerMove(): void;
  onPointerLeave(): void;
  onFocus(event: FocusEvent): void;
  onBlur(event: FocusEvent): void;
}

/** A pointer that has not moved for so long, in ms, lies where it was left. */
const RESTS_MS = 15_000;

/** Whether rows stay in their places: the pointer moves over them, or the keyboard's focus is within. */
export function useHeld(): readonly [isHeld: boolean, handlers: HoldHandlers] {
  const [isOver, setIsOver] = useState(false);
  const [isFocused, setIsFocused] = useState(false);
  const rest = useRef<number>(undefined);
  const [handlers] = useState<HoldHandlers>(() => ({
    // Not when it enters: rows that move below a pointer that rests are entered, too.
    onPointerMove: () => {
      clearTimeout(rest.current);
      rest.current = window.setTimeout(() => setIsOver(false), RESTS_MS);
      setIsOver(true);
    },
    onPointerLeave: () => setIsOver(false),
    onFocus: ({ target }) => setIsFocused(target.matches(':focus-visible')),
    onBlur: ({ currentTarget, relatedTarget }) => {
      if (!currentTarget.contains(relatedTarget)) setIsFocused(false);
    },
  }));
  useEffect(() => () => clearTimeout(rest.current), []);
  useLayoutEffect(() => {
    // What had the focus is gone; nobody is told of the loss.
    if (isFocused && document.activeElement === document.body) setIsFocused(false);
  });
  return [isOver || isFocused, handlers];
}
