import { appendFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { latestOnTop } from './latest-on-top';
import { JitTable, PerfMap } from './perf-map';

describe('ranges laid over each other', () => {
  it('show the latest at every address', () => {
    const range = fc.record({ start: fc.nat(40), size: fc.integer({ min: 1, max: 15 }) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 15 }), (ranges) => {
        const { starts, ends, owners } = latestOnTop(
          Float64Array.from(ranges, ({ start }) => start),
          Float64Array.from(ranges, ({ start, size }) => start + size),
        );
        for (let i = 1; i < starts.length; i++)
          expect(starts[i]).toBeGreaterThanOrEqual(ends[i - 1]);
        for (let address = 0; address < 60; address++) {
          const expected = ranges.findLastIndex(
            ({ start, size }) => address >= start && address < start + size,
          );
          const at = starts.findLastIndex((start) => start <= address);
          expect(at >= 0 && address < ends[at] ? owners[at] : -1).toBe(expected);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a JIT table', () => {
  const nameAt = (table: JitTable, address: number): string | undefined => {
    const range = table.find(address);
    return range < 0 ? undefined : table.name(range);
  };

  it('takes lines with and without 0x, and passes over garbage', () => {
    const table = new JitTable();
    table.add(
      Buffer.from(
        'garbage\n7f0000001000 20 first function\n0x7f0000001040 0x10 second\n\n1 2\nzz 10 x\n' +
          '10 zz x\n5 0 empty\n7f0000001050 8 LazyCompile:*fö file.js:1:2\n123456789012345678 1 too_long\n',
      ),
    );
    expect(table.length).toBe(3);
    expect(nameAt(table, 0x7f0000001000)).toBe('first function');
    expect(nameAt(table, 0x7f000000101f)).toBe('first function');
    expect(nameAt(table, 0x7f0000001020)).toBeUndefined();
    expect(nameAt(table, 0x7f0000001040)).toBe('second');
    expect(nameAt(table, 0x7f0000001057)).toBe('LazyCompile:*fö file.js:1:2');
  });

  it('lets later lines override earlier ones, in one piece or in many', () => {
    const lines = [
      '1000 100 old\n',
      '1040 20 inside\n',
      '10f0 20 across the end\n',
      '1050 4 again\n',
    ];
    const whole = new JitTable();
    whole.add(Buffer.from(lines.join('')));
    const pieces = new JitTable();
    for (const line of lines) pieces.add(Buffer.from(line));
    for (const table of [whole, pieces]) {
      expect(
        [0x1000, 0x1040, 0x1050, 0x1054, 0x1060, 0x10f0, 0x110f, 0x1110].map((a) =>
          nameAt(table, a),
        ),
      ).toEqual([
        'old',
        'inside',
        'again',
        'inside',
        'old',
        'across the end',
        'across the end',
        undefined,
      ]);
    }
  });

  it('does not grow where code replaces code', () => {
    const table = new JitTable();
    const lines = Array.from({ length: 1000 }, (_, i) => `${(0x1000 + i * 16).toString(16)} 10 f`);
    for (let round = 0; round < 50; round++) {
      table.add(Buffer.from(lines.map((line) => `${line}${'x'.repeat(100)}${round}\n`).join('')));
    }
    expect(table.length).toBe(1000);
    expect(table.bytes).toBeLessThan(3e6);
    expect(nameAt(table, 0x1000)).toMatch(/x49$/);
  });
});

describe('the perf map of a process', () => {
  const path = `/tmp/perf-${process.pid}.map`;
  afterEach(() => rmSync(path, { force: true }));
  const self = { pid: process.pid, namespacePid: process.pid };

  it('is read on as it grows, and anew when it starts over', () => {
    const map = new PerfMap(self);
    expect(map.table(0).length).toBe(0);
    writeFileSync(path, '1000 10 first\n2000 10 sec');
    expect(map.table(1e6).length).toBe(1);
    appendFileSync(path, 'ond\n');
    // Not looked at again at once.
    expect(map.table(1e6 + 1).find(0x2000)).toBe(-1);
    const table = map.table(2e6);
    expect(table.name(table.find(0x2000))).toBe('second');
    rmSync(path);
    expect(map.table(3e6).length).toBe(2);
    writeFileSync(path, '3000 10 other\n');
    expect(map.table(4e6).length).toBe(1);
  });

  it('is not read through a link, nor of a process that is gone', () => {
    const map = new PerfMap(self);
    writeFileSync(`${path}.real`, '1000 10 first\n');
    symlinkSync(`${path}.real`, path);
    expect(map.table(0).length).toBe(0);
    rmSync(`${path}.real`);
    expect(new PerfMap({ pid: 4194303, namespacePid: 1 }).table(0).length).toBe(0);
  });
});
