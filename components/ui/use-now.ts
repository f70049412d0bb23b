'use client';

import { useEffect, useRef, useState } from 'react';

/** The time in ms, again every `everyMs`; stands still while `everyMs` is undefined. */
export function useNow(everyMs: number | undefined): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (everyMs === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** When `value` came to be what it is, in ms. */
export function useTimeOf(value: unknown): number {
  const last = useRef({ value, timeMs: Date.now() });
  if (last.current.value !== value) last.current = { value, timeMs: Date.now() };
  return last.current.timeMs;
}
