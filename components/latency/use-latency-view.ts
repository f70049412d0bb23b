'use client';

import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { type LatencyView, latencyViewFrom, latencyViewText } from './latency-query';

const CHANGED = 'hearth:latency-location';

/** `replace` for what changes with every key, else Back would go through each. */
export type ChangeLatencyView = (change: Partial<LatencyView>, how?: 'push' | 'replace') => void;

/** The view that the page's address holds, and how to change it. */
export function useLatencyView(
  session: string | undefined,
): readonly [LatencyView, ChangeLatencyView] {
  const search = useSyncExternalStore(
    subscribe,
    () => location.search,
    () => '',
  );
  const view = useMemo(() => latencyViewFrom(search), [search]);
  const change = useCallback<ChangeLatencyView>(
    (part, how = 'push') => {
      // From the address, not from the last render: two changes may come before it.
      const next = { ...latencyViewFrom(location.search), ...part };
      const url = location.pathname + latencyViewText(next, session);
      if (how === 'push') history.pushState(null, '', url);
      else history.replaceState(null, '', url);
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
