import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Segment, SegmentPool } from './unwind-segments';

const CAPACITY = 64;
const HIGH = 2 ** 32;

/** The hash map in the kernel, as far as the pool uses it. */
class FakeMap {
  readonly entries = new Map<number, { first: number; count: number }>();

  update(key: Uint8Array, value: Uint8Array): void {
    const [first, count] = new Uint32Array(value.slice().buffer);
    this.entries.set(new Uint32Array(key.slice().buffer)[0], { first, count });
  }

  delete(key: Uint8Array): boolean {
    return this.entries.delete(new Uint32Array(key.slice().buffer)[0]);
  }
}

function setUp() {
  const memory = new ArrayBuffer(CAPACITY * 32);
  const map = new FakeMap();
  const pool = new SegmentPool(memory, map, () => {});
  const words = new Uint32Array(memory);
  const read = (pid: number): Segment[] | undefined => {
    const range = map.entries.get(pid);
    if (range === undefined) return undefined;
    return Array.from({ length: range.count }, (_, i) => {
      const at = (range.first + i) * 8;
      const u64 = (word: number): number => words[at + word] + words[at + word + 1] * HIGH;
      return { start: u64(0), end: u64(2), bias: u64(4), module: words[at + 6] };
    });
  };
  return { pool, map, read };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const segment = fc.record({
  start: fc.integer({ min: 0, max: 2 ** 47 }),
  end: fc.integer({ min: 0, max: 2 ** 47 }),
  bias: fc.integer({ min: 0, max: 2 ** 47 }),
  module: fc.nat(4095),
});
const action = fc.oneof(
  fc.record({
    do: fc.constant('set' as const),
    pid: fc.nat(5),
    segments: fc.array(segment, { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ do: fc.constant('fork' as const), pid: fc.nat(5), parent: fc.nat(5) }),
  fc.record({ do: fc.constant('delete' as const), pid: fc.nat(5) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(5000) }),
);

describe('SegmentPool', () => {
  it('shows each process its own segments, whatever happens to others', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const { pool, map, read } = setUp();
        const expected = new Map<number, readonly Segment[]>();
        for (const step of actions) {
          switch (step.do) {
            case 'set':
              if (pool.set(step.pid, step.segments)) expected.set(step.pid, step.segments);
              break;
            case 'fork': {
              const parent = map.entries.get(step.parent);
              const segments = expected.get(step.parent);
              if (parent === undefined || segments === undefined || step.parent === step.pid) break;
              map.entries.set(step.pid, parent);
              pool.copy(step.parent, step.pid);
              expected.set(step.pid, segments);
              break;
            }
            case 'delete':
              pool.delete(step.pid);
              expected.delete(step.pid);
              break;
            case 'wait':
              vi.advanceTimersByTime(step.ms);
          }
          for (const [pid, segments] of expected) expect(read(pid)).toEqual(segments);
        }
      }),
    );
  });

  it('says when there is no room, and has it again when processes have ended', () => {
    const { pool } = setUp();
    const full = Array.from({ length: CAPACITY }, (_, i) => ({
      start: i,
      end: i + 1,
      bias: 0,
      module: 0,
    }));
    expect(pool.set(1, full)).toBe(true);
    expect(pool.set(2, full.slice(0, 1))).toBe(false);
    pool.delete(1);
    expect(pool.set(2, full), 'a program may still read the old range').toBe(false);
    vi.advanceTimersByTime(4000);
    expect(pool.set(2, full)).toBe(true);
  });
});
