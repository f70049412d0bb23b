import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyChunk,
  type Chunk,
  ChunkFormatError,
  chunkByteLength,
  decodeChunk,
  decodeHeader,
  encodeChunk,
  profileOf,
  splitChunks,
} from './chunk';
import { Profile } from './profile';
import { chunksOf, contentsOf, randomSteps, TestProfile } from './profiles-for-tests';
import { COLUMN_BYTES, NONE, SCHEMA, TABLE_NAMES } from './schema';

const choices = fc.array(fc.nat(), { maxLength: 400 });
const arbitraryChunks = choices.map((numbers) => chunksOf(randomSteps(numbers)));

/** A chunk with arrays for columns, so that views and copies compare equal. */
function plain(chunk: Chunk): unknown {
  const arrays = (columns: object): unknown =>
    Object.fromEntries(
      Object.entries(columns).map(([name, column]) => [name, Array.from(column as Uint32Array)]),
    );
  return {
    ...chunk,
    tables: Object.fromEntries(
      TABLE_NAMES.map((name) => {
        const { base, length, columns } = chunk.tables[name];
        return [name, { base, length, columns: arrays(columns) }];
      }),
    ),
    patch: arrays(chunk.patch),
  };
}

/** Whatever `bytes` are: a profile, or a ChunkFormatError. */
function applies(bytes: Uint8Array): 'applied' | 'refused' {
  try {
    const profile = new Profile();
    for (const piece of splitChunks(bytes)) applyChunk(profile, decodeChunk(piece));
    return 'applied';
  } catch (error) {
    if (error instanceof ChunkFormatError) return 'refused';
    throw error;
  }
}

function someChunk(): Chunk {
  return new TestProfile()
    .add({ stack: ['main', 'loop>step', 'k:read'], timeNs: 5 })
    .add({ stack: undefined, timeNs: 6 })
    .cut([{ reason: 'sample-ring-full', count: 2 }]);
}

/** The chunk's bytes with another header, made by `change` from the one that it has. */
function withHeader(chunk: Chunk, change: (header: Record<string, unknown>) => void): Uint8Array {
  const bytes = encodeChunk(chunk);
  const view = new DataView(bytes.buffer);
  const length = view.getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(16, 16 + length)));
  change(header);
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = (text.length + 7) & ~7;
  const changed = new Uint8Array(bytes.length - length + padded);
  changed.set(bytes.subarray(0, 16));
  changed.fill(0x20, 16, 16 + padded);
  changed.set(text, 16);
  changed.set(bytes.subarray(16 + length), 16 + padded);
  const changedView = new DataView(changed.buffer);
  changedView.setUint32(8, changed.length, true);
  changedView.setUint32(12, padded, true);
  return changed;
}

/** The chunk as an older version wrote it, which had neither these tables (empty ones) nor these columns ('table.column'). */
function inVersion(version: number, chunk: Chunk, absent: readonly string[]): Uint8Array {
  const bytes = withHeader(chunk, ({ tables }) => {
    for (const name of absent) delete (tables as Record<string, unknown>)[name];
  });
  const { strings } = decodeHeader(bytes);
  const pad8 = (length: number): number => (length + 7) & ~7;
  let at = 16 + new DataView(bytes.buffer).getUint32(12, true);
  at += pad8(strings[1] * 4) + pad8(strings[2]);
  const kept = [...bytes.subarray(0, at)];
  for (const name of TABLE_NAMES) {
    for (const [column, type] of Object.entries(SCHEMA[name])) {
      const end = at + pad8(chunk.tables[name].length * COLUMN_BYTES[type]);
      if (!absent.includes(`${name}.${column}`)) kept.push(...bytes.subarray(at, end));
      at = end;
    }
  }
  kept.push(...bytes.subarray(at));
  const older = Uint8Array.from(kept);
  older[4] = version;
  new DataView(older.buffer).setUint32(8, older.length, true);
  return older;
}

describe('a chunk', () => {
  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(arbitraryChunks, (chunks) => {
        for (const chunk of chunks)
          expect(plain(decodeChunk(encodeChunk(chunk)))).toEqual(plain(chunk));
      }),
    );
  });

  it('keeps any text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const test = new TestProfile();
        for (const text of texts) test.builder.string(text);
        const { values } = decodeChunk(encodeChunk(test.cut())).strings;
        expect(values).toEqual([...new Set(texts)]);
      }),
    );
  });

  it('decodes from any place in a larger buffer, of Node.js or not', () => {
    const bytes = encodeChunk(someChunk());
    for (let offset = 0; offset < 9; offset++) {
      const larger = new Uint8Array(bytes.length + 16);
      larger.set(bytes, offset);
      const cut = larger.subarray(offset, offset + bytes.length);
      expect(plain(decodeChunk(cut))).toEqual(plain(someChunk()));
      const buffer = Buffer.from(larger.buffer, offset, bytes.length);
      expect(plain(decodeChunk(buffer))).toEqual(plain(someChunk()));
    }
  });

  it('decodes to views of the bytes, without a copy', () => {
    const bytes = encodeChunk(someChunk());
    expect(decodeChunk(bytes).tables.stacks.columns.frame.buffer).toBe(bytes.buffer);
  });
});

