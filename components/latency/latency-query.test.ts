import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketEnd, bucketLow, LAST_BUCKET } from '@/profile/latency/buckets';
import { LATENCY_SOURCES } from '@/profile/latency/sources';
import { ThreadState } from '@/profile/schema';
import { viewFromQuery } from '@/profile/view';
import {
  DEFAULT_LATENCY_VIEW,
  type LatencyView,
  latencyViewFrom,
  latencyViewText,
  stacksHref,
  waitsHref,
} from './latency-query';

const range = fc.option(
  fc
    .tuple(fc.nat(1e9), fc.integer({ min: 1, max: 1e9 }))
    .map(([startNs, length]) => ({ startNs, endNs: startNs + length })),
  { nil: undefined },
);
const text = fc.string({ unit: 'binary' });
const arbitraryView: fc.Arbitrary<LatencyView> = fc.record({
  source: fc.constantFrom(...LATENCY_SOURCES),
  label: fc.option(text, { nil: undefined }),
  windowSeconds: fc.constantFrom(60, 300, undefined),
  range,
  baseline: range,
  buckets: fc.option(
    fc
      .tuple(fc.nat(LAST_BUCKET), fc.nat(LAST_BUCKET))
      .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
    { nil: undefined },
  ),
  pids: fc.array(fc.nat(9_999_999)),
  containers: fc.array(fc.string({ unit: 'binary', minLength: 1 })),
  by: fc.constantFrom('process', 'cgroup'),
  zoom: fc.array(text),
  search: text,
  orientation: fc.constantFrom('icicle', 'flame'),
});

describe('a view of latencies', () => {
  it('comes back from the address as it went', () => {
    fc.assert(
      fc.property(arbitraryView, fc.option(text, { nil: undefined }), (view, session) => {
        expect(latencyViewFrom(latencyViewText(view, session))).toEqual(view);
      }),
    );
    expect(latencyViewText(DEFAULT_LATENCY_VIEW, undefined)).toBe('');
  });

  it('leads to the stacks of what is selected, and of nothing else', () => {
    const view: LatencyView = {
      ...DEFAULT_LATENCY_VIEW,
      source: 'fs',
      buckets: [40, 90],
      range: { startNs: 3, endNs: 9 },
      pids: [7],
      containers: ['docker:web'],
    };
    const href = stacksHref(view, 'ext4 fsync', 'a/b');
    const [path, query] = href.split('?');
    expect(path).toBe('/sessions/a%2Fb');
    expect(viewFromQuery(query)).toMatchObject({
      mode: 'latency',
      latency: { source: 'fs', label: 'ext4 fsync', buckets: [40, 90] },
      range: { startNs: 3, endNs: 9 },
      pids: [7],
      containers: ['docker:web'],
    });
    expect(waitsHref(view, undefined)).toBeUndefined();
    const waits = waitsHref({ ...view, source: 'runqueue' }, undefined) ?? '';
    expect(viewFromQuery(waits.slice(2))).toMatchObject({
      mode: 'off-cpu',
      containers: ['docker:web'],
      waits: { minNs: bucketLow(40), maxNs: bucketEnd(90) },
    });
    const states = (label: string | undefined) =>
      viewFromQuery((waitsHref({ ...view, source: 'waits', label }, undefined) ?? '').slice(2))
        .waits?.states;
    expect(states('pipe')).toEqual([ThreadState.Pipe]);
    expect(states(undefined)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
