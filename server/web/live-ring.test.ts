import { describe, expect, it } from 'vitest';
import { type Chunk, encodeChunk, type Loss, splitChunks } from '@/profile/chunk';
import { applyNext, ChunkStream } from '@/profile/chunk-stream';
import { Profile } from '@/profile/profile';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import { NONE } from '@/profile/schema';
import { LiveRing, type RingBounds } from './live-ring';

const BOUNDS: RingBounds = { seconds: 10, samples: 1000, latencies: 1000, bytes: 1_000_000 };

/** An agent that sends a chunk a second, a ring, and a viewer that does what the protocol says. */
class Live {
  readonly ring: LiveRing;
  agent = new TestProfile();
  viewer: ChunkStream | undefined;
  second = 0;

  constructor(bounds: Partial<RingBounds> = {}) {
    this.ring = new LiveRing({ ...BOUNDS, ...bounds });
  }

  get viewed(): Profile {
    return this.viewer?.profile ?? new Profile();
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
      durationNs: 1e9,
    });
  }

  /** One chunk with a sample of each stack. */
  push(...stacks: string[][]): Chunk {
    for (const stack of stacks) this.agent.add({ stack, timeNs: this.second * 1e9 });
    return this.cut();
  }

  cut(losses: readonly Loss[] = []): Chunk {
    const header = { ...HEADER, startNs: this.second * 1e9, endNs: (this.second + 1) * 1e9 };
    this.second++;
    const chunk = this.agent.builder.cutChunk(header, losses);
    const bytes = encodeChunk(chunk);
    this.ring.push(bytes);
    if (this.viewer !== undefined) this.view(bytes);
    return chunk;
  }

  view(bytes: Uint8Array): void {
    const stream = this.viewer as ChunkStream;
    for (const one of splitChunks(bytes)) applyNext(stream, one);
  }

  subscribe(): void {
    const snapshot = this.ring.snapshot();
    if (snapshot === undefined) throw new Error('nothing yet');
    this.viewer = new ChunkStream(new Profile());
    for (const chunk of snapshot.chunks) this.view(chunk);
    expect(this.ring.since(snapshot.next)).toEqual([]);
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
    const early = stacksOf(live.viewed);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual(early);
    expect(early).toEqual(['0:main;a', '0:main;b', '1:main;a;c', '3:main;b', '3:other']);
  });

  it('copies nothing for a snapshot, and encodes its tables once', () => {
    const live = new Live({ seconds: 3 });
    for (let second = 0; second < 10; second++) live.push(['a']);
    const [one, other] = [live.ring.snapshot()?.chunks ?? [], live.ring.snapshot()?.chunks ?? []];
    expect(one).toHaveLength(5);
    for (const [i, bytes] of one.entries()) expect(other[i]).toBe(bytes);
    live.push(['a']);
    expect(live.ring.snapshot()?.chunks[0]).not.toBe(one[0]);
  });

  it('has what continues a snapshot as long as that is not forgotten', () => {
    const live = new Live({ seconds: 3 });
    live.push(['main', 'a']);
    live.subscribe();
    const { next = 0 } = live.ring.snapshot() ?? {};
    const { viewer } = live;
    live.viewer = undefined;
    live.push(['main', 'b']);
    live.push(['main', 'c']);
    expect(live.ring.since(next)).toHaveLength(2);
    live.viewer = viewer;
    for (const chunk of live.ring.since(next) ?? []) live.view(chunk);
    expect(stacksOf(live.viewed)).toEqual(['0:main;a', '1:main;b', '2:main;c']);
    for (let second = 0; second < 5; second++) live.push();
    expect(live.ring.since(next)).toBeUndefined();
  });

  it('passes names on that come late', () => {
    const live = new Live();
    live.push(['main', '?@lib#10']);
    live.subscribe();
    live.agent.rename('?@lib#10', 'found');
    live.push();
    expect(stacksOf(live.viewed)).toEqual(['0:main;found']);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual(['0:main;found']);
  });

  it('outlives the agent: what was before is still there when its stream starts over', () => {
    const live = new Live();
    live.push(['main', 'a'], ['main', 'b']);
    live.subscribe();
    live.agent = new TestProfile();
    live.push(['other'], ['main', 'b']);
    live.push(['other', 'c']);
    const all = ['0:main;a', '0:main;b', '1:other', '1:main;b', '2:other;c'];
    expect(stacksOf(live.viewed)).toEqual(all);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual(all);
  });

  it('forgets what is older than its window', () => {
    const live = new Live({ seconds: 3 });
    for (let second = 0; second < 10; second++) live.push(['a']);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual(['6:a', '7:a', '8:a', '9:a']);
    expect(live.viewed.startNs).toBe(6e9);
  });

  it('forgets the oldest where there are too many', () => {
    const live = new Live({ samples: 5 });
    for (let second = 0; second < 10; second++) live.push(['a'], ['b']);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual(['8:a', '8:b', '9:a', '9:b']);
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
    expect(startsOf(live.viewed)).toEqual([8, 9]);
    expect(live.viewed.latencies.length).toBe(200);
    expect(stacksOf(live.viewed)).toHaveLength(10);
    // The newest are kept even where they alone are too many.
    for (let bucket = 0; bucket < 300; bucket++) live.addLatency(bucket);
    live.push();
    live.subscribe();
    expect(startsOf(live.viewed)).toEqual([10]);
    // What is forgotten is no longer counted: there is room for as many again.
    for (let second = 0; second < 2; second++) {
      for (let bucket = 0; bucket < 100; bucket++) live.addLatency(bucket);
      live.push();
    }
    live.subscribe();
    expect(startsOf(live.viewed)).toEqual([11, 12]);
    expect(stacksOf(live.viewed)).toHaveLength(10);
  });

  it('forgets tables that nothing needs any more, and no loss', () => {
    const live = new Live({ seconds: 3 });
    for (let second = 0; second < 40; second++) {
      if (second % 8 === 0) live.agent = new TestProfile();
      live.agent.add({ stack: ['main', `f${second}`], timeNs: second * 1e9 });
      live.cut([{ reason: 'map-full', count: 1 }]);
      live.subscribe();
      expect(stacksOf(live.viewed).at(-1)).toBe(`${second}:main;f${second}`);
      expect(live.viewed.losses.get('map-full')).toBe(second + 1);
      // At most one stream's before, and those of the seconds that are held.
      expect(live.viewed.stacks.length).toBeLessThan(16);
      expect(live.viewed.startNs).toBe(Math.max(0, second - 3) * 1e9);
    }
  });

  it('holds no more bytes than it may, and what it holds can be read', () => {
    const live = new Live({ seconds: 1000, bytes: 20_000 });
    for (let second = 0; second < 100; second++) {
      live.push(...Array.from({ length: 30 }, (_, i) => [`f${i}`]));
      live.subscribe();
    }
    expect(live.viewed.samples.length).toBeLessThan(600);
    expect(stacksOf(live.viewed).at(-1)).toBe('99:f29');
  });

  it('holds less where it is told to, but for the last minute, and more again', () => {
    const live = new Live({ seconds: 1000, bytes: 1_000_000 });
    const seconds = (): number => {
      live.subscribe();
      return (live.viewed.header?.endNs ?? 0) / 1e9 - live.viewed.startNs / 1e9;
    };
    for (let second = 0; second < 200; second++) live.push(['a'], ['b']);
    expect(seconds()).toBe(200);
    const { bytes, oldBytes } = live.ring;
    expect(oldBytes / bytes).toBeCloseTo(139 / 200, 1);
    live.ring.limitBytes(bytes / 2);
    expect(live.ring.bytes).toBeLessThanOrEqual(bytes / 2);
    expect(seconds()).toBeGreaterThan(80);
    live.ring.limitBytes(10);
    expect(seconds()).toBe(61);
    expect(live.ring.oldBytes).toBe(0);
    for (let second = 0; second < 20; second++) live.push(['a'], ['b']);
    expect(seconds()).toBe(61);
    live.ring.limitBytes(1_000_000);
    for (let second = 0; second < 20; second++) live.push(['a'], ['b']);
    expect(seconds()).toBe(81);
  });

  it('gives its tables to who needs them, as they are now', () => {
    const live = new Live({ seconds: 3 });
    const names = (): string[] => {
      const { strings, frames, samples } = live.ring.tables();
      expect(samples.length).toBe(0);
      return Array.from(frames.columns.functionName.subarray(0, frames.length), (i) => strings[i]);
    };
    expect(names()).toEqual([]);
    for (let second = 0; second < 6; second++) {
      live.push([`f${second}`]);
      expect(names()).toEqual(Array.from({ length: second + 1 }, (_, i) => `f${i}`));
    }
    live.agent = new TestProfile();
    live.push(['anew']);
    expect(names()).toEqual(['anew']);
  });

  it('starts with nothing after a stream that turns out to be broken', () => {
    const live = new Live({ seconds: 3 });
    live.push(['a']);
    const { builder } = live.agent;
    builder.sample({ timeNs: 1e9, weight: 1, thread: 77, stack: 0, sampleType: 0, cpu: 0 });
    for (let second = 0; second < 4; second++) live.push(['b']);
    expect(() => live.push(['c'], ['d'])).toThrow(/samples.thread/);
    expect(live.ring.snapshot()).toBeUndefined();
    live.agent = new TestProfile();
    live.push(['e']);
    live.subscribe();
    expect(stacksOf(live.viewed)).toEqual([`${live.second - 1}:e`]);
  });

  it('refuses a chunk that does not continue the stream', () => {
    const live = new Live();
    live.push(['a']);
    live.agent.add({ stack: ['lost'] }).cut();
    live.agent.add({ stack: ['b'] });
    expect(() => live.cut()).toThrow(/missing/);
  });
});
