import { describe, expect, it } from 'vitest';
import { ByteLru } from './byte-lru';

describe('a map bounded by bytes', () => {
  it('forgets what was used longest ago', () => {
    const evicted: number[] = [];
    const lru = new ByteLru<string, { bytes: number }>(100, ({ bytes }) => evicted.push(bytes));
    lru.set('a', { bytes: 41 });
    lru.set('b', { bytes: 42 });
    lru.get('a');
    lru.set('c', { bytes: 43 });
    expect(evicted).toEqual([42]);
    expect(lru.values().map(({ bytes }) => bytes)).toEqual([41, 43]);
    expect(lru.bytes).toBe(84);
  });

  it('forgets what is not used any more', async () => {
    const lru = new ByteLru<string, { bytes: number }>(100);
    lru.set('old', { bytes: 1 });
    lru.set('used', { bytes: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const beforeMs = performance.now();
    lru.get('used');
    lru.set('new', { bytes: 1 });
    lru.forgetUnused(beforeMs);
    expect(lru.get('old')).toBeUndefined();
    expect(lru.size).toBe(2);
  });

  it('keeps the last one, however large, and notices growth when trimmed', () => {
    const lru = new ByteLru<string, { bytes: number }>(100);
    lru.set('small', { bytes: 1 });
    const grown = { bytes: 10 };
    lru.set('grown', grown);
    grown.bytes = 1000;
    lru.trim();
    expect(lru.get('small')).toBeUndefined();
    expect(lru.get('grown')).toBe(grown);
    expect(lru.size).toBe(1);
  });
});
