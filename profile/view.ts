/**
 * A view: what is looked at in a profile and how. A link holds it, so that whoever follows the link sees the same; all
 * that is shown is a function of (profile, view).
 */

import { LAST_BUCKET } from './latency/buckets';
import { isLatencySource, type LatencySource } from './latency/sources';

/** [startNs, endNs) in CLOCK_MONOTONIC nanoseconds. */
export interface TimeRange {
  readonly startNs: number;
  readonly endNs: number;
}

export type Orientation = 'icicle' | 'flame';

/** What weights are: time on a CPU, waiting, both, waiting by who ended it, or time in the events of a latency source. */
export const PROFILE_MODES = ['cpu', 'off-cpu', 'wall', 'off-wake', 'latency'] as const;
export type ProfileMode = (typeof PROFILE_MODES)[number];

/** Which events are shown in mode 'latency'. */
export interface LatencyFilter {
  readonly source: LatencySource;
  /** undefined: all. */
  readonly label: string | undefined;
  /** By their lengths, both included (latency/buckets.ts); undefined: all. */
  readonly buckets: readonly [first: number, last: number] | undefined;
}

/** Which waits are shown, in modes other than 'cpu'. */
export interface WaitFilter {
  /** Of ThreadState; empty: all. */
  readonly states: readonly number[];
  /** Lengths in ns, from `minNs` up to, but not including, `maxNs`. */
  readonly minNs: number;
  readonly maxNs: number;
}

export interface View {
  /** Only these processes; empty: all. */
  readonly pids: readonly number[];
  /** Only these threads; empty: all. */
  readonly tids: readonly number[];
  /** Only processes in these containers, or cgroups, as `groupOf` names them; empty: all. */
  readonly containers: readonly string[];
  /** undefined: everything there is. */
  readonly range: TimeRange | undefined;
  /** Substring, or /regular expression/; see search.ts. '' for none. */
  readonly search: string;
  /** The node that fills the width, as `pathOf` gives it (root's child first); empty: the root. */
  readonly zoom: readonly string[];
  readonly orientation: Orientation;
  readonly mode: ProfileMode;
  /** undefined: all waits. */
  readonly waits: WaitFilter | undefined;
  /** Of mode 'latency'; in other modes it means nothing. */
  readonly latency: LatencyFilter | undefined;
  /** Name of the sample type, such as 'cpu'; undefined: the profile's first. */
  readonly sampleType: string | undefined;
  /** Of functions; see short-name.ts. */
  readonly names: 'short' | 'full';
}

export const DEFAULT_VIEW: View = {
  pids: [],
  tids: [],
  containers: [],
  range: undefined,
  search: '',
  zoom: [],
  orientation: 'icicle',
  mode: 'cpu',
  waits: undefined,
  latency: undefined,
  sampleType: undefined,
  names: 'short',
};

/** Version of the text; readers of a later version upgrade older links. */
export const VIEW_VERSION = 1;

const MAX_ID = 0xffffffff;

/**
 * The view as the text of a query, without '?': only what differs from the default, '' for the default view. It can be
 * longer than the 16 kB that an HTTP request's head may have where a deep zoom is in it: behind '#' it has no limit.
 */
export function viewToQuery(view: View): string {
  const query = new URLSearchParams();
  if (view.pids.length > 0) query.set('pid', view.pids.join(','));
  if (view.tids.length > 0) query.set('tid', view.tids.join(','));
  for (const container of view.containers) query.append('container', container);
  if (view.range !== undefined) {
    query.set('from', String(view.range.startNs));
    query.set('to', String(view.range.endNs));
  }
  if (view.search !== '') query.set('search', view.search);
  for (const label of view.zoom) query.append('zoom', label);
  if (view.orientation !== DEFAULT_VIEW.orientation) query.set('orientation', view.orientation);
  if (view.mode !== DEFAULT_VIEW.mode) query.set('mode', view.mode);
  if (view.waits !== undefined) {
    const { states, minNs, maxNs } = view.waits;
    query.set('waits', `${minNs}-${maxNs === Number.POSITIVE_INFINITY ? '' : maxNs}`);
    if (states.length > 0) query.set('state', states.join(','));
  }
  if (view.latency !== undefined) {
    const { source, label, buckets } = view.latency;
    query.set('source', source);
    if (label !== undefined) query.set('label', label);
    if (buckets !== undefined) query.set('buckets', buckets.join('-'));
  }
  if (view.sampleType !== undefined) query.set('type', view.sampleType);
  if (view.names !== DEFAULT_VIEW.names) query.set('names', view.names);
  const text = query.toString();
  return text === '' ? '' : `v=${VIEW_VERSION}&${text}`;
}

/**
 * The view that a query's text (with or without '?' or '#') stands for. Never throws: what can't be read is as in
 * DEFAULT_VIEW, and so is everything in a text of a version that is not known here.
 */
export function viewFromQuery(text: string): View {
  const query = new URLSearchParams(text.replace(/^[?#]/, ''));
  const version = query.get('v');
  if (version !== null && version !== String(VIEW_VERSION)) return DEFAULT_VIEW;
  return {
    pids: ids(query.get('pid')),
    tids: ids(query.get('tid')),
    containers: query.getAll('container').filter((name) => name !== ''),
    range: timeRange(query.get('from'), query.get('to')),
    search: query.get('search') ?? '',
    zoom: query.getAll('zoom'),
    orientation: query.get('orientation') === 'flame' ? 'flame' : 'icicle',
    mode: PROFILE_MODES.find((mode) => mode === query.get('mode')) ?? DEFAULT_VIEW.mode,
    waits: waitFilter(query.get('waits'), query.get('state')),
    latency: latencyFilter(query.get('source'), query.get('label'), query.get('buckets')),
    sampleType: query.get('type') || undefined,
    names: query.get('names') === 'full' ? 'full' : 'short',
  };
}

function ids(text: string | null): number[] {
  const numbers = (text ?? '').split(',').filter((part) => /^\d{1,10}$/.test(part));
  return [...new Set(numbers.map(Number))].filter((id) => id <= MAX_ID);
}

function waitFilter(lengths: string | null, states: string | null): WaitFilter | undefined {
  const match = /^(\d{1,15})-(\d{0,15})$/.exec(lengths ?? '');
  if (match === null) return undefined;
  const minNs = Number(match[1]);
  const maxNs = match[2] === '' ? Number.POSITIVE_INFINITY : Number(match[2]);
  return minNs < maxNs ? { states: ids(states), minNs, maxNs } : undefined;
}

function latencyFilter(
  source: string | null,
  label: string | null,
  buckets: string | null,
): LatencyFilter | undefined {
  if (source === null || !isLatencySource(source)) return undefined;
  return { source, label: label ?? undefined, buckets: bucketRange(buckets) };
}

/** '12-40': buckets of a histogram, both included; undefined for anything else. */
export function bucketRange(text: string | null): readonly [number, number] | undefined {
  const match = /^(\d{1,4})-(\d{1,4})$/.exec(text ?? '');
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  return first <= last && last <= LAST_BUCKET ? [first, last] : undefined;
}

function timeRange(from: string | null, to: string | null): TimeRange | undefined {
  if (from === null || to === null || from === '' || to === '') return undefined;
  const [startNs, endNs] = [Number(from), Number(to)];
  return startNs >= 0 && startNs < endNs && endNs < Number.POSITIVE_INFINITY
    ? { startNs, endNs }
    : undefined;
}
