'use client';

/** The colours and the font of the canvas, from the page's CSS, as of the present theme. */
import { useEffect, useState } from 'react';
import type { Scheme } from './color';
import type { CanvasColors } from './draw';

export interface CanvasTheme {
  readonly scheme: Scheme;
  readonly colors: CanvasColors;
  /** As `CanvasRenderingContext2D.font` takes it. */
  readonly font: string;
}

/** undefined before the page is there. */
export function useTheme(): CanvasTheme | undefined {
  const [theme, setTheme] = useState<CanvasTheme>();
  useEffect(() => {
    const update = (): void => setTheme(read());
    update();
    const observer = new MutationObserver(update);
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', update);
    return () => {
      observer.disconnect();
      system.removeEventListener('change', update);
    };
  }, []);
  return theme;
}

function read(): CanvasTheme {
  const chosen = document.documentElement.dataset.theme;
  const isDark =
    chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  // light-dark() is resolved only in real properties, so an element is asked.
  const probe = document.createElement('span');
  document.body.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const theme: CanvasTheme = {
    scheme: isDark ? 'dark' : 'light',
    colors: {
      background: color('--surface'),
      dimText: color('--text-dim'),
      outline: color('--text'),
      accent: color('--accent'),
      narrow: color('--border-strong'),
    },
    font: `12px ${getComputedStyle(probe).fontFamily}`,
  };
  probe.remove();
  return theme;
}
