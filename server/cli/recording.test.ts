import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import type { Chunk } from '@/profile/chunk';
import { FrameKind, MappingKind, NONE, type ThreadIndex, ThreadState } from '@/profile/schema';
import { Recording } from './recording';

/** A stream of chunks as a collector makes them, one sample each. */
class Stream {
  readonly #builder = new ProfileBuilder();
  #timeNs: number;

  constructor(startNs: number) {
    this.#timeNs = startNs;
  }

  #thread(): ThreadIndex {
    const builder = this.#builder;
    const name = builder.string('prog');
    const process = builder.process({
      pid: 7,
      parentPid: 1,
      name,
      commandLine: builder.string('./prog'),
      container: NONE,
      cgroup: NONE,
      startNs: 0,
    });
    return builder.thread({ tid: 7, process, name });
  }

  /** A chunk with one wait that ended at `timeNs`. */
  wait(timeNs: number, durationNs: number, weight: number): Chunk {
    const builder = this.#builder;
    builder.wait({
      timeNs,
      durationNs,
      weight,
      thread: this.#thread(),
      stack: NONE,
      waitClass: ThreadState.Sleep,
      wakerThread: NONE,
      wakerStack: NONE,
    });
    const startNs = this.#timeNs;
    this.#timeNs = timeNs;
    return builder.cutChunk({ startNs, endNs: timeNs, wallOffsetNs: 0, frequencyHz: 99 }, []);
  }

  sample(functionName: string, lost = 0): Chunk {
    const builder = this.#builder;
    const mapping = builder.mapping('', '/bin/prog', MappingKind.Executable);
    const symbol = {
      functionName: builder.string(functionName),
      file: NONE,
      line: 0,
      inlinedInto: NONE,
    };
    const startNs = this.#timeNs;
    this.#timeNs += 1000;
    builder.sample({
      timeNs: startNs,
      weight: 5,
      thread: this.#thread(),
      stack: builder.stack(NONE, builder.namedFrame(symbol, mapping, FrameKind.Native)),
      sampleType: builder.sampleType('cpu', 'nanoseconds'),
      cpu: 0,
    });
    return builder.cutChunk(
      { startNs, endNs: this.#timeNs, wallOffsetNs: 0, frequencyHz: 99 },
      lost === 0 ? [] : [{ reason: 'sample-ring-full', count: lost }],
    );
  }
}

function functionNames({ profile }: Recording): string[] {
  const { stacks, frames, samples } = profile;
  return Array.from({ length: samples.length }, (_, i) =>
    profile.string(frames.columns.functionName[stacks.columns.frame[samples.columns.stack[i]]]),
  );
}

describe('a recording', () => {
  it('holds the samples of all chunks, and what was lost', () => {
    const stream = new Stream(1000);
    const recording = new Recording();
    recording.begin(0);
    recording.add(stream.sample('main', 2));
    recording.add(stream.sample('work', 3));
    recording.add(stream.sample('main'));
    expect(functionNames(recording)).toEqual(['main', 'work', 'main']);
    expect(recording.profile.losses.get('sample-ring-full')).toBe(5);
    expect(recording.profile.startNs).toBe(0);
    expect(recording.profile.header?.endNs).toBe(4000);
  });

  it('goes on when the collector starts its tables over', () => {
    const recording = new Recording();
    recording.begin(0);
    recording.add(new Stream(0).sample('main'));
    const next = new Stream(1000);
    recording.add(next.sample('work'));
    recording.add(next.sample('main'));
    expect(functionNames(recording)).toEqual(['main', 'work', 'main']);
    expect(recording.profile.stacks.length).toBe(2);
  });

  it('holds what happened between its beginning and its end', () => {
    const stream = new Stream(0);
    const recording = new Recording();
    recording.add(stream.sample('before', 4));
    recording.begin(1000);
    recording.add(stream.sample('main', 2));
    recording.add(stream.sample('work'));
    recording.end(3000);
    recording.add(stream.sample('after'));
    expect(functionNames(recording)).toEqual(['main', 'work']);
    expect(recording.profile.losses.get('sample-ring-full')).toBe(2);
    expect(recording.profile.startNs).toBe(1000);
    expect(recording.profile.header?.endNs).toBe(3000);
  });

  it('holds of a wait that began before it the part that is in it, with its part of the weight', () => {
    const stream = new Stream(0);
    const recording = new Recording();
    recording.begin(10_000);
    recording.add(stream.wait(14_000, 8_000, 8_000)); // half of it is in it
    recording.add(stream.wait(15_000, 10_000, 20_000)); // half of it, and it stands for two
    recording.add(stream.wait(18_000, 2_000, 9_000));
    const { durationNs, weight } = recording.profile.waits.columns;
    expect([...durationNs.subarray(0, 3)]).toEqual([4_000, 5_000, 2_000]);
    expect([...weight.subarray(0, 3)]).toEqual([4_000, 10_000, 9_000]);
  });

  it('holds of a wait that goes on at its end the part until then', () => {
    const stream = new Stream(0);
    const recording = new Recording();
    recording.begin(10_000);
    recording.end(20_000);
    recording.add(stream.wait(24_000, 8_000, 8_000)); // half of it is in it
    recording.add(stream.wait(30_000, 40_000, 80_000)); // it spans the recording, and stands for two
    recording.add(stream.wait(31_000, 11_000, 11_000)); // began when the recording ended
    const { waits } = recording.profile;
    expect(waits.length).toBe(2);
    const { timeNs, durationNs, weight } = waits.columns;
    expect([...timeNs.subarray(0, 2)]).toEqual([19_999, 19_999]);
    expect([...durationNs.subarray(0, 2)]).toEqual([4_000, 10_000]);
    expect([...weight.subarray(0, 2)]).toEqual([4_000, 20_000]);
  });
});
