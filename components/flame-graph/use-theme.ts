'use client';

/** The colours of the canvas, from the page's CSS variables, as of the present theme. */
import { useEffect, useState } from 'react';
import type { Scheme } from './color';

export interface CanvasTheme {
  readonly scheme: Scheme;
  readonly colors: {
    readonly background: string;
    readonly outline: string;
    readonly accent: string;
    readonly narrow: string;
  };
}

const DEFAULT: CanvasTheme = {
  scheme: 'light',
  colors: { background: '#ffffff', outline: '#1f1b18', accent: '#c2410c', narrow: '#d8d2ca' },
};

function read(): CanvasTheme {
  const root = document.documentElement;
  const chosen = root.dataset.theme;
  const isDark =
    chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  // light-dark() is resolved only in real properties, so an element is asked.
  const probe = document.createElement('span');
  document.body.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colors = {
    background: color('--surface'),
    outline: color('--text'),
    accent: color('--accent'),
    narrow: color('--border-strong'),
  };
  probe.remove();
  return { scheme: isDark ? 'dark' : 'light', colors };
}

export function useTheme(): CanvasTheme {
  const [theme, setTheme] = useState(DEFAULT);
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
