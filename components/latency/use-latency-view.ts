'use client';

import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { type LatencyView, latencyViewFrom, latencyViewText } from './latency-query';

const CHANGED = 'hearth:latency-location';

/** The view that the page's address holds, and how to change it. */
export function useLatencyView(
  session: string | undefined,
): readonly [LatencyView, (change: Partial<LatencyView>) => void] {
  const search = useSyncExternalStore(
    subscribe,
    () => location.search,
    () => '',
  );
  const view = useMemo(() => latencyViewFrom(search), [search]);
  const change = useCallback(
    (part: Partial<LatencyView>) => {
      // From the address, not from the last render: two changes may come before it.
      const next = { ...latencyViewFrom(location.search), ...part };
      history.pushState(null, '', location.pathname + latencyViewText(next, session));
      dispatchEvent(new Event(CHANGED));
    },
    [session],
  );
  return [view, change];
}

function subscribe(listener: () => void): () => void {
  for (const event of ['popstate', CHANGED]) addEventListener(event, listener);
  return () => {
    for (const event of ['popstate', CHANGED]) removeEventListener(event, listener);
  };
}
