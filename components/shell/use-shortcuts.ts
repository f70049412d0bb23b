'use client';

import { useEffect, useRef } from 'react';

/** By `KeyboardEvent.key` in lower case. A handler that returns false leaves the key to others. */
export type Shortcuts = Readonly<Record<string, () => boolean | undefined>>;

/**
 * Keys for the whole page: not while someone types or a dialog is open. Space is left to a control that was reached by
 * the keyboard; after a click with the mouse it is the page's.
 */
export function useShortcuts(shortcuts: Shortcuts): void {
  const newest = useRef(shortcuts);
  newest.current = shortcuts;
  useEffect(() => {
    // Not :focus-visible: a key that is pressed after a click makes that true.
    let focusedByKeyboard = false;
    const onPointerDown = (): void => {
      focusedByKeyboard = false;
    };
    const onKeyDown = (event: KeyboardEvent): void => {
      // Lists move the focus by keys that they take for themselves.
      if (event.key === 'Tab' || event.defaultPrevented) focusedByKeyboard = true;
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector('dialog[open]') !== null) return;
      if (event.key === ' ' && focusedByKeyboard && isPressedBySpace(event.target)) return;
      // A popover closes by Escape itself.
      if (event.key === 'Escape' && document.querySelector(':popover-open') !== null) return;
      const handler = newest.current[event.key.toLowerCase()];
      if (handler === undefined || handler() === false) return;
      event.preventDefault();
    };
    addEventListener('pointerdown', onPointerDown, true);
    addEventListener('keydown', onKeyDown);
    return () => {
      removeEventListener('pointerdown', onPointerDown, true);
      removeEventListener('keydown', onKeyDown);
    };
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches('textarea, select')) return true;
  return (
    target instanceof HTMLInputElement && target.type !== 'radio' && target.type !== 'checkbox'
  );
}

/** Whether Space does something to the control by itself. */
function isPressedBySpace(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement && target.type === 'radio') return !target.checked;
  return target instanceof HTMLElement && target.matches('button, summary, input');
}
