import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import { applyChunk, type Chunk, decodeChunk, encodeChunk } from './chunk';
import { ChunkStream } from './chunk-stream';
import { Profile } from './profile';
import { describeSamples, HEADER, TestProfile } from './profiles-for-tests';
import { NONE } from './schema';

const follow = (chunks: Iterable<Chunk>, stream = new ChunkStream(new Profile())): Profile => {
  for (const chunk of chunks) applyChunk(stream.profile, stream.next(chunk));
  return stream.profile;
};

describe('a stream of chunks that starts over', () => {
  it('is the profile that its chunks make as long as it goes on', () => {
    const source = new TestProfile();
    const first = source.add({ stack: ['main', 'a'] }).cut();
    const stream = new ChunkStream(new Profile());
    expect(stream.next(first)).toBe(first);
    applyChunk(stream.profile, first);
    const second = source.add({ stack: ['main', 'b'] }).cut();
    expect(stream.next(second)).toBe(second);
  });

  it('has all samples of before and after, in any split', () => {
    const stack = fc.array(fc.constantFrom('main', 'a', 'b', '?@lib#16', 'c [inlined]'), {
      minLength: 1,
      maxLength: 6,
    });
    const sample = fc.record({
      stack,
      pid: fc.integer({ min: 1, max: 3 }),
      type: fc.constantFrom(['cpu', 'nanoseconds'] as const, ['samples', 'count'] as const),
      timeNs: fc.nat(1000),
    });
    const streams = fc.array(
      fc.array(fc.array(sample, { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(streams, (all) => {
        const expected: string[] = [];
        const sent: Chunk[] = [];
        for (const chunks of all) {
          const source = new TestProfile();
          for (const samples of chunks) {
            for (const one of samples) source.add(one);
            expected.push(...describeSamples(source.profile));
            sent.push(decodeChunk(encodeChunk(source.cut())));
          }
        }
        const profile = follow(sent);
        expect(describeSamples(profile)).toEqual(expected);
        expect(new Set(profile.strings).size).toBe(profile.strings.length);
        expect(profile.sampleTypes.length).toBeLessThanOrEqual(2);
        const { path } = profile.mappings.columns;
        expect(new Set(path.subarray(0, profile.mappings.length)).size).toBe(
          profile.mappings.length,
        );
      }),
    );
  });

  it('knows latencies of before and after by the same texts', () => {
    const chunkOf = (label: string): Chunk => {
      const { builder } = new TestProfile();
      builder.string(`only here: ${label}`);
      builder.latency({
        timeNs: 1,
        source: builder.string('syscalls'),
        label: builder.string(label),
        process: NONE,
        bucket: 1,
        count: 1,
        sum: 1,
        oneIn: 1,
        durationNs: 1e9,
      });
      return builder.cutChunk(HEADER, []);
    };
    const { latencies } = follow([chunkOf('read'), chunkOf('write'), chunkOf('read')]);
    const { source, label, process } = latencies.columns;
    expect(source[1]).toBe(source[0]);
    expect(label[2]).toBe(label[0]);
    expect(label[1]).not.toBe(label[0]);
    expect(process[2]).toBe(NONE);
  });

  it('finds the frames of names that come late', () => {
    const before = new TestProfile().add({ stack: ['main', '?@lib#16'] });
    const after = new TestProfile();
    const chunks = [before.cut(), after.add({ stack: ['?@lib#16'] }).cut()];
    after.rename('?@lib#16', 'found');
    chunks.push(after.cut());
    const texts = describeSamples(follow(chunks));
    expect(texts[0]).not.toContain('found');
    expect(texts[1]).toContain('found');
  });

  it('takes what amends the whole profile as it is', () => {
    const before = new TestProfile().add({ stack: ['main', '?@lib#16'] }).cut();
    const after = new TestProfile().add({ stack: ['other'] }).cut();
    const stream = new ChunkStream(new Profile());
    const profile = follow([before, after], stream);
    const builder = new ProfileBuilder(follow([before, after]));
    const unnamed = profile.frames.columns.functionName.indexOf(NONE);
    const functionName = builder.string('found');
    builder.symbolize(unnamed, { functionName, file: NONE, line: 0, inlinedInto: NONE });
    follow([builder.cutChunk({ ...HEADER, amends: true }, [])], stream);
    expect(describeSamples(profile)[0]).toContain('found');
  });

  it('refuses rows that the stream has not sent, and what does not continue it', () => {
    const before = new TestProfile().add({ stack: ['main', 'a'] }).cut();
    const after = new TestProfile();
    after.builder.sample({
      timeNs: 0,
      weight: 1,
      thread: 9,
      stack: NONE,
      sampleType: after.builder.sampleType('cpu', 'nanoseconds'),
      cpu: 0,
    });
    expect(() => follow([before, after.cut()])).toThrow(/samples.thread/);

    const other = new TestProfile();
    const first = other.add({ stack: ['x'] }).cut();
    other.add({ stack: ['y'] }).cut();
    const third = other.add({ stack: ['z'] }).cut();
    expect(() => follow([before, first, third])).toThrow(/missing/);
  });
});
