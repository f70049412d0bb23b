import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import { type ChunkHeader, profileOf } from './chunk';
import { PairTable } from './pair-table';
import { chunksOf, contentsOf, randomSteps, TestProfile } from './profiles-for-tests';
import { type FrameKind, MappingKind, NONE } from './schema';
import { Table } from './table';

describe('a builder', () => {
  it('gives the same thing the same index', () => {
    const { builder } = new TestProfile();
    expect(builder.string('a')).toBe(builder.string('a'));
    expect(builder.string('a')).not.toBe(builder.string('b'));
    const mapping = builder.mapping('ab', '/bin/x', MappingKind.Executable);
    expect(builder.mapping('ab', '/bin/x', MappingKind.Executable)).toBe(mapping);
    expect(builder.mapping('cd', '/bin/x', MappingKind.Executable)).not.toBe(mapping);
    expect(builder.frameAt(mapping, 16, 1)).toBe(builder.frameAt(mapping, 16, 1));
    expect(builder.frameAt(mapping, 16, 1)).not.toBe(builder.frameAt(mapping, 17, 1));
    expect(builder.sampleType('cpu', 'nanoseconds')).toBe(0);
    expect(builder.sampleType('wall', 'nanoseconds')).toBe(1);
    expect(builder.sampleType('cpu', 'nanoseconds')).toBe(0);
  });

  it('shares the callers of stacks', () => {
    const test = new TestProfile();
    const short = test.stack(['main', 'a']);
    const long = test.stack(['main', 'a', 'b']);
    expect(test.profile.stacks.columns.parent[long]).toBe(short);
    expect(test.profile.stacks.length).toBe(3);
    expect(test.profile.stacks.columns.parent[0]).toBe(NONE);
  });

  it('sends late names as a patch, and only when they are new', () => {
    const test = new TestProfile().add({ stack: ['?#5'] });
    expect(test.cut().patch.frame.length).toBe(0);
    test.rename('?#5', 'late');
    const chunk = test.cut();
    expect([...chunk.patch.frame]).toEqual([0]);
    expect(test.profile.string(chunk.patch.functionName[0])).toBe('late');
    test.rename('?#5', 'late');
    expect(test.cut().patch.frame.length).toBe(0);
  });

  it('continues a profile that was read, with rows of the same indices', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 200 }), (numbers) => {
        const chunks = chunksOf(randomSteps(numbers));
        const builder = new ProfileBuilder(profileOf(chunks));
        const { strings, mappings, frames, stacks } = builder.profile;
        const before = [strings.length, frames.length, stacks.length];
        for (const [i, text] of strings.entries()) expect(builder.string(text)).toBe(i);
        const { mapping, offset, kind } = frames.columns;
        for (let i = 0; i < frames.length; i++) {
          if (offset[i] < 0) continue;
          expect(builder.frameAt(mapping[i], offset[i], kind[i] as FrameKind)).toBe(i);
        }
        for (let i = 0; i < stacks.length; i++) {
          const { parent, frame } = stacks.columns;
          expect(builder.stack(parent[i], frame[i])).toBe(i);
        }
        expect([strings.length, frames.length, stacks.length]).toEqual(before);
        const named = [...Array(frames.length).keys()].find((i) => offset[i] >= 0);
        if (named === undefined || mappings.length === 0) return;
        const functionName = builder.string('better name');
        builder.symbolize(named, { functionName, file: NONE, line: 0, inlinedInto: NONE });
        const header = builder.profile.header as ChunkHeader;
        const late = builder.cutChunk({ ...header, startNs: header.endNs }, []);
        const whole = profileOf([...chunks, late]);
        expect(late.tables.samples.length).toBe(0);
        expect(whole.string(whole.frames.columns.functionName[named])).toBe('better name');
        expect(whole.samples.length).toBe(profileOf(chunks).samples.length);
      }),
      { numRuns: 50 },
    );
  });

  it('cuts chunks that make its own tables, whatever was done', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 300 }), (numbers) => {
        const steps = randomSteps(numbers);
        const test = new TestProfile();
        for (const step of steps) {
          if (step.do === 'sample') test.add(step.sample);
          else if (step.do === 'rename') test.rename(step.frame, step.name);
        }
        const tables = (contents: unknown): unknown => ({
          ...(contents as object),
          header: undefined,
          losses: undefined,
        });
        expect(tables(contentsOf(profileOf(chunksOf(steps))))).toEqual(
          tables(contentsOf(test.profile)),
        );
      }),
    );
  });
});

describe('a pair table', () => {
  it('holds what a map would', () => {
    const key = fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: 0xfffffff0, max: NONE }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, key, fc.nat(), fc.boolean()), { maxLength: 500 }),
        (entries) => {
          const table = new PairTable();
          const expected = new Map<string, number>();
          for (const [a, b, value, replaces] of entries) {
            const name = `${a} ${b}`;
            if (replaces || !expected.has(name)) expected.set(name, value);
            if (replaces) table.set(a, b, value);
            else expect(table.add(a, b, value)).toBe(expected.get(name));
          }
          expect(table.size).toBe(expected.size);
          for (const [a, b] of entries) expect(table.get(a, b)).toBe(expected.get(`${a} ${b}`));
          expect(table.get(12345, 1)).toBe(NONE);
        },
      ),
    );
  });

  it('grows to hundreds of thousands of neighbouring keys', () => {
    const table = new PairTable();
    for (let i = 0; i < 300_000; i++) table.set(i >>> 3, i & 7, i);
    expect(table.size).toBe(300_000);
    for (let i = 0; i < 300_000; i += 997) expect(table.get(i >>> 3, i & 7)).toBe(i);
  });
});

describe('a table', () => {
  it('keeps its rows when it grows', () => {
    const table = new Table('stacks', 1);
    for (let i = 0; i < 1000; i++) expect(table.push({ parent: i, frame: i * 2 })).toBe(i);
    table.pushRange(table.columns, 10, 20);
    expect(table.length).toBe(1010);
    expect(table.columns.frame[999]).toBe(1998);
    expect([...table.columns.parent.subarray(1000, 1010)]).toEqual([
      10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ]);
    table.clear();
    expect(table.length).toBe(0);
  });
});
