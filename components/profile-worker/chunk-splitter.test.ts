import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeChunk } from '@/profile/chunk';
import { TestProfile } from '@/profile/profiles-for-tests';
import { ChunkSplitter } from './chunk-splitter';

const source = new TestProfile();
const CHUNKS = ['a', 'b', 'c', 'd'].map((name) =>
  encodeChunk(source.add({ stack: ['main', name] }).cut()),
);
const STREAM = Buffer.concat(CHUNKS);

describe('ChunkSplitter', () => {
  it('hands over the same chunks however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: STREAM.length - 1 })), (cuts) => {
        const splitter = new ChunkSplitter();
        const taken: Buffer[] = [];
        let from = 0;
        for (const to of [...cuts.sort((a, b) => a - b), STREAM.length]) {
          splitter.push(STREAM.subarray(from, to), (chunk) => taken.push(Buffer.from(chunk)));
          from = to;
        }
        expect(taken).toEqual(CHUNKS.map((chunk) => Buffer.from(chunk)));
        expect(splitter.rest).toBe(0);
      }),
    );
  });

  it('says when the stream ended in the middle', () => {
    const splitter = new ChunkSplitter();
    splitter.push(STREAM.subarray(0, STREAM.length - 1), () => {});
    expect(splitter.rest).toBeGreaterThan(0);
  });
});