describe('a stream of chunks', () => {
  it('makes the same profile however often it was cut', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const steps = randomSteps(numbers);
        const whole = profileOf(chunksOf(steps.filter((step) => step.do !== 'cut')));
        const cut = profileOf(chunksOf(steps));
        const content = (profile: Profile): unknown => ({
          ...(contentsOf(profile) as object),
          losses: undefined,
          header: undefined,
        });
        expect(content(cut)).toEqual(content(whole));
      }),
    );
  });

  it('makes the same profile when it went through bytes, one after another', () => {
    fc.assert(
      fc.property(arbitraryChunks, (chunks) => {
        const pieces = chunks.map(encodeChunk);
        const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
        let at = 0;
        for (const piece of pieces) {
          bytes.set(piece, at);
          at += piece.length;
        }
        const read = profileOf(Array.from(splitChunks(bytes), decodeChunk));
        expect(contentsOf(read)).toEqual(contentsOf(profileOf(chunks)));
      }),
    );
  });

  it('sums losses, and says when it started', () => {
    const test = new TestProfile();
    const chunks = [
      test.cut([{ reason: 'map-full', count: 2 }]),
      test.cut([
        { reason: 'map-full', count: 3 },
        { reason: 'scratch-busy', count: 1 },
      ]),
    ];
    const profile = profileOf(chunks);
    expect([...profile.losses]).toEqual([
      ['map-full', 5],
      ['scratch-busy', 1],
    ]);
    expect(profile.header?.sequence).toBe(1);
  });

  it('is refused where a chunk is missing, and the profile stays as it was', () => {
    const chunks = ['a', 'b', 'c'].reduce<{ test: TestProfile; made: Chunk[] }>(
      ({ test, made }, name) => ({ test, made: [...made, test.add({ stack: [name] }).cut()] }),
      { test: new TestProfile(), made: [] },
    ).made;
    const profile = profileOf([chunks[0]]);
    const before = contentsOf(profile);
    expect(() => applyChunk(profile, chunks[2])).toThrow(/a chunk is missing/);
    expect(contentsOf(profile)).toEqual(before);
  });
});

