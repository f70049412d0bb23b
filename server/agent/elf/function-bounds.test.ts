import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run, TestFolder } from '../symbols/test-binaries';
import { ElfFile } from './elf-file';
import { FunctionBounds } from './function-bounds';

const folder = new TestFolder();
afterAll(() => folder.remove());

/** What readelf says: [start, end) of each entry. */
function entriesOf(path: string): (readonly [number, number])[] {
  const text = run('readelf', ['--debug-dump=frames', '-W', path]);
  return Array.from(
    text.matchAll(/ FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)/g),
    ([, start, end]) => [Number.parseInt(start, 16), Number.parseInt(end, 16)] as const,
  );
}

describe('the bounds of functions', () => {
  it.each(['/bin/dash', '/usr/bin/perl'])(
    'of %s are those that readelf tells, and what is between them is in none',
    (path) => {
      const bounds = FunctionBounds.open(ElfFile.open(path)) as FunctionBounds;
      const entries = entriesOf(path).sort((a, b) => a[0] - b[0]);
      expect(entries.length).toBeGreaterThan(50);
      for (const [i, [start, end]] of entries.entries()) {
        if (end <= start) continue;
        for (const address of [start, (start + end) >>> 1, end - 1])
          expect(bounds.find(address)).toEqual({ start, end, isFunction: true });
        const next = entries[i + 1]?.[0] ?? Number.POSITIVE_INFINITY;
        if (end < next)
          expect(bounds.find(end)).toEqual({ start: end, end: next, isFunction: false });
      }
      const [[first]] = entries;
      expect(bounds.find(first - 1)).toEqual({
        start: Number.NEGATIVE_INFINITY,
        end: first,
        isFunction: false,
      });
      bounds.close();
    },
  );

  it('are not known where the table is missing, or of another form', () => {
    const source = 'int main(void) { return 0; }';
    const path = folder.compile('without.c', source, '-Wl,--no-eh-frame-hdr', '-static');
    expect(FunctionBounds.open(ElfFile.open(path))).toBeUndefined();
    const other = join(folder.path, 'other');
    copyFileSync('/bin/dash', other);
    const bytes = readFileSync(other);
    const header = ElfFile.open(bytes).section('.eh_frame_hdr') as { readonly offset: number };
    bytes[header.offset + 3] = 0x1b;
    writeFileSync(other, bytes);
    expect(FunctionBounds.open(ElfFile.open(other))).toBeUndefined();
  });
});
