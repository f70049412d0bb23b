import { describe, expect, it } from 'vitest';
import type { ProfileState } from '@/components/profile-worker/client';
import { secondsBehind } from './behind';

/** A page that has taken in what happened until 10 s after the start, when the agent last told of itself so long after it. */
const page = (toldS: number, change: Partial<ProfileState> = {}): ProfileState =>
  ({
    phase: 'ready',
    connection: 'connected',
    paused: false,
    status: { collector: { timeMs: 1e12 + toldS * 1e3 } },
    takenUntilMs: 1e12 + 10e3,
    ...change,
  }) as ProfileState;

describe('how far a live page is behind', () => {
  it('is told from three seconds on', () => {
    expect([9, 10.4, 12.9, 13.1, 40].map((s) => secondsBehind(page(s)))).toEqual([0, 0, 0, 3, 30]);
  });

  it('is nothing where it is to show something else than the present', () => {
    expect(secondsBehind(page(40, { paused: true }))).toBe(0);
    expect(secondsBehind(page(40, { connection: 'disconnected' }))).toBe(0);
    expect(secondsBehind({ phase: 'loading', connection: 'connected', paused: false })).toBe(0);
  });
});
