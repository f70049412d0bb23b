'use client';

import { type ReactNode, Suspense, useCallback, useEffect, useId, useRef, useState } from 'react';

export interface PopoverProps {
  /** The dialog's accessible name. */
  readonly label: string;
  /** The button's content. */
  readonly button: ReactNode;
  readonly buttonClass: string;
  readonly buttonLabel?: string;
  readonly buttonTitle?: string;
  /** May be loaded when it is shown. */
  readonly children: (close: () => void) => ReactNode;
}

const GAP = 6;
const MARGIN = 8;

/** A button that opens a small panel beside it, in the top layer: Escape and a click elsewhere close it. */
export function Popover(props: PopoverProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  const place = useCallback((): void => {
    if (button.current === null || panel.current === null) return;
    const from = button.current.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = panel.current;
    const left = Math.max(MARGIN, Math.min(from.left, window.innerWidth - width - MARGIN));
    const below = from.bottom + GAP;
    const fitsBelow = below + height <= window.innerHeight - MARGIN;
    panel.current.style.left = `${left}px`;
    panel.current.style.top = `${fitsBelow ? below : Math.max(MARGIN, from.top - GAP - height)}px`;
  }, []);

  // What is inside may grow while it is open, as live numbers do.
  useEffect(() => {
    if (!open || panel.current === null) return;
    const observer = new ResizeObserver(place);
    observer.observe(panel.current);
    addEventListener('resize', place);
    return () => {
      observer.disconnect();
      removeEventListener('resize', place);
    };
  }, [open, place]);

  return (
    <>
      <button
        ref={button}
        type="button"
        popoverTarget={id}
        aria-expanded={open}
        aria-haspopup="dialog"
        aria-label={props.buttonLabel}
        title={props.buttonTitle}
        className={props.buttonClass}
      >
        {props.button}
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={props.label}
        className="max-h-[min(680px,calc(100dvh-16px))] max-w-[calc(100vw-16px)] overflow-auto rounded-lg border border-line bg-surface p-3 text-ink shadow-(--shadow)"
        onToggle={(event) => {
          const isOpen = event.newState === 'open';
          setOpen(isOpen);
          // Its size is known only now that React has rendered what is inside.
          if (isOpen) requestAnimationFrame(place);
        }}
        onBeforeToggle={(event) => {
          if (event.newState === 'open') place();
        }}
      >
        {open ? <Suspense>{props.children(() => panel.current?.hidePopover())}</Suspense> : null}
      </div>
    </>
  );
}