describe('bytes that are no chunk', () => {
  it('are refused when they are cut short anywhere', () => {
    const bytes = encodeChunk(someChunk());
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeChunk(bytes.slice(0, length))).toThrow(ChunkFormatError);
  });

  it('are refused when they are random', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        expect(applies(bytes)).toBe('refused');
      }),
    );
  });

  it('are refused or make a profile whose indices hold, whichever bytes were changed', () => {
    fc.assert(
      fc.property(
        arbitraryChunks,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        (chunks, changes) => {
          const bytes = encodeChunk(chunks[0]);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          applies(bytes);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are refused with another version, which the message names', () => {
    const bytes = encodeChunk(someChunk());
    bytes[4] = 99;
    expect(() => decodeChunk(bytes)).toThrow(/chunk version 99/);
    expect(() => chunkByteLength(bytes)).toThrow(ChunkFormatError);
  });

  it('are not those of version 1, which had no waits', () => {
    const chunk = decodeChunk(
      inVersion(1, someChunk(), ['waits', 'threadTimes', 'processes.cgroup']),
    );
    expect(chunk.tables.waits.length).toBe(0);
    expect(chunk.tables.samples).toEqual(someChunk().tables.samples);
    expect(profileOf([chunk]).threadTimes.length).toBe(0);
  });

  it('have the scheduler’s account of threads, which up to version 6 was not known', () => {
    const chunk = new TestProfile().addTimes(10, 1, { Running: 10 }, { Running: 9 }).cut();
    const account = (bytes: Uint8Array): number =>
      decodeChunk(bytes).tables.threadTimes.columns.schedulerNs[0];
    expect(account(encodeChunk(chunk))).toBe(9);
    expect(
      account(inVersion(6, chunk, ['threadTimes.schedulerNs', 'threadTimes.schedulerClockNs'])),
    ).toBe(-1);
  });

  it('have what the scheduler’s clock left out of it, which up to version 7 was not known', () => {
    const chunk = new TestProfile()
      .addTimes(10, 1, { Running: 10 }, { Running: 9 }, { Running: 1 })
      .cut();
    const clock = (bytes: Uint8Array): number =>
      decodeChunk(bytes).tables.threadTimes.columns.schedulerClockNs[0];
    expect(clock(encodeChunk(chunk))).toBe(1);
    expect(clock(inVersion(7, chunk, ['threadTimes.schedulerClockNs']))).toBe(0);
  });

  it('keep the cgroups of processes, which up to version 5 were not known', () => {
    const source = new TestProfile().add({ stack: ['main'], cgroup: '/web.service' });
    const chunk = source.cut();
    const cgroupIn = (bytes: Uint8Array): string => {
      const profile = profileOf([decodeChunk(bytes)]);
      return profile.string(profile.processes.columns.cgroup[0]);
    };
    expect(cgroupIn(encodeChunk(chunk))).toBe('/web.service');
    expect(cgroupIn(inVersion(5, chunk, ['processes.cgroup']))).toBe('');
  });

  it('keep events of latency sources, and have none in version 2', () => {
    const source = new TestProfile().addLatency({
      source: 'fs',
      label: 'ext4 fsync',
      durationNs: 7,
      weight: 20,
      timeNs: 9,
      stack: ['main', 'sync'],
    });
    const bytes = encodeChunk(source.cut());
    const { latencySamples } = profileOf([decodeChunk(bytes)]);
    expect(latencySamples.length).toBe(1);
    const { timeNs, durationNs, weight } = latencySamples.columns;
    expect([timeNs[0], durationNs[0], weight[0]]).toEqual([9, 7, 20]);
    const older = inVersion(2, someChunk(), ['latencySamples', 'processes.cgroup']);
    expect(profileOf([decodeChunk(older)]).latencySamples.length).toBe(0);
  });

  it('keep of how many latency events one was timed, and had all timed in version 3', () => {
    const { builder } = new TestProfile();
    builder.latency({
      timeNs: 1,
      source: builder.string('syscalls'),
      label: builder.string('read'),
      process: NONE,
      bucket: 3,
      count: 8,
      sum: 24,
      oneIn: 4,
      durationNs: 1e9,
    });
    const header = {
      startNs: 0,
      endNs: 2,
      wallOffsetNs: 0,
      frequencyHz: 99,
      latencyOneIn: 4,
      latencySources: ['syscalls' as const],
    };
    const chunk = builder.cutChunk(header, []);
    const profile = profileOf([decodeChunk(encodeChunk(chunk))]);
    expect([...profile.latencies.columns.oneIn.subarray(0, 1)]).toEqual([4]);
    expect(profile.rates).toMatchObject([{ latencyOneIn: 4, latencySources: ['syscalls'] }]);
    const older = inVersion(3, chunk, ['latencies.oneIn', 'latencies.durationNs']);
    const { latencies } = decodeChunk(older).tables;
    expect([...latencies.columns.durationNs]).toEqual([0]);
    expect([...latencies.columns.oneIn]).toEqual([1]);
    expect([...latencies.columns.count]).toEqual([8]);
  });

  it('are refused with a length smaller than the prefix', () => {
    const bytes = encodeChunk(someChunk());
    new DataView(bytes.buffer).setUint32(8, 4, true);
    expect(() => decodeChunk(bytes)).toThrow(ChunkFormatError);
    expect(() => [...splitChunks(bytes)]).toThrow(ChunkFormatError);
  });

  it.each<[string, (header: Record<string, unknown>) => void]>([
    ['no strings', (header) => delete header.strings],
    ['no tables', (header) => delete header.tables],
    ['no header', (header) => delete header.header],
    ['losses that are no list', (header) => Object.assign(header, { losses: 3 })],
    ['losses without a count', (header) => Object.assign(header, { losses: [{ reason: 'x' }] })],
    [
      'a thinning that is no number',
      (header) => Object.assign(header.header as object, { latencyOneIn: 'x' }),
    ],
    [
      'sources that are no list',
      (header) => Object.assign(header.header as object, { latencySources: 'block' }),
    ],
    [
      'a time that is no number',
      (header) => Object.assign(header.header as object, { startNs: null }),
    ],
    [
      'a table without a length',
      (header) => Object.assign(header.tables as object, { frames: [0] }),
    ],
    [
      'a length that wraps 32 bits',
      (header) => Object.assign(header.tables as object, { stacks: [0, 2 ** 30] }),
    ],
    ['a huge length', (header) => Object.assign(header.tables as object, { stacks: [0, 1e300] })],
    ['a negative length', (header) => Object.assign(header.tables as object, { stacks: [0, -8] })],
    ['a broken length', (header) => Object.assign(header.tables as object, { stacks: [0, 0.5] })],
    ['a negative base', (header) => Object.assign(header.tables as object, { samples: [-1, 2] })],
    [
      'more strings than there are',
      (header) => Object.assign(header, { strings: [0, 2 ** 30, 8] }),
    ],
    ['a patch of no length', (header) => Object.assign(header, { patch: 'x' })],
  ])('are refused with %s', (_, change) => {
    const bytes = withHeader(someChunk(), change);
    expect(() => decodeChunk(bytes)).toThrow(ChunkFormatError);
  });

  it('are refused when strings are longer than their bytes', () => {
    const chunk = someChunk();
    const bytes = withHeader(chunk, () => {});
    const view = new DataView(bytes.buffer);
    view.setUint32(16 + view.getUint32(12, true), 0xffff_ffff, true);
    expect(() => decodeChunk(bytes)).toThrow(ChunkFormatError);
  });
});

describe('rows that point nowhere', () => {
  /** A chunk as `someChunk`, one value of a column changed. */
  function changed(
    table: keyof Chunk['tables'],
    column: string,
    row: number,
    value: number,
  ): Chunk {
    const chunk = someChunk();
    (chunk.tables[table].columns as unknown as Record<string, Uint32Array>)[column][row] = value;
    return chunk;
  }

  it.each<[keyof Chunk['tables'], string, number, number]>([
    ['sampleTypes', 'name', 0, 999],
    ['sampleTypes', 'unit', 0, 999],
    ['mappings', 'path', 0, 999],
    ['frames', 'functionName', 0, 999],
    ['frames', 'file', 0, 999],
    ['frames', 'mapping', 0, 999],
    ['frames', 'inlinedInto', 0, 999],
    ['frames', 'kind', 0, 99],
    ['stacks', 'frame', 0, 999],
    ['stacks', 'frame', 0, 0xffff_ffff],
    ['stacks', 'parent', 0, 1],
    ['stacks', 'parent', 1, 1],
    ['processes', 'name', 0, 999],
    ['processes', 'container', 0, 999],
    ['processes', 'cgroup', 0, 999],
    ['threads', 'process', 0, 9],
    ['samples', 'thread', 0, 9],
    ['samples', 'stack', 0, 999],
    ['samples', 'sampleType', 0, 9],
  ])('are refused: %s.%s', (table, column, row, value) => {
    const profile = new Profile();
    expect(() => applyChunk(profile, changed(table, column, row, value))).toThrow(ChunkFormatError);
    expect(profile.strings).toEqual([]);
    expect(profile.frames.length).toBe(0);
  });

  it('are refused in a patch', () => {
    const one = Uint32Array.of(0);
    const patch = { frame: one, functionName: one, file: one, line: one, inlinedInto: one };
    const far = Uint32Array.of(999);
    for (const column of ['frame', 'functionName', 'file', 'inlinedInto']) {
      const chunk: Chunk = { ...someChunk(), patch: { ...patch, [column]: far } };
      expect(() => applyChunk(new Profile(), chunk)).toThrow(ChunkFormatError);
    }
  });

  it('are refused where a function is inlined into itself, by its row or by a patch', () => {
    const own = someChunk();
    own.tables.frames.columns.inlinedInto[0] = 0;
    expect(() => applyChunk(new Profile(), own)).toThrow(/inlined into itself/);

    const test = new TestProfile().add({ stack: ['a', 'b'] });
    const profile = profileOf([test.cut()]);
    const frame = Uint32Array.of(0, 1);
    const none = Uint32Array.of(NONE, NONE);
    const patch = { frame, functionName: none, file: none, line: Uint32Array.of(0, 0) };
    const circle: Chunk = {
      ...test.cut(),
      patch: { ...patch, inlinedInto: Uint32Array.of(1, 0) },
    };
    expect(() => applyChunk(profile, circle)).toThrow(/inlined into itself/);
    applyChunk(profile, { ...circle, patch: { ...patch, inlinedInto: Uint32Array.of(1, NONE) } });
    expect(profile.frames.columns.inlinedInto[0]).toBe(1);
  });

  it.each<[string, number]>([
    ['timeNs', Number.NaN],
    ['weight', Number.POSITIVE_INFINITY],
  ])('are refused with a %s of %s', (column, value) => {
    expect(() => applyChunk(new Profile(), changed('samples', column, 0, value))).toThrow(
      ChunkFormatError,
    );
  });
});
