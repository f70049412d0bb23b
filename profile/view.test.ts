import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAST_BUCKET } from './latency/buckets';
import { LATENCY_SOURCES } from './latency/sources';
import { DEFAULT_VIEW, PROFILE_MODES, type View, viewFromQuery, viewToQuery } from './view';

const text = fc.string({ unit: 'binary' });
const ids = fc.uniqueArray(fc.nat({ max: 0xffffffff }));
/** Of machines that have run for more than 104 days too: no safe integers. */
const times = fc.double({ min: 0, max: 1e17, noNaN: true }).map(Math.round);
const arbitraryView: fc.Arbitrary<View> = fc.record({
  pids: ids,
  tids: ids,
  containers: fc.array(text.filter((name) => name !== '')),
  range: fc.option(
    fc
      .tuple(times, times)
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => ({ startNs: Math.min(a, b), endNs: Math.max(a, b) })),
    { nil: undefined },
  ),
  search: text,
  zoom: fc.array(text),
  orientation: fc.constantFrom('icicle', 'flame'),
  mode: fc.constantFrom(...PROFILE_MODES),
  waits: fc.option(
    fc.record({
      states: fc.uniqueArray(fc.nat({ max: 10 })),
      minNs: fc.nat(),
      maxNs: fc.oneof(
        fc.integer({ min: 2 ** 31, max: 1e15 - 1 }),
        fc.constant(Number.POSITIVE_INFINITY),
      ),
    }),
    { nil: undefined },
  ),
  latency: fc.option(
    fc.record({
      source: fc.constantFrom(...LATENCY_SOURCES),
      label: fc.option(text, { nil: undefined }),
      buckets: fc.option(
        fc
          .tuple(fc.nat(LAST_BUCKET), fc.nat(LAST_BUCKET))
          .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
        { nil: undefined },
      ),
    }),
    { nil: undefined },
  ),
  sampleType: fc.option(
    text.filter((name) => name !== ''),
    { nil: undefined },
  ),
  names: fc.constantFrom('short', 'full'),
});

describe('a view in a link', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(arbitraryView, (view) => {
        expect(viewFromQuery(viewToQuery(view))).toEqual(view);
        expect(viewFromQuery(`?${viewToQuery(view)}`)).toEqual(view);
      }),
    );
  });

  it('is only what differs from the default, and its version', () => {
    expect(viewToQuery(DEFAULT_VIEW)).toBe('');
    expect(viewToQuery({ ...DEFAULT_VIEW, pids: [7, 9], zoom: ['node (7)', 'main'] })).toBe(
      'v=1&pid=7%2C9&zoom=node+%287%29&zoom=main',
    );
  });

  it('is the default where it can not be read', () => {
    fc.assert(fc.property(text, (query) => void viewFromQuery(query)));
    expect(viewFromQuery('')).toEqual(DEFAULT_VIEW);
    expect(viewFromQuery('pid=x,-1,99999999999&tid=&from=9&to=3&orientation=up')).toEqual(
      DEFAULT_VIEW,
    );
    expect(viewFromQuery('from=1e3&to=Infinity')).toEqual(DEFAULT_VIEW);
    expect(viewFromQuery('from=x&to=9')).toEqual(DEFAULT_VIEW);
    expect(viewFromQuery('v=2&pid=7')).toEqual(DEFAULT_VIEW);
    expect(viewFromQuery('source=nothing&buckets=4-2')).toEqual(DEFAULT_VIEW);
  });

  it('keeps what can be read beside what can not', () => {
    expect(viewFromQuery('#pid=7,x&from=1&to=zzz&search=foo')).toEqual({
      ...DEFAULT_VIEW,
      pids: [7],
      search: 'foo',
    });
  });
});
