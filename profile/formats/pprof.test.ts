import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { profileOf } from '@/profile/chunk';
import type { Profile } from '@/profile/profile';
import { chunksOf, HEADER, randomSteps, TestProfile } from '@/profile/profiles-for-tests';
import { CollapsedParser } from './collapsed';
import { writePprof } from './pprof';

/** A field's values by number: varints as bigints, the rest as bytes. */
type Message = Map<number, (bigint | Uint8Array)[]>;

/** Decodes one message of protocol buffers; throws at anything that is not well-formed. */
function decode(bytes: Uint8Array): Message {
  const message: Message = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length || shift > 63n) throw new Error('varint is cut short');
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wire] = [tag >>> 3, tag & 7];
    let value: bigint | Uint8Array;
    if (wire === 0) value = varint();
    else {
      if (wire !== 2) throw new Error(`wire type ${wire}`);
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error('field is cut short');
      value = bytes.subarray(at, at + length);
      at += length;
    }
    message.set(field, [...(message.get(field) ?? []), value]);
  }
  return message;
}

function numberAt(message: Message, field: number): number {
  const value = message.get(field)?.[0] ?? 0n;
  if (typeof value !== 'bigint') throw new Error(`field ${field} is no number`);
  return Number(value);
}

function messagesAt(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).map((value) => decode(value as Uint8Array));
}

function packedAt(message: Message, field: number): number[] {
  const numbers: number[] = [];
  for (const value of message.get(field) ?? []) {
    // A packed list is varints one after another: each is read as the value of a field.
    const bytes = value as Uint8Array;
    for (let at = 0; at < bytes.length; ) {
      let end = at;
      while (bytes[end] >= 0x80) end++;
      numbers.push(numberAt(decode(Uint8Array.of(8, ...bytes.subarray(at, end + 1))), 1));
      at = end + 1;
    }
  }
  return numbers;
}

/** A pprof profile as plain data, its strings and IDs resolved; throws where one can not be. */
function read(bytes: Uint8Array) {
  const profile = decode(bytes);
  const strings = (profile.get(6) ?? []).map((text) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(text as Uint8Array),
  );
  expect(strings[0]).toBe('');
  const text = (message: Message, field: number): string => {
    const index = numberAt(message, field);
    if (index >= strings.length) throw new Error(`string ${index} of ${strings.length}`);
    return strings[index];
  };
  const valueType = (message: Message): string => `${text(message, 1)}/${text(message, 2)}`;
  const byId = <T>(messages: Message[], make: (message: Message) => T): Map<number, T> => {
    const ids = new Map(messages.map((message) => [numberAt(message, 1), make(message)]));
    expect(ids.size).toBe(messages.length);
    expect(ids.has(0)).toBe(false);
    return ids;
  };
  const get = <T>(map: Map<number, T>, id: number): T => {
    const found = map.get(id);
    if (found === undefined) throw new Error(`no ID ${id}`);
    return found;
  };
  const functions = byId(messagesAt(profile, 5), (message) => ({
    name: text(message, 2),
    systemName: text(message, 3),
    file: text(message, 4),
  }));
  const mappings = byId(messagesAt(profile, 3), (message) => ({
    start: numberAt(message, 2),
    limit: numberAt(message, 3),
    fileOffset: numberAt(message, 4),
    file: text(message, 5),
    buildId: text(message, 6),
    has: [7, 8, 9, 10].map((field) => numberAt(message, field) === 1),
  }));
  const locations = byId(messagesAt(profile, 4), (message) => ({
    mapping: numberAt(message, 2) === 0 ? undefined : get(mappings, numberAt(message, 2)),
    address: numberAt(message, 3),
    lines: messagesAt(message, 4).map((line) => ({
      ...get(functions, numberAt(line, 1)),
      line: numberAt(line, 2),
    })),
  }));
  const samples = messagesAt(profile, 2).map((message) => ({
    locations: packedAt(message, 1).map((id) => get(locations, id)),
    values: packedAt(message, 2),
    labels: Object.fromEntries(
      messagesAt(message, 3).map((label) => [
        text(label, 1),
        label.has(3) ? numberAt(label, 3) : text(label, 2),
      ]),
    ),
  }));
  return {
    sampleTypes: messagesAt(profile, 1).map(valueType),
    samples,
    mappings: [...mappings.values()],
    locations: [...locations.values()],
    timeNanos: profile.get(9)?.[0],
    durationNanos: numberAt(profile, 10),
    periodType: messagesAt(profile, 11).map(valueType),
    period: numberAt(profile, 12),
    comments: (profile.get(13) ?? []).map((index) => strings[Number(index)]),
    defaultSampleType: text(profile, 14),
  };
}

function written(profile: Profile): ReturnType<typeof read> {
  return read(writePprof(profile));
}

/** The sample's function names, leaf first. */
function namesOf(sample: ReturnType<typeof read>['samples'][number]): string[] {
  return sample.locations.flatMap(({ lines }) => lines.map(({ name }) => name));
}

