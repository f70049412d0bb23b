import { describe, expect, it } from 'vitest';
import { applyChunk, type Chunk, decodeChunk, encodeChunk } from '@/profile/chunk';
import { Profile } from '@/profile/profile';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import { NONE } from '@/profile/schema';
import { LiveRing, type RingBounds, type RingUpdate } from './live-ring';
import { LiveSource } from './live-source';

const BOUNDS: RingBounds = {
  seconds: 10,
  samples: 1000,
  latencies: 1000,
  compactFrom: 100_000,
  tables: 200_000,
};

/** An agent that sends a chunk a second, a ring, and a viewer that does what the protocol says. */
class Live {
  readonly source = new LiveSource();
  readonly updates: RingUpdate[] = [];
  readonly ring: LiveRing;
  agent = new TestProfile();
  viewer = new Profile();
  second = 0;
  viewed = 0;

  constructor(bounds: Partial<RingBounds> = {}) {
    this.ring = new LiveRing(
      (update) => {
        this.updates.push(update);
        if (update.kind === 'restart') this.subscribe();
        else if (this.viewed > 0) applyChunk(this.viewer, decodeChunk(encodeChunk(update.chunk)));
      },
      { ...BOUNDS, ...bounds },
    );
    this.source.add(this.ring);
  }

  addLatency(bucket: number): void {
    const { builder } = this.agent;
    builder.latency({
      timeNs: this.second * 1e9,
      source: builder.string('syscalls'),
      label: builder.string('read'),
      process: NONE,
      bucket,
      count: 1,
      sum: 1,
      oneIn: 1,
    });
  }

  /** One chunk with a sample of each stack. */
  push(...stacks: string[][]): Chunk {
    for (const stack of stacks) this.agent.add({ stack, timeNs: this.second * 1e9 });
    return this.cut();
  }

  cut(): Chunk {
    const header = { ...HEADER, startNs: this.second * 1e9, endNs: (this.second + 1) * 1e9 };
    this.second++;
    const chunk = this.agent.builder.cutChunk(header, []);
    this.source.push(encodeChunk(chunk));
    return chunk;
  }

  subscribe(): void {
    this.viewed++;
    this.viewer = new Profile();
    applyChunk(this.viewer, this.snapshot());
  }

  snapshot(): Chunk {
    const bytes = this.ring.snapshot();
    if (bytes === undefined) throw new Error('nothing yet');
    return decodeChunk(bytes);
  }
}

/** Its samples' stacks as text, root first. */
function stacksOf(profile: Profile): string[] {
  const { stack, timeNs } = profile.samples.columns;
  const { parent, frame } = profile.stacks.columns;
  return Array.from({ length: profile.samples.length }, (_, sample) => {
    const names: string[] = [];
    for (let at = stack[sample]; at !== NONE; at = parent[at])
      names.unshift(profile.string(profile.frames.columns.functionName[frame[at]]));
    return `${timeNs[sample] / 1e9}:${names.join(';')}`;
  });
}

