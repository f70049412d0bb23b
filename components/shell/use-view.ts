'use client';

import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { LiveWindow } from '@/components/profile-worker/client';
import type { View } from '@/profile/view';
import { pageQueryFrom, pageQueryText } from './page-query';

/** Told by us; `popstate` tells of Back and Forward, `hashchange` of a link that was pasted over. */
const CHANGED = 'hearth:location';

export interface PageView {
  readonly view: View;
  readonly window: LiveWindow;
  /** `replace` for what changes with every key, else Back would go through each. */
  changeView(change: Partial<View>, how?: 'push' | 'replace'): void;
  changeWindow(window: LiveWindow): void;
}

/** The view that the page's address holds, and how to change it: the address is the only place where it lives. */
export function useView(): PageView {
  // One string, so that React can compare it.
  const where = useSyncExternalStore(subscribe, address, () => '\n');
  const { view, window: liveWindow } = useMemo(() => {
    const [search, hash] = where.split('\n');
    return pageQueryFrom(search, hash);
  }, [where]);

  const changeView = useCallback((change: Partial<View>, how: 'push' | 'replace' = 'push') => {
    // From the address, not from the last render: two changes may come before it.
    const query = pageQueryFrom(location.search, location.hash);
    go(pageQueryText({ ...query, view: { ...query.view, ...change } }), how);
  }, []);
  const changeWindow = useCallback((next: LiveWindow) => {
    const query = pageQueryFrom(location.search, location.hash);
    go(pageQueryText({ ...query, window: next }), 'push');
  }, []);

  return useMemo(
    () => ({ view, window: liveWindow, changeView, changeWindow }),
    [view, liveWindow, changeView, changeWindow],
  );
}

function address(): string {
  return `${location.search}\n${location.hash}`;
}

function subscribe(listener: () => void): () => void {
  for (const event of ['popstate', 'hashchange', CHANGED]) addEventListener(event, listener);
  return () => {
    for (const event of ['popstate', 'hashchange', CHANGED]) removeEventListener(event, listener);
  };
}

function go(query: string, how: 'push' | 'replace'): void {
  const url = location.pathname + query;
  if (url === location.pathname + location.search + location.hash) return;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  dispatchEvent(new Event(CHANGED));
}