describe('pprof', () => {
  const test = new TestProfile()
    .add({ pid: 7, tid: 8, process: 'node', stack: ['main', 'loop>step', 'k:read'] })
    .add({ pid: 7, tid: 8, process: 'node', stack: ['main', 'loop>step', 'k:read'] })
    .add({ pid: 7, tid: 7, process: 'node', stack: ['main', '?@libz.so#6699'], weight: 5 })
    .add({ pid: 9, process: 'cc1', stack: undefined });
  test.profile.header = { ...HEADER, sequence: 0, startNs: 0 };
  test.profile.addLosses([
    { reason: 'sample-ring-full', count: 3 },
    { reason: 'map-full', count: 0 },
  ]);
  const pprof = written(test.profile);

  it('has samples and CPU time, by thread and stack', () => {
    expect(pprof.sampleTypes).toEqual(['samples/count', 'cpu/nanoseconds']);
    expect(pprof.defaultSampleType).toBe('cpu');
    expect(pprof.samples.map((sample) => [namesOf(sample), sample.values])).toEqual([
      [
        ['read', 'step', 'loop', 'main'],
        [2, 20],
      ],
      [
        ['libz.so+0x1a2b', 'main'],
        [1, 5],
      ],
      [['[stack lost]'], [1, 10]],
    ]);
  });

  it('labels each sample with its process and thread', () => {
    expect(pprof.samples[0].labels).toEqual({ pid: 7, tid: 8, process: 'node', thread: 'node/8' });
    expect(pprof.samples[2].labels).toEqual({ pid: 9, tid: 9, process: 'cc1', thread: 'cc1/9' });
  });

  it('has inlined functions in one location, innermost first, with their lines', () => {
    const [, location] = pprof.samples[0].locations;
    expect(location.lines.map(({ name, file, line }) => [name, file, line])).toEqual([
      ['step', 'step.c', 7],
      ['loop', '', 0],
    ]);
  });

  it('has no names of the system, of which `go tool pprof` would cut out what is in brackets', () => {
    const lines = pprof.samples.flatMap(({ locations }) => locations.flatMap(({ lines }) => lines));
    expect(new Set(lines.map(({ systemName }) => systemName))).toEqual(new Set(['']));
  });

  it('has mappings with build IDs, and addresses in them', () => {
    expect(pprof.mappings.map(({ file, buildId }) => [file, buildId])).toEqual([
      ['/usr/bin/prog', 'ab12'],
      ['[kernel]', 'ab12'],
      ['/usr/bin/libz.so', 'ab12'],
    ]);
    const unnamed = pprof.samples[1].locations[0];
    const { start = 0, fileOffset = 0 } = unnamed.mapping ?? {};
    expect(unnamed.address - start + fileOffset).toBe(6699);
    expect(fileOffset).toBe(4096);
    // Functions are known everywhere: nothing is to be symbolized again from addresses that were made up.
    expect(pprof.mappings.every(({ has }) => has[0])).toBe(true);
    expect(pprof.mappings.map(({ has }) => has.slice(1))).toEqual([
      [true, true, true],
      [true, true, false],
      [false, false, false],
    ]);
  });

  it('says when, how long, how often, and what was lost', () => {
    expect(pprof.timeNanos).toBe(1_700_000_000_000_000_000n);
    expect(pprof.durationNanos).toBe(1e9);
    expect(pprof.periodType).toEqual(['cpu/nanoseconds']);
    expect(pprof.period).toBe(1e7);
    expect(pprof.comments).toEqual(['lost: 3 sample-ring-full']);
  });

  it('says what a wait stands for at least, and nothing of samples of several kinds', () => {
    const header = { ...HEADER, sequence: 0, startNs: 0, thresholdNs: 5e6 };
    for (const [type, periodNs] of [
      ['off-cpu', 5e6],
      ['wall', 0],
    ] as const) {
      const waits = new TestProfile().add({ stack: ['main', 'read'], type: [type, 'nanoseconds'] });
      waits.profile.header = header;
      const { periodType, period } = written(waits.profile);
      expect(periodType).toEqual(periodNs === 0 ? [] : [`${type}/nanoseconds`]);
      expect(period).toBe(periodNs);
    }
  });

  it('puts JIT code at its own addresses', () => {
    const jit = written(
      new TestProfile().add({ stack: ['main', `j:compiled#${0x7f0012345678}`] }).profile,
    );
    const [leaf] = jit.samples[0].locations;
    expect(leaf.address).toBe(0x7f0012345678);
    expect(leaf.mapping?.start).toBe(0x7f0012345000);
    expect(leaf.mapping?.limit).toBe(0x7f0012346000);
  });

  it('of an import has only counts, and no processes', () => {
    const parser = new CollapsedParser();
    parser.push(new TextEncoder().encode('main;a 3\nmain;b_[k] 4\n'));
    const imported = written(parser.end().profile);
    expect(imported.sampleTypes).toEqual(['samples/count']);
    expect(imported.defaultSampleType).toBe('samples');
    expect(
      imported.samples.map((sample) => [namesOf(sample), sample.values, sample.labels]),
    ).toEqual([
      [['a', 'main'], [3], {}],
      [['b', 'main'], [4], {}],
    ]);
    expect(imported.periodType).toEqual([]);
  });

  it('has all weights of any profile, every ID, and addresses in disjoint mappings', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 300 }), (numbers) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const { samples, mappings, locations } = written(profile);
        const sum = (column: number): number =>
          samples.reduce((total, { values }) => total + values[column], 0);
        expect(sum(0)).toBe(profile.samples.length);
        const weights = profile.samples.columns.weight.subarray(0, profile.samples.length);
        expect(sum(1) || 0).toBe(weights.reduce((total, weight) => total + weight, 0));
        for (const { mapping, address, lines } of locations) {
          expect(lines.length).toBeGreaterThan(0);
          if (mapping === undefined) continue;
          expect(address).toBeGreaterThanOrEqual(mapping.start);
          expect(address).toBeLessThan(mapping.limit);
        }
        const placed = mappings.filter(({ file }) => file !== '[jit]');
        placed.sort((a, b) => a.start - b.start);
        for (let i = 1; i < placed.length; i++)
          expect(placed[i].start).toBeGreaterThan(placed[i - 1].limit);
      }),
    );
  });
});
