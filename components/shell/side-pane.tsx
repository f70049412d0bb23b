'use client';

import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useState } from 'react';

const MIN_WIDTH = 160;
const MAX_WIDTH = 720;
const KEY_STEP = 16;

/** A pane at the side whose width can be dragged; it is kept for the next visit. */
export function SidePane({
  side,
  label,
  name,
  width: firstWidth,
  className,
  children,
}: {
  readonly side: 'left' | 'right';
  /** The handle's name. */
  readonly label: string;
  /** The width is kept under this name. */
  readonly name: string;
  readonly width: number;
  readonly className: string;
  readonly children: ReactNode;
}) {
  const [width, setWidth] = useState(firstWidth);
  const key = `hearth-width-${name}`;
  useEffect(() => {
    const kept = Number(localStorage.getItem(key));
    if (kept >= MIN_WIDTH && kept <= MAX_WIDTH) setWidth(kept);
  }, [key]);

  const change = (wanted: number): void => {
    const next = Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, wanted)));
    setWidth(next);
    localStorage.setItem(key, String(next));
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box === undefined) return;
    change(side === 'left' ? event.clientX - box.left : box.right - event.clientX);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    change(width + ((event.key === 'ArrowRight') === (side === 'left') ? KEY_STEP : -KEY_STEP));
  };

  return (
    <div
      className={`relative min-h-0 shrink-0 flex-col border-line bg-surface ${side === 'left' ? 'md:border-r' : 'xl:border-l'} ${className}`}
      style={{ width }}
    >
      <div className="flex min-h-0 flex-1 flex-col overflow-hidden">{children}</div>
      <hr
        aria-orientation="vertical"
        aria-label={label}
        aria-valuemin={MIN_WIDTH}
        aria-valuemax={MAX_WIDTH}
        aria-valuenow={width}
        tabIndex={0}
        title="Drag to resize; double-click to reset"
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onDoubleClick={() => change(firstWidth)}
        onKeyDown={onKeyDown}
        className={`absolute inset-y-0 z-10 hidden h-auto w-1.5 border-0 cursor-col-resize touch-none hover:bg-accent/30 active:bg-accent/40 ${side === 'left' ? '-right-1 md:block' : '-left-1 xl:block'}`}
      />
    </div>
  );
}
