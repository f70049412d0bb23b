/** The tables of this machine's own programs and libraries, compared with what readelf says, row by row. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { TestFolder } from '../symbols/test-binaries';
import { compareFrame, emptyComparison, expressionOf } from './compare-for-tests';
import { compileUnwindTable } from './compile';
import { decodeRule, FpRule, findRule, RuleKind } from './format';
import { type ReadelfFrame, readelfExpressions, readelfFrames } from './readelf-for-tests';

const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

/** Files to compare, each once however many links lead to it. */
function subjects(): string[] {
  const wanted = [
    process.execPath,
    `${LIBRARIES}/libc.so.6`,
    `${LIBRARIES}/libstdc++.so.6`,
    `${LIBRARIES}/libm.so.6`,
    `${LIBRARIES}/libcrypto.so.3`,
    `${LIBRARIES}/libLLVM-14.so.1`,
    '/lib64/ld-linux-x86-64.so.2',
    '/usr/lib/chromium/chromium',
    ...largest('/usr/bin', 8),
    ...largest(LIBRARIES, 8),
    ...['bash', 'ls', 'dash', 'tar', 'grep', 'python3', 'perl', 'gcc'].map(
      (name) => `/usr/bin/${name}`,
    ),
  ];
  return [...new Set(wanted.filter(existsSync).map((path) => realpathSync(path)))];
}

/** The largest ELF files of a folder up to 20 MB. */
function largest(folder: string, count: number): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(folder, entry.name))
    .map((path) => ({ path, size: statSync(path).size }))
    .sort((a, b) => b.size - a.size)
    .filter(({ path, size }) => size < 20e6 && isProgram(path))
    .slice(0, count)
    .map(({ path }) => path);
}

function isProgram(path: string): boolean {
  try {
    const elf = ElfFile.open(path);
    const hasFrames = elf.machine === 'x86-64' && elf.section('.eh_frame') !== undefined;
    elf.close();
    return hasFrames;
  } catch {
    return false;
  }
}

const paths = process.arch === 'x64' && existsSync('/usr/bin/readelf') ? subjects() : [];
const describeHere = paths.length > 0 ? describe : describe.skip;

describeHere('tables of real files say what readelf says', { timeout: 60_000 }, () => {
  it('has at least 20 files to compare', () => {
    expect(paths.length).toBeGreaterThanOrEqual(20);
  });

  it.each(paths)('%s', async (path) => {
    await compare(path);
  });
});

const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int argc, char **argv)
{
	int numbers[64 + argc];
	_Alignas(64) char line[256];
	for (int i = 0; i < 64; i++)
		numbers[i] = rand();
	qsort(numbers, 64, sizeof(int), compare);
	snprintf(line, sizeof(line), "%d %s", numbers[argc], argv[0]);
	return puts(line);
}
`;

describeHere(
  'tables of freshly compiled programs say what readelf says',
  { timeout: 60_000 },
  () => {
    const folder = new TestFolder();
    afterAll(() => folder.remove());

    const NO_EH_FRAME = ['-g', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables'];
    it.each([
      ['gcc -O0', ['-O0']],
      ['gcc -O3 -flto', ['-O3', '-flto']],
      ['gcc -O2 with frames in .debug_frame', ['-O2', ...NO_EH_FRAME]],
      ['gcc -O0 with frames in compressed .debug_frame', ['-O0', ...NO_EH_FRAME, '-gz']],
      ['gcc -O2 -static', ['-O2', '-static']],
      [
        'gcc -O2 without frame pointers, -fcf-protection',
        ['-O2', '-fomit-frame-pointer', '-fcf-protection', '-Wl,-z,ibtplt,-z,lazy'],
      ],
    ])('%s', async (_, flags) => {
      const sections = await compare(folder.compile('program.c', PROGRAM, ...flags));
      expect(sections.has('.debug_frame')).toBe(flags.includes('-g'));
    });

    it('g++ -O3 with exceptions', async () => {
      const source = `#include <stdexcept>
#include <string>
int main(int argc, char **argv) {
  try { throw std::runtime_error(std::string(argv[0]) + "!"); }
  catch (const std::exception &e) { return e.what()[argc]; }
}`;
      await compare(folder.compile('program.cpp', source, '-O3'));
    });

    it('rustc -O', async () => {
      const source = 'fn main() { println!("{:?}", std::env::args().collect::<Vec<_>>()); }';
      await compare(folder.compile('program.rs', source, '-O'));
    });
  },
);

/** Fails where the file's table is not what readelf says. Answers the sections in which there are frames. */
async function compare(path: string): Promise<Set<string>> {
  const elf = ElfFile.open(path);
  const table = compileUnwindTable(elf);
  const linkage = elf.sections.filter(({ name }) => name.startsWith('.plt'));
  elf.close();
  expect(table.counts.skippedFdes).toBe(0);

  const frames: ReadelfFrame[] = [];
  await readelfFrames(path, (frame) => frames.push(frame));
  frames.sort((a, b) => a.start - b.start);
  const result = emptyComparison();
  frames.forEach((frame, index) => {
    compareFrame(table, frame, frames[index + 1], result);
  });
  const summary = [...result.unfollowed].map(([reason, count]) => `${reason} ${count}`).join(', ');
  console.info(
    `${path}: ${result.frames} frames, ${result.rows} rows; ${summary || 'all followed'}`,
  );
  expect(result.differences).toEqual([]);
  expect(result.frames).toBe(frames.length);
  expect(result.overlapping).toBeLessThanOrEqual(result.rows / 1000);

  const gaps = gapsBetween(frames).filter(({ size }) => size >= 16);
  const covered = gaps.filter(({ start }) => findRule(table, start) > 1);
  const inLinkage = ({ start }: { start: number }): boolean =>
    linkage.some(({ address, size }) => start >= address && start < address + size);
  expect(covered.filter((gap) => !inLinkage(gap))).toEqual([]);

  const expressions = await readelfExpressions(path);
  for (const [address, text] of expressions.cfa) {
    const rule = decodeRule(table.rules, findRule(table, address));
    if (rule.kind === RuleKind.Unsupported || rule.kind === RuleKind.Signal) continue;
    expect([address, expressionOf(rule.kind, rule.parameter)]).toEqual([address, text]);
  }
  for (const [address, text] of expressions.fp) {
    const rule = decodeRule(table.rules, findRule(table, address));
    if (rule.kind === RuleKind.Signal) continue;
    const register = rule.fp === FpRule.AtFp ? 'DW_OP_breg6 (rbp)' : 'DW_OP_breg7 (rsp)';
    expect([address, text]).toEqual([address, `${register}: ${rule.fpOffset}`]);
  }
  return new Set(frames.map(({ section }) => section));
}

function gapsBetween(frames: readonly ReadelfFrame[]): { start: number; size: number }[] {
  const gaps: { start: number; size: number }[] = [];
  let end = frames[0]?.end ?? 0;
  for (const frame of frames) {
    if (frame.start > end) gaps.push({ start: end, size: frame.start - end });
    end = Math.max(end, frame.end);
  }
  return gaps;
}
