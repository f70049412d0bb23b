import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ChunkHeader, decodeChunk, encodeChunk } from '@/profile/chunk';
import { applyNext, ChunkStream } from '@/profile/chunk-stream';
import { Profile } from '@/profile/profile';
import { describeSamples, HEADER, TestProfile } from '@/profile/profiles-for-tests';
import type { SessionSummary } from '@/profile/session';
import type { EndReceiver } from './agent-link';
import { LiveSource } from './live-source';
import { MemoryStore } from './memory-store-for-tests';
import { Recorder, type RecorderBounds } from './recorder';

const NEW = {
  name: 'mine',
  startedMs: 1,
  frequencyHz: 99,
  host: { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' },
};

describe('a recording', () => {
  let store: MemoryStore;
  let source: LiveSource;
  let agent: TestProfile;
  let second: number;
  let rates: Partial<ChunkHeader>;
  let problems: (string | undefined)[];
  let exhausted: number;
  /** Of an agent that runs. */
  let asked: EndReceiver[] | undefined;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
    store = new MemoryStore();
    source = new LiveSource();
    asked = undefined;
    agent = new TestProfile();
    second = 0;
    rates = {};
    problems = [];
    exhausted = 0;
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  const push = (...stacks: string[][]): void => {
    for (const stack of stacks) agent.add({ stack });
    const header = { ...HEADER, ...rates, startNs: second * 1e9, endNs: ++second * 1e9 };
    source.push(encodeChunk(agent.builder.cutChunk(header, [{ reason: 'map-full', count: 1 }])));
  };

  const record = async (
    bounds?: RecorderBounds,
  ): Promise<{ recorder: Recorder; session: SessionSummary }> => {
    const session = await store.create(NEW);
    const recorder = new Recorder(
      session,
      {
        source,
        askForEnd: (receive) => {
          if (asked === undefined) receive(undefined);
          else asked.push(receive);
        },
      },
      store,
      {
        stored: () => {},
        problem: (text) => problems.push(text),
        exhausted: () => exhausted++,
      },
      bounds,
    );
    return { recorder, session };
  };

  const stored = async (id: string) => {
    const chunks = [];
    const stream = new ChunkStream(new Profile());
    for await (const slice of store.slices(id)) {
      chunks.push(decodeChunk(slice.chunks));
      applyNext(stream, slice.chunks);
    }
    return { chunks, profile: stream.profile };
  };

  it('holds what comes after its start, with the tables that this needs and no more', async () => {
    push(['main', 'before'], ['other', 'before']);
    const { recorder, session } = await record();
    push(['main', 'during']);
    expect(await recorder.stop()).toMatchObject({ state: 'complete', samples: 1 });
    push(['main', 'after']);
    const { profile } = await stored(session.id);
    expect(profile.strings).toContain('during');
    expect(profile.strings).toContain('main');
    expect(profile.strings).not.toContain('before');
    expect(profile.strings).not.toContain('after');
    expect(profile.startNs).toBe(1e9);
    expect(profile.losses.get('map-full')).toBe(1);
  });

  it('is stored every second', async () => {
    const { recorder, session } = await record();
    push(['a']);
    push(['b']);
    await vi.advanceTimersByTimeAsync(1000);
    expect((await stored(session.id)).chunks).toHaveLength(1);
    push(['c']);
    await vi.advanceTimersByTimeAsync(1000);
    const { chunks } = await stored(session.id);
    expect(chunks.map(({ header }) => [header.sequence, header.startNs, header.endNs])).toEqual([
      [0, 0, 2e9],
      [1, 2e9, 3e9],
    ]);
    // Nothing new, nothing stored.
    await vi.advanceTimersByTimeAsync(3000);
    expect(store.appends).toBe(2);
    await recorder.stop();
  });

  it('has changes of what is measured where they were, also those within its first second', async () => {
    const { recorder, session } = await record();
    push(['a']);
    rates = { latencySources: ['syscalls'] };
    push(['b']);
    rates = { latencySources: ['syscalls'], latencyOneIn: 2 };
    push(['c']);
    push(['d']);
    await recorder.stop();
    const { chunks, profile } = await stored(session.id);
    expect(chunks).toHaveLength(3);
    expect(
      profile.rates.map((rate) => [rate.timeNs, rate.latencySources, rate.latencyOneIn]),
    ).toEqual([
      [0, [], 1],
      [1e9, ['syscalls'], 1],
      [2e9, ['syscalls'], 2],
    ]);
  });

  it('starts over when the stream does, and loses nothing', async () => {
    const { recorder, session } = await record();
    push(['main', 'a']);
    await recorder.flush();
    push(['main', 'b']);
    agent = new TestProfile();
    push(['new'], ['main', 'a']);
    push(['new']);
    await recorder.stop();
    const { chunks, profile } = await stored(session.id);
    expect(chunks.map(({ header }) => header.sequence)).toEqual([0, 1, 0]);
    expect(chunks.map(({ tables }) => tables.samples.length)).toEqual([1, 1, 3]);
    expect(describeSamples(profile)).toHaveLength(5);
    expect(describeSamples(profile)[3]).toBe(describeSamples(profile)[0]);
    expect(profile.losses.get('map-full')).toBe(4);
  });

  it('holds of a wait that began before it the part that is in it', async () => {
    push(['before']);
    const { recorder, session } = await record();
    agent.addWait({ stack: ['main'], timeNs: 1.5e9, durationNs: 1e9, weight: 2e9 });
    agent.addWait({ stack: ['main'], timeNs: 1.8e9, durationNs: 0.1e9, weight: 0.2e9 });
    push();
    await recorder.stop();
    const { waits } = (await stored(session.id)).profile;
    expect([...waits.columns.durationNs.subarray(0, waits.length)]).toEqual([0.5e9, 0.1e9]);
    expect([...waits.columns.weight.subarray(0, waits.length)]).toEqual([1e9, 0.2e9]);
  });

  it('ends with what the agent still holds, and of waits that go on the part until then', async () => {
    asked = [];
    const { recorder, session } = await record();
    push(['a']);
    const stopped = recorder.stop();
    push(['last']);
    const end = new TestProfile();
    end.addWait({ stack: ['main', 'sleep'], timeNs: 2.3e9, durationNs: 9e9, weight: 9e9 });
    const header = { ...HEADER, startNs: 2e9, endNs: 2.2e9 };
    asked[0](encodeChunk(end.builder.cutChunk(header, [])));
    push(['after']); // in the same turn
    await stopped;
    const { profile } = await stored(session.id);
    expect(profile.strings).toContain('last');
    expect(profile.strings).not.toContain('after');
    expect(profile.header?.endNs).toBe(2.2e9);
    const { timeNs, durationNs, weight } = profile.waits.columns;
    expect([timeNs[0], durationNs[0], weight[0]]).toEqual([2.2e9 - 1, 2.2e9, 2.2e9]);
  });

  it('waits for its end no longer than the agent lives, nor for long', async () => {
    asked = [];
    const { recorder } = await record();
    push(['a']);
    const stopped = recorder.stop();
    asked[0](undefined);
    expect(await stopped).toMatchObject({ state: 'complete', samples: 1 });

    const { recorder: second, session } = await record();
    push(['b']);
    const late = second.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(await late).toMatchObject({ state: 'complete', samples: 1 });
    const end = new TestProfile();
    end.addWait({ stack: ['main'], timeNs: 1e9, durationNs: 1e9, weight: 1e9 });
    asked[1](encodeChunk(end.builder.cutChunk(HEADER, [])));
    expect((await stored(session.id)).profile.waits.length).toBe(0);
  });

  it('is over where the agent’s answer can’t be read', async () => {
    asked = [];
    const { recorder } = await record();
    push(['a']);
    const stopped = recorder.stop();
    expect(() => asked?.[0](Uint8Array.of(1, 2, 3))).toThrow();
    expect(await stopped).toMatchObject({ state: 'complete', samples: 1 });
  });

  it('keeps what could not be stored, says so, and stores it when it can, once and in order', async () => {
    const { recorder, session } = await record();
    store.failure = new Error('disk full');
    push(['a']);
    await vi.advanceTimersByTimeAsync(1000);
    push(['b']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(problems.at(-1)).toMatch(/tried again: disk full/);
    store.failure = undefined;
    await vi.advanceTimersByTimeAsync(1000);
    expect(problems.at(-1)).toBeUndefined();
    push(['c']);
    await recorder.stop();
    const { profile, chunks } = await stored(session.id);
    expect(chunks.map(({ header }) => header.sequence)).toEqual([0, 1, 2]);
    expect(profile.samples.length).toBe(3);
    expect(exhausted).toBe(0);
  });

  it('ends with what was stored when too much waits', async () => {
    const { recorder, session } = await record({ unwrittenBytes: 1 });
    push(['a']);
    await recorder.flush();
    store.failure = new Error('disk full');
    push(['b']);
    await recorder.flush();
    expect(exhausted).toBe(1);
    expect(problems.at(-1)).toMatch(/stopped: disk full/);
    push(['c']);
    await recorder.stop();
    expect((await stored(session.id)).profile.samples.length).toBe(1);
    expect(problems.at(-1)).toMatch(/stopped/);
  });
});
