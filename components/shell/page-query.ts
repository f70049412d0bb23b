/** The query of a page that shows a profile: its view, and on the live page the window. */
import type { LiveWindow } from '@/components/profile-worker/client';
import { DEFAULT_VIEW, type View, viewFromQuery, viewToQuery } from '@/profile/view';

export interface PageQuery {
  readonly view: View;
  /** Of the live page. */
  readonly window: LiveWindow;
}

export const DEFAULT_WINDOW: LiveWindow = 15;

/**
 * Above this the query goes behind '#', where it stays in the browser: a request's head may have 16 kB, cookies and all,
 * and a zoom is a path of function names, some of which are long.
 */
const MAX_QUERY = 6000;

export function windowFromText(text: string | null): LiveWindow {
  switch (text) {
    case '5':
      return 5;
    case '60':
      return 60;
    case 'all':
      return 'all';
    default:
      return DEFAULT_WINDOW;
  }
}

/** `search` and `hash` as `location` has them. Never throws. */
export function pageQueryFrom(search: string, hash: string): PageQuery {
  const text = hash.length > 1 ? hash.slice(1) : search;
  return {
    view: viewFromQuery(text),
    window: windowFromText(new URLSearchParams(text).get('window')),
  };
}

/** What follows the path: '', '?...' or '#...'. */
export function pageQueryText({ view, window }: PageQuery): string {
  const parts = [viewToQuery(view)];
  if (window !== DEFAULT_WINDOW) parts.push(`window=${window}`);
  const text = parts.filter((part) => part !== '').join('&');
  if (text === '') return '';
  return text.length > MAX_QUERY ? `#${text}` : `?${text}`;
}

/** The address of the flame graph of a recording, or of the live one, with this view of it. */
export function profilePath(
  session: string | undefined,
  view: Partial<View> = {},
  window: LiveWindow = DEFAULT_WINDOW,
): string {
  const path = session === undefined ? '/' : `/sessions/${encodeURIComponent(session)}`;
  return path + pageQueryText({ view: { ...DEFAULT_VIEW, ...view }, window });
}
