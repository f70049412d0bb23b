import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageQueryFrom } from '@/components/shell/page-query';
import { TIME_COLUMNS } from './columns';
import {
  DEFAULT_THREADS_VIEW,
  flameGraphPath,
  THREAD_WINDOWS,
  type ThreadsView,
  threadsViewFrom,
  threadsViewText,
} from './threads-view';

const views: fc.Arbitrary<ThreadsView> = fc.record({
  show: fc.constantFrom('ledger', 'timeline'),
  beside: fc.constantFrom('blocked', 'longest'),
  windowSeconds: fc.constantFrom(...THREAD_WINDOWS),
  range: fc.option(
    fc
      .tuple(fc.integer({ min: 0, max: 1e15 }), fc.integer({ min: 1, max: 1e12 }))
      .map(([startNs, length]) => ({ startNs, endNs: startNs + length })),
    { nil: undefined },
  ),
  pids: fc.array(fc.integer({ min: 1, max: 4e6 }), { maxLength: 3 }),
  containers: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
  search: fc.string(),
  sort: fc.constantFrom('thread', 'elapsed', 'residual', ...TIME_COLUMNS.map(({ key }) => key)),
  isGrouped: fc.boolean(),
});

describe('the view of threads', () => {
  it('comes back from the address as it was', () => {
    fc.assert(
      fc.property(views, fc.option(fc.uuid(), { nil: undefined }), (view, session) => {
        const text = threadsViewText(view, session);
        expect(threadsViewFrom(text)).toEqual(view);
        expect(new URLSearchParams(text).get('session') ?? undefined).toBe(session);
      }),
    );
    expect(threadsViewText(DEFAULT_THREADS_VIEW, undefined)).toBe('');
  });

  it('is the default where the address can’t be read', () => {
    const text = '?show=x&window=7&range=9-3&pid=a,-1&sort=names&group=all';
    expect(threadsViewFrom(text)).toEqual(DEFAULT_THREADS_VIEW);
  });

  it('leads to a thread’s flame graph, of a recording in the same range', () => {
    const thread = { pid: 7, tid: 8 };
    const range = { startNs: 5, endNs: 9 };
    const live = flameGraphPath(thread, 'wall', { range, windowSeconds: 60 }, undefined);
    const [path, query] = live.split('?');
    expect(path).toBe('/');
    expect(pageQueryFrom(query, '')).toMatchObject({
      view: { pids: [7], tids: [8], range: undefined, mode: 'wall' },
      window: 60,
    });
    const waits = flameGraphPath(thread, 'off-cpu', { range, windowSeconds: 60 }, undefined);
    expect(pageQueryFrom(waits.slice(2), '').window).toBe('all');
    const recorded = flameGraphPath(thread, 'off-cpu', { range, windowSeconds: 60 }, 'abc');
    expect(recorded).toMatch(/^\/sessions\/abc\?/);
    expect(pageQueryFrom(recorded.split('?')[1], '').view).toMatchObject({
      tids: [8],
      range,
      mode: 'off-cpu',
    });
  });
});
