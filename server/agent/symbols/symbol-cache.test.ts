import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isPlaceName } from '@/profile/names';
import { ElfFile } from '../elf/elf-file';
import { Demangler } from './demangle';
import { ModuleSymbols } from './module-symbols';
import { SymbolCache } from './symbol-cache';
import { run, TestFolder } from './test-binaries';
import { toFrames } from './to-frames';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** More functions than are read as quickly from the file itself, each with an inlined one. */
const MANY = `
  static inline __attribute__((always_inline)) int inner(int a) { return a * 3 + 1; }
  ${Array.from({ length: 2500 }, (_, i) => `int function_${i}(int a) { return inner(a) ^ ${i}; }`).join('\n')}
  int main(int argc, char **argv) { return function_7(argc); }`;

const demangler = new Demangler();
let folder: TestFolder;
/** With its own symbols; stripped, with compressed debug information in another file; packed by xz. */
let programs: Readonly<Record<'whole' | 'split' | 'packed', string>>;
let cacheFolder: string;
let caches = 0;

beforeAll(() => {
  folder = new TestFolder();
  const whole = folder.compile('whole.c', MANY, '-g', '-O1', '-gz=zlib', '-Wl,--build-id=sha1');
  const [split, packed, mini] = ['split', 'packed', 'mini'].map((name) => join(folder.path, name));
  run('objcopy', ['--only-keep-debug', whole, `${split}.debug`]);
  run('objcopy', ['--strip-all', `--add-gnu-debuglink=${split}.debug`, whole, split]);
  run('objcopy', ['--only-keep-debug', '--strip-debug', whole, mini]);
  run('xz', [mini]);
  run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${mini}.xz`, whole, packed]);
  programs = { whole, split, packed };
});
afterAll(() => folder.remove());
beforeEach(() => {
  cacheFolder = join(folder.path, `cache-${caches++}`);
});

interface Named {
  readonly names: readonly (string | undefined)[];
  readonly sources: readonly string[];
  readonly problem: string | undefined;
}

/** What a new start finds, all over the code. */
function nameAll(path: string, withCache = true): Named {
  const cache = withCache ? new SymbolCache(cacheFolder) : undefined;
  const module = ModuleSymbols.load({ key: 'key', path }, cache);
  const elf = ElfFile.open(path);
  const text = elf.section('.text')!;
  elf.close();
  const offsets = Float64Array.from({ length: text.size >> 2 }, (_, i) => text.offset + i * 4);
  const names = toFrames(module.symbolize(offsets, demangler)).map((place) =>
    place === undefined
      ? undefined
      : [place, ...(place.inlined ?? [])]
          .map(({ functionName, line }) => `${functionName}:${line}`)
          .join(' '),
  );
  const { sources } = module.report;
  module.close();
  cache?.close();
  return { names, sources, problem: cache?.problem };
}

const suffixes = (): string[] =>
  [...new Set(readdirSync(cacheFolder).map((name) => name.slice(name.lastIndexOf('.'))))].sort();

describe('symbols on disk', () => {
  it.each([
    ['whole', ['.section', '.symbols']],
    ['split', ['.section', '.symbols']],
    ['packed', ['.symbols']],
  ] as const)('are those of the %s program itself, at every start', (name, kept) => {
    const path = programs[name];
    const expected = nameAll(path, false);
    expect(
      expected.names.filter((text) => text?.startsWith('function_') === true).length,
    ).toBeGreaterThan(1000);
    expect(nameAll(path)).toEqual(expected);
    expect(suffixes()).toEqual(kept);
    const before = readdirSync(cacheFolder).length;
    expect(nameAll(path)).toEqual(expected);
    expect(readdirSync(cacheFolder).length).toBe(before);
  });

  it('are better once a debug file is there', () => {
    const path = programs.split;
    const debug = readFileSync(`${path}.debug`);
    rmSync(`${path}.debug`);
    const worse = nameAll(path).names;
    writeFileSync(`${path}.debug`, debug);
    expect(worse.some((text) => text !== undefined && !isPlaceName(text))).toBe(false);
    expect(nameAll(path)).toEqual(nameAll(path, false));
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, 40)],
    ['empty', (path: string) => truncateSync(path, 0)],
    ['without its end', (path: string) => truncateSync(path, readFileSync(path).length - 1)],
    ['overwritten', (path: string) => writeFileSync(path, 'x'.repeat(100_000))],
    [
      'changed in one byte',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 100] ^= 1;
        writeFileSync(path, bytes);
      },
    ],
  ])('that were %s are read from the program again, and replaced', (_, damage) => {
    const path = programs.split;
    const expected = nameAll(path);
    const files = readdirSync(cacheFolder);
    for (const name of files) damage(join(cacheFolder, name));
    const { problem, ...again } = nameAll(path);
    expect(again).toEqual({ names: expected.names, sources: expected.sources });
    expect(problem).toMatch(/not a (symbol file|cached section)/);
    expect(readdirSync(cacheFolder).sort()).toEqual(files.sort());
    expect(nameAll(path)).toEqual(expected);
  });

  it('are not kept for a program without a build ID, which may be another one the next time', () => {
    const path = folder.compile('no-id.c', MANY, '-g', '-gz=zlib', '-Wl,--build-id=none');
    nameAll(path);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });

  it('are not kept where reading them is not quicker', () => {
    const path = folder.compile('small.c', 'int main(void) { return 0; }', '-Wl,--build-id=sha1');
    nameAll(path);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });
});
