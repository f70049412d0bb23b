'use client';

import { type RefObject, useLayoutEffect, useState } from 'react';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size of an element in CSS pixels, as it is now; 0 before it is there. */
export function useSize(element: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    const resize = (width: number, height: number): void =>
      setSize((size) =>
        size.width === width && size.height === height ? size : { width, height },
      );
    // Of the first picture; what the observer says comes after it.
    resize(current.clientWidth, current.clientHeight);
    const observer = new ResizeObserver(([{ contentRect }]) =>
      resize(Math.floor(contentRect.width), Math.floor(contentRect.height)),
    );
    observer.observe(current);
    return () => observer.disconnect();
  }, [element]);
  return size;
}

/** The canvas's context, scaled to the screen's pixels and empty. */
export function preparedContext(
  canvas: HTMLCanvasElement,
  { width, height }: Size,
): CanvasRenderingContext2D | undefined {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d') ?? undefined;
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
