import { describe, expect, it } from 'vitest';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import { ThreadState } from '@/profile/schema';
import { THREAD_STATES } from '@/profile/thread-ledger';
import { NO_THREADS, ThreadAnalysis } from './thread-analysis';

function recorded(): TestProfile {
  const test = new TestProfile()
    .addTimes(1e9, 1, { Running: 1e9 })
    .addTimes(2e9, 1, { Sleep: 1e9 })
    .addTimes(2e9, 2, { Lock: 2e9 });
  test.profile.header = { ...HEADER, sequence: 0, endNs: 2e9 };
  return test;
}

describe('the analysis of threads', () => {
  it('answers what is new, and nothing twice', () => {
    const { profile } = recorded();
    const analysis = new ThreadAnalysis();
    const first = analysis.update(profile, NO_THREADS, 0);
    expect(first?.list?.length).toBe(2);
    expect(analysis.update(profile, NO_THREADS, 0)).toBeUndefined();

    const shown = [first?.list?.thread[0] as number];
    const second = analysis.update(profile, { ...NO_THREADS, shown }, 0);
    expect(second?.list).toBeUndefined();
    expect(second?.slices?.shown).toEqual(shown);
    expect([...(second?.slices?.startNs ?? [])]).toEqual([0, 1e9]);

    const open = [{ pid: 1, tid: 1, kernelStack: ['futex_wait'] }];
    const third = analysis.update(profile, { ...NO_THREADS, shown, open }, 0);
    expect(third?.slices).toBeUndefined();
    expect(third?.wakers).toEqual({ open, probable: [undefined] });
  });

  it('is of the last seconds, of a range, or of all that is held', () => {
    const { profile } = recorded();
    const sums = (query: Partial<typeof NO_THREADS>, heldFromNs = 0): number[] => {
      const list = new ThreadAnalysis().update(
        profile,
        { ...NO_THREADS, ...query },
        heldFromNs,
      )?.list;
      return Array.from({ length: list?.length ?? 0 }, (_, entry) =>
        (list as NonNullable<typeof list>).ns
          .subarray(entry * THREAD_STATES, (entry + 1) * THREAD_STATES)
          .reduce((sum, ns) => sum + ns, 0),
      );
    };
    expect(sums({})).toEqual([2e9, 2e9]);
    expect(sums({ windowSeconds: 0.5 })).toEqual([0.5e9, 0.5e9]);
    expect(sums({ windowSeconds: 60 }, 1.5e9)).toEqual([0.5e9, 0.5e9]);
    expect(sums({ range: { startNs: 0.5e9, endNs: 1e9 } })).toEqual([0.5e9, 0.5e9]);
    expect(sums({ range: { startNs: 5e9, endNs: 6e9 } })).toEqual([]);
  });

  it('has the names and numbers of each', () => {
    const list = new ThreadAnalysis().update(recorded().profile, NO_THREADS, 0)?.list;
    if (list === undefined) throw new Error('no list');
    expect([...list.tid]).toEqual([1, 2]);
    expect([...list.pid]).toEqual([1, 1]);
    expect([...list.name].map((name) => list.names[name])).toEqual(['prog/1', 'prog/2']);
    expect(list.names[list.process[1]]).toBe('prog');
    expect(list.ns[THREAD_STATES + ThreadState.Lock]).toBe(2e9);
    expect(list.wallOffsetNs).toBe(HEADER.wallOffsetNs);
  });
});
