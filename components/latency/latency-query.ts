/** What the latency page's address holds: all that a link must reproduce. */
import type { LatencyQuery } from '@/profile/latency/analysis';
import { bucketEnd, bucketLow, LAST_BUCKET } from '@/profile/latency/buckets';
import { isLatencySource, type LatencySource } from '@/profile/latency/sources';
import { ThreadState } from '@/profile/schema';
import { DEFAULT_VIEW, type TimeRange, viewToQuery } from '@/profile/view';

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
}

export const DEFAULT_LATENCY_VIEW: LatencyView = {
  source: 'runqueue',
  label: undefined,
  windowSeconds: 60,
  range: undefined,
  baseline: undefined,
  buckets: undefined,
  pids: [],
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
    buckets: bucketsFrom(query.get('buckets')),
    pids: (query.get('pid') ?? '')
      .split(',')
      .filter((part) => /^\d{1,7}$/.test(part))
      .map(Number),
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
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** What is asked of the worker. A recording is shown as a whole. */
export function latencyQuery(view: LatencyView, isLive: boolean): LatencyQuery {
  return isLive ? view : { ...view, windowSeconds: undefined };
}

/**
 * Sources whose events off-CPU profiling takes, too, with their stacks: the states that its waits are in.
 */
const WAIT_STATES: Readonly<Partial<Record<LatencySource, readonly number[]>>> = {
  runqueue: [ThreadState.Runnable, ThreadState.Throttled],
  futex: [ThreadState.Lock],
};

/** Where the stacks of what is selected are to be seen; undefined where its source has none. */
export function stacksHref(view: LatencyView, session: string | undefined): string | undefined {
  const states = WAIT_STATES[view.source];
  if (states === undefined) return undefined;
  const [first, last] = view.buckets ?? [0, LAST_BUCKET];
  const query = viewToQuery({
    ...DEFAULT_VIEW,
    mode: 'off-cpu',
    pids: view.pids,
    range: view.range,
    waits: {
      states,
      minNs: bucketLow(first),
      maxNs: last === LAST_BUCKET ? Number.POSITIVE_INFINITY : bucketEnd(last),
    },
  });
  return `${session === undefined ? '/' : `/sessions/${encodeURIComponent(session)}`}#${query}`;
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

function bucketsFrom(text: string | null): readonly [number, number] | undefined {
  const numbers = numbersFrom(text);
  return numbers === undefined || numbers[0] > numbers[1] || numbers[1] > LAST_BUCKET
    ? undefined
    : numbers;
}
