'use client';

import { type FocusEvent, useLayoutEffect, useState } from 'react';

/** For the element that holds the rows. */
export interface HoldHandlers {
  onPointerOver(): void;
  onPointerLeave(): void;
  onFocus(event: FocusEvent): void;
  onBlur(event: FocusEvent): void;
}

/** Whether rows stay in their places: the pointer is over them, or the keyboard's focus within. */
export function useHeld(): readonly [isHeld: boolean, handlers: HoldHandlers] {
  const [isOver, setIsOver] = useState(false);
  const [isFocused, setIsFocused] = useState(false);
  const [handlers] = useState<HoldHandlers>(() => ({
    // At each row, for where the one below the pointer is replaced, the pointer seems to have left, and enters no more.
    onPointerOver: () => setIsOver(true),
    onPointerLeave: () => setIsOver(false),
    onFocus: ({ target }) => setIsFocused(target.matches(':focus-visible')),
    onBlur: ({ currentTarget, relatedTarget }) => {
      if (!currentTarget.contains(relatedTarget)) setIsFocused(false);
    },
  }));
  useLayoutEffect(() => {
    // What had the focus is gone; nobody is told of the loss.
    if (isFocused && document.activeElement === document.body) setIsFocused(false);
  });
  return [isOver || isFocused, handlers];
}
