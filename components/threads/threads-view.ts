/** What the address of the page of threads holds: all that a link must reproduce. */
import { profilePath } from '@/components/shell/page-query';
import type { TimeRange } from '@/profile/view';
import { isSortColumn, type SortColumn } from './columns';

/** Seconds up to now. */
export const THREAD_WINDOWS = [60, 300, undefined] as const;

export interface ThreadsView {
  readonly show: 'ledger' | 'timeline';
  /** What is beside them; in a recording nobody is blocked now. */
  readonly beside: 'blocked' | 'longest';
  /** Of the live page; undefined for all that is held. */
  readonly windowSeconds: number | undefined;
  readonly range: TimeRange | undefined;
  readonly pids: readonly number[];
  /** Containers, or cgroups, as `groupOf` names them; empty: all. */
  readonly containers: readonly string[];
  readonly search: string;
  readonly sort: SortColumn;
  readonly isGrouped: boolean;
}

export interface ThreadId {
  readonly pid: number;
  readonly tid: number;
}

export const DEFAULT_THREADS_VIEW: ThreadsView = {
  show: 'ledger',
  beside: 'blocked',
  windowSeconds: 60,
  range: undefined,
  pids: [],
  containers: [],
  search: '',
  sort: 'cpu',
  isGrouped: true,
};

/** `search` as `location` has it. Never throws: what can't be read is as by default. */
export function threadsViewFrom(search: string): ThreadsView {
  const query = new URLSearchParams(search);
  const window = query.get('window');
  const sort = query.get('sort') ?? '';
  return {
    show: query.get('show') === 'timeline' ? 'timeline' : 'ledger',
    beside: query.get('beside') === 'longest' ? 'longest' : 'blocked',
    windowSeconds: window === 'all' ? undefined : window === '300' ? 300 : 60,
    range: rangeFrom(query.get('range')),
    pids: (query.get('pid') ?? '')
      .split(',')
      .filter((part) => /^\d{1,10}$/.test(part))
      .map(Number),
    containers: query.getAll('container').filter((name) => name !== ''),
    search: query.get('search') ?? '',
    sort: isSortColumn(sort) ? sort : DEFAULT_THREADS_VIEW.sort,
    isGrouped: query.get('group') !== 'none',
  };
}

/** '' or '?...'; keeps `session`, which says whose threads they are. */
export function threadsViewText(view: ThreadsView, session: string | undefined): string {
  const query = new URLSearchParams();
  if (session !== undefined) query.set('session', session);
  if (view.show !== DEFAULT_THREADS_VIEW.show) query.set('show', view.show);
  if (view.beside !== DEFAULT_THREADS_VIEW.beside) query.set('beside', view.beside);
  if (view.windowSeconds !== DEFAULT_THREADS_VIEW.windowSeconds)
    query.set('window', view.windowSeconds === undefined ? 'all' : String(view.windowSeconds));
  if (view.range !== undefined) query.set('range', `${view.range.startNs}-${view.range.endNs}`);
  if (view.pids.length > 0) query.set('pid', view.pids.join(','));
  for (const container of view.containers) query.append('container', container);
  if (view.search !== '') query.set('search', view.search);
  if (view.sort !== DEFAULT_THREADS_VIEW.sort) query.set('sort', view.sort);
  if (!view.isGrouped) query.set('group', 'none');
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/**
 * The flame graph of all that a thread did ('wall'), or of its waits: of a recording in the same range, of the live page over
 * as much time; of waits over all that is held, for one that goes on may be the first for long.
 */
export function flameGraphPath(
  { pid, tid }: ThreadId,
  mode: 'wall' | 'off-cpu',
  { range, windowSeconds }: Pick<ThreadsView, 'range' | 'windowSeconds'>,
  session: string | undefined,
): string {
  const view = { pids: [pid], tids: [tid], mode };
  if (session !== undefined) return profilePath(session, { ...view, range });
  return profilePath(undefined, view, mode === 'wall' && windowSeconds === 60 ? 60 : 'all');
}

/** The page of threads with this view. */
export function threadsHref(view: ThreadsView, session: string | undefined): string {
  return `/threads${threadsViewText(view, session)}`;
}

function rangeFrom(text: string | null): TimeRange | undefined {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text ?? '');
  if (match === null) return undefined;
  const [startNs, endNs] = [Number(match[1]), Number(match[2])];
  return startNs < endNs ? { startNs, endNs } : undefined;
}
