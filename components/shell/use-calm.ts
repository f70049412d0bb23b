'use client';

import { useEffect, useState } from 'react';
import { CalmPace } from './calm-pace';

/** For the next update, which is drawn in any case: a picture of its own costs as much again. */
const WAIT_MS = 350;

/** `newest`, but while `isCalm` at most once a second, except after a change of `key`: see CalmPace. */
export function useCalm<T>(newest: T, key: readonly unknown[], isCalm: boolean): T {
  const [pace] = useState(() => new CalmPace<T>());
  const [, showAgain] = useState(0);
  const shown = pace.show(newest, key, isCalm, performance.now());
  const isBehind = shown !== newest;
  useEffect(() => {
    if (!isBehind) return;
    const dueInMs = pace.dueInMs(performance.now());
    const timer = setTimeout(() => showAgain((n) => n + 1), dueInMs + WAIT_MS);
    return () => clearTimeout(timer);
  }, [pace, isBehind]);
  return shown;
}