describe('the live ring', () => {
  it('has no snapshot before the first chunk', () => {
    expect(new Live().ring.snapshot()).toBeUndefined();
  });

  it('shows a viewer who comes late the same as one who has been there', () => {
    const live = new Live();
    live.push(['main', 'a'], ['main', 'b']);
    live.subscribe();
    live.push(['main', 'a', 'c']);
    live.push();
    live.push(['main', 'b'], ['other']);
    const early = stacksOf(live.viewer);
    live.subscribe();
    expect(stacksOf(live.viewer)).toEqual(early);
    expect(early).toEqual(['0:main;a', '0:main;b', '1:main;a;c', '3:main;b', '3:other']);
  });

  it('makes a snapshot once, until something new comes', () => {
    const live = new Live();
    live.push(['a']);
    expect(live.ring.snapshot()).toBe(live.ring.snapshot());
    const before = live.ring.snapshot();
    live.push(['a']);
    expect(live.ring.snapshot()).not.toBe(before);
  });

  it('passes names on that come late', () => {
    const live = new Live();
    live.push(['main', '?@lib#10']);
    live.subscribe();
    live.agent.rename('?@lib#10', 'found');
    live.push();
    expect(stacksOf(live.viewer)).toEqual(['0:main;found']);
    live.subscribe();
    expect(stacksOf(live.viewer)).toEqual(['0:main;found']);
  });

  it('outlives the agent: viewers notice nothing when its stream starts over', () => {
    const live = new Live();
    live.push(['main', 'a'], ['main', 'b']);
    live.subscribe();
    live.agent = new TestProfile();
    live.push(['other'], ['main', 'b']);
    expect(stacksOf(live.viewer)).toEqual(['0:main;a', '0:main;b', '1:other', '1:main;b']);
    expect(live.updates.map(({ kind }) => kind)).toEqual(['chunk', 'chunk']);
    // The stacks are known already.
    expect(live.viewer.stacks.length).toBe(4);
  });

  it('forgets what is older than its window', () => {
    const live = new Live({ seconds: 3 });
    for (let second = 0; second < 10; second++) live.push(['a']);
    live.subscribe();
    expect(stacksOf(live.viewer)).toEqual(['6:a', '7:a', '8:a', '9:a']);
    expect(live.viewer.startNs).toBe(6e9);
  });

  it('forgets the oldest where there are too many', () => {
    const live = new Live({ samples: 5 });
    for (let second = 0; second < 10; second++) live.push(['a'], ['b']);
    live.subscribe();
    expect(stacksOf(live.viewer)).toEqual(['8:a', '8:b', '9:a', '9:b']);
  });

  it('forgets the oldest latencies where there are too many, and no sample for them', () => {
    const live = new Live({ seconds: 100, samples: 20, latencies: 250 });
    const startsOf = (profile: Profile): number[] => {
      const { length, columns } = profile.latencies;
      return [...new Set(columns.timeNs.subarray(0, length))].map((timeNs) => timeNs / 1e9);
    };
    for (let second = 0; second < 10; second++) {
      for (let bucket = 0; bucket < 100; bucket++) live.addLatency(bucket);
      live.push(['a']);
    }
    live.subscribe();
    expect(startsOf(live.viewer)).toEqual([8, 9]);
    expect(live.viewer.latencies.length).toBe(200);
    expect(stacksOf(live.viewer)).toHaveLength(10);
    // The newest are kept even where they alone are too many.
    for (let bucket = 0; bucket < 300; bucket++) live.addLatency(bucket);
    live.push();
    live.subscribe();
    expect(startsOf(live.viewer)).toEqual([10]);
    // What is forgotten is no longer counted: there is room for as many again.
    for (let second = 0; second < 2; second++) {
      for (let bucket = 0; bucket < 100; bucket++) live.addLatency(bucket);
      live.push();
    }
    live.subscribe();
    expect(startsOf(live.viewer)).toEqual([11, 12]);
    expect(stacksOf(live.viewer)).toHaveLength(10);
  });

  it('makes its tables anew when most of them is not needed any more', () => {
    const live = new Live({ seconds: 3, compactFrom: 100 });
    live.push(['main']);
    live.subscribe();
    let largest = 0;
    for (let second = 1; second < 200; second++) {
      live.push(['main', `f${second}`], ['main', 'same']);
      largest = Math.max(largest, live.snapshot().tables.stacks.length);
      expect(stacksOf(live.viewer).slice(-2)).toEqual([
        `${second}:main;f${second}`,
        `${second}:main;same`,
      ]);
    }
    expect(largest).toBeLessThan(60);
    const restarts = live.updates.filter(({ kind }) => kind === 'restart').length;
    expect(restarts).toBeGreaterThan(2);
    expect(restarts).toBeLessThan(40);
    // Names that come late still find their frames.
    live.push(['main', '?@lib#10']);
    live.agent.rename('?@lib#10', 'found');
    live.push();
    expect(stacksOf(live.viewer).at(-1)).toBe('200:main;found');
  });

  it('gives up its oldest samples where what they need alone is too large', () => {
    const live = new Live({ compactFrom: 300, tables: 600 });
    for (let second = 0; second < 8; second++) {
      live.push(...Array.from({ length: 30 }, (_, i) => [`f${second}-${i}`]));
    }
    const { tables } = live.snapshot();
    expect(tables.stacks.length).toBeLessThanOrEqual(240);
    expect(tables.stacks.length).toBeGreaterThanOrEqual(30);
    live.subscribe();
    expect(stacksOf(live.viewer).at(-1)).toBe('7:f7-29');
    const restarts = live.updates.filter(({ kind }) => kind === 'restart').length;
    expect(restarts).toBeLessThan(8);
  });

  it('refuses a chunk that does not continue the stream', () => {
    const live = new Live();
    live.push(['a']);
    live.agent.add({ stack: ['lost'] }).cut();
    live.agent.add({ stack: ['b'] });
    expect(() => live.cut()).toThrow(/missing/);
  });
});
