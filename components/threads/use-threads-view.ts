'use client';

import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { type ThreadsView, threadsViewFrom, threadsViewText } from './threads-view';

const CHANGED = 'hearth:threads-location';

export type ChangeThreadsView = (change: Partial<ThreadsView>, how?: 'push' | 'replace') => void;

/** The view that the page's address holds, and how to change it: 'replace' for what changes with every key. */
export function useThreadsView(
  session: string | undefined,
): readonly [ThreadsView, ChangeThreadsView] {
  const search = useSyncExternalStore(
    subscribe,
    () => location.search,
    () => '',
  );
  const view = useMemo(() => threadsViewFrom(search), [search]);
  const change = useCallback<ChangeThreadsView>(
    (part, how = 'push') => {
      // From the address, not from the last render: two changes may come before it.
      const next = { ...threadsViewFrom(location.search), ...part };
      const url = location.pathname + threadsViewText(next, session);
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
