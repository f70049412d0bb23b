/** What the latency page's address holds: all that a link must reproduce. */
import { profilePath } from '@/components/shell/page-query';
import type { LatencyQuery } from '@/profile/latency/analysis';
import { bucketEnd, bucketLow, LAST_BUCKET } from '@/profile/latency/buckets';
import { isLatencySource, type LatencySource, waitStates } from '@/profile/latency/sources';
import { bucketRange, type Orientation, type TimeRange } from '@/profile/view';

/** Seconds up to now. */
export const LATENCY_WINDOWS = [60, 300, undefined] as const;

export interface LatencyView {
  readonly source: LatencySource;
  readonly label: string | undefined;
  /** Of the live page; undefined for all that is held. */
  readonly windowSeconds: number | undefined;
  readonly range: TimeRange | undefined;
  readonly baseline: TimeRange | undefined;
  readonly buckets: readonly [first: number, last: number] | undefined;
  readonly pids: readonly number[];
  /** Containers, or cgroups, as `groupOf` names them. */
  readonly containers: readonly string[];
  /** Whose events the table beside is of. */
  readonly by: 'process' | 'cgroup';
  /** Of the flame graph: what fills its width, what is searched for in it, and how it lies. */
  readonly zoom: readonly string[];
  readonly search: string;
  readonly orientation: Orientation;
}

export const DEFAULT_LATENCY_VIEW: LatencyView = {
  source: 'runqueue',
  label: undefined,
  windowSeconds: 60,
  range: undefined,
  baseline: undefined,
  buckets: undefined,
  pids: [],
  containers: [],
  by: 'process',
  zoom: [],
  search: '',
  orientation: 'icicle',
};

/** `search` as `location` has it. Never throws: what can't be read is as by default. */
export function latencyViewFrom(search: string): LatencyView {
  const query = new URLSearchParams(search);
  const source = query.get('source') ?? '';
  const window = query.get('window');
  return {
    source: isLatencySource(source) ? source : DEFAULT_LATENCY_VIEW.source,
    label: query.get('label') ?? undefined,
    windowSeconds: window === 'all' ? undefined : window === '300' ? 300 : 60,
    range: rangeFrom(query.get('range')),
    baseline: rangeFrom(query.get('baseline')),
    buckets: bucketRange(query.get('buckets')),
    pids: (query.get('pid') ?? '')
      .split(',')
      .filter((part) => /^\d{1,7}$/.test(part))
      .map(Number),
    containers: query.getAll('container').filter((name) => name !== ''),
    by: query.get('by') === 'cgroup' ? 'cgroup' : 'process',
    zoom: query.getAll('zoom'),
    search: query.get('search') ?? '',
    orientation: query.get('orientation') === 'flame' ? 'flame' : 'icicle',
  };
}

/** '' or '?...'; keeps `session`, which says whose latencies they are. */
export function latencyViewText(view: LatencyView, session: string | undefined): string {
  const query = new URLSearchParams();
  if (session !== undefined) query.set('session', session);
  if (view.source !== DEFAULT_LATENCY_VIEW.source) query.set('source', view.source);
  if (view.label !== undefined) query.set('label', view.label);
  if (view.windowSeconds !== DEFAULT_LATENCY_VIEW.windowSeconds)
    query.set('window', view.windowSeconds === undefined ? 'all' : String(view.windowSeconds));
  if (view.range !== undefined) query.set('range', `${view.range.startNs}-${view.range.endNs}`);
  if (view.baseline !== undefined)
    query.set('baseline', `${view.baseline.startNs}-${view.baseline.endNs}`);
  if (view.buckets !== undefined) query.set('buckets', view.buckets.join('-'));
  if (view.pids.length > 0) query.set('pid', view.pids.join(','));
  for (const name of view.containers) query.append('container', name);
  if (view.by !== DEFAULT_LATENCY_VIEW.by) query.set('by', view.by);
  for (const name of view.zoom) query.append('zoom', name);
  if (view.search !== '') query.set('search', view.search);
  if (view.orientation !== DEFAULT_LATENCY_VIEW.orientation)
    query.set('orientation', view.orientation);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** What is asked of the worker. A recording is shown as a whole. */
export function latencyQuery(view: LatencyView, isLive: boolean): LatencyQuery {
  const { source, label, windowSeconds, range, baseline, buckets, pids, containers } = view;
  return {
    source,
    label,
    windowSeconds: isLive ? windowSeconds : undefined,
    range,
    baseline,
    buckets,
    pids,
    containers,
  };
}

/** The page of latencies with this view. */
export function latencyHref(view: LatencyView, session: string | undefined): string {
  return `/latency${latencyViewText(view, session)}`;
}

/** The stacks of what is selected, `label` among it, in a page of their own. */
export function stacksHref(
  view: LatencyView,
  label: string | undefined,
  session: string | undefined,
): string {
  const { source, buckets, pids, containers, range, zoom, search, orientation } = view;
  return profilePath(session, {
    mode: 'latency',
    latency: { source, label, buckets },
    pids,
    containers,
    range,
    zoom,
    search,
    orientation,
  });
}

/** The waits of the selected lengths, as off-CPU profiling takes them; undefined where the source's events are none. */
export function waitsHref(view: LatencyView, session: string | undefined): string | undefined {
  const states = waitStates(view.source, view.label);
  if (states === undefined) return undefined;
  const [first, last] = view.buckets ?? [0, LAST_BUCKET];
  return profilePath(session, {
    mode: 'off-cpu',
    pids: view.pids,
    containers: view.containers,
    range: view.range,
    waits: {
      states,
      minNs: bucketLow(first),
      maxNs: last === LAST_BUCKET ? Number.POSITIVE_INFINITY : bucketEnd(last),
    },
  });
}

function numbersFrom(text: string | null): readonly [number, number] | undefined {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function rangeFrom(text: string | null): TimeRange | undefined {
  const numbers = numbersFrom(text);
  if (numbers === undefined || numbers[0] >= numbers[1]) return undefined;
  return { startNs: numbers[0], endNs: numbers[1] };
}
