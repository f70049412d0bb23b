import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { FrameTexts } from './frame-rows';
import {
  NONE,
  type SentNames,
  SymbolError,
  type SymbolizedFrame,
  type SymbolQuery,
} from './protocol';
import { SymbolService } from './symbol-service';
import { run, TestFolder } from './test-binaries';
import { toFrames } from './to-frames';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

function names(service: SymbolService, query: SymbolQuery): (string | undefined)[] {
  const result = service.answer(query);
  if (result.kind !== 'frames') throw new Error('no frames');
  return toFrames(result.frames).map((frame) => frame?.functionName);
}

const moduleQuery = (path: string, key: string, ...offsets: number[]): SymbolQuery => ({
  kind: 'module',
  module: { key, path },
  fileOffsets: Float64Array.from(offsets),
});

const report = (service: SymbolService) => {
  const result = service.answer({ kind: 'report' });
  if (result.kind !== 'report') throw new Error('no report');
  return result.report;
};

describe('the symbol service', () => {
  it('names kernel functions, with their modules, and knows where the kernel starts', () => {
    const service = new SymbolService();
    const base = service.answer({ kind: 'kernel-base' });
    if (base.kind !== 'kernel-base') throw new Error('no base');
    const line = /^([0-9a-f]{16}) [tT] (vfs_read)$/m.exec(
      readFileSync('/proc/kallsyms', 'latin1'),
    )!;
    const address = Number(BigInt.asIntN(64, BigInt(`0x${line[1]}`)));
    const addresses = Float64Array.of(address, address + 4, base.address - 4096, 0);
    expect(names(service, { kind: 'kernel', addresses })).toEqual([
      'vfs_read',
      'vfs_read',
      undefined,
      undefined,
    ]);
    expect(base.address).toBeLessThan(0);
    expect(address).toBeGreaterThan(base.address);
  });

  it('reads a module once for all who ask by the same key', () => {
    const path = folder.compile('once.c', 'int main(void) { return 0; }');
    const line = run('nm', [path])
      .split('\n')
      .find((symbol) => symbol.endsWith(' main'))!;
    const offset = ElfFile.open(path).fileOffsetOfAddress(Number.parseInt(line, 16))!;
    const service = new SymbolService();
    expect(names(service, moduleQuery(path, 'once', offset))).toEqual(['main']);
    rmSync(path);
    expect(names(service, moduleQuery(path, 'once', offset, 1e12))).toEqual(['main', undefined]);
    expect(report(service).modules.map(({ key }) => key)).toEqual(['once']);
  });

  it('does not send names again that the requester has', () => {
    const service = new SymbolService();
    const ask = (known: SentNames | undefined, offsets: readonly number[]) => {
      const { module } = moduleQuery(process.execPath, 'node') as SymbolQuery & { kind: 'module' };
      const fileOffsets = Float64Array.from(offsets);
      const result = service.answer({
        kind: 'module',
        module,
        fileOffsets,
        ...(known !== undefined && { known }),
      });
      if (result.kind !== 'frames' || result.sent === undefined) throw new Error('no frames');
      return { ...result, sent: result.sent };
    };
    const text = ElfFile.open(process.execPath).section('.text')!;
    const some = (from: number): number[] =>
      Array.from({ length: 300 }, (_, i) => text.offset + (from + i) * 4001);
    const known: SymbolizedFrame[] = [];
    let sent: SentNames = { generation: 0, count: 0 };
    for (const from of [0, 150, 0, 500]) {
      const answer = ask(sent, some(from));
      sent = answer.sent;
      expect(toFrames(answer.frames, known)).toEqual(toFrames(ask(undefined, some(from)).frames));
    }
    expect(ask(sent, some(150)).frames.nameText).toHaveLength(0);
    // One who has forgotten them gets them under new numbers, and what others have counts no more.
    const again = ask({ generation: 0, count: 0 }, some(150));
    expect(again.sent.generation).not.toBe(sent.generation);
    expect(toFrames(again.frames)).toEqual(toFrames(ask(undefined, some(150)).frames));
    expect(ask(sent, some(150)).frames.nameText.length).toBeGreaterThan(0);
  });

  it('stays within its bound', () => {
    const service = new SymbolService({ modulesBytes: 1_000_000 });
    const [node, libc] = [process.execPath, '/lib/x86_64-linux-gnu/libc.so.6'];
    names(service, moduleQuery(libc, 'libc', 0));
    names(service, moduleQuery(node, 'node', 0));
    expect(report(service).modules.map(({ key }) => key)).toEqual(['node']);
    names(service, moduleQuery(libc, 'libc', 0));
    expect(report(service).modules.map(({ key }) => key)).toEqual(['libc']);
  });

  it('says what is wrong with a file, every time', () => {
    const service = new SymbolService();
    const query = moduleQuery('/etc/passwd', 'passwd', 0);
    for (let i = 0; i < 2; i++) {
      expect(() => service.answer(query)).toThrow(SymbolError);
      expect(() => service.answer(query)).toThrow('/etc/passwd: no ELF magic number');
    }
  });

  it('tries a file again that was not there', () => {
    const service = new SymbolService();
    const path = `${folder.path}/late`;
    expect(() => service.answer(moduleQuery(path, 'late', 0))).toThrow(/cannot open/);
    writeFileSync(path, readFileSync(process.execPath).subarray(0, 1000));
    expect(() => service.answer(moduleQuery(path, 'late', 0))).toThrow(/outside of the file/);
  });

  it('gives inlined functions as rows of their own', () => {
    const source = `
      static inline __attribute__((always_inline)) int inner(int a) { return a * 3 + 1; }
      int __attribute__((noinline)) outer(int a) { return inner(a); }
      int main(int argc, char **argv) { return outer(argc); }`;
    const path = folder.compile('rows.c', source, '-O2', '-g');
    const text = ElfFile.open(path).section('.text')!;
    const offsets = Array.from({ length: text.size }, (_, i) => text.offset + i);
    const result = new SymbolService().answer(moduleQuery(path, 'rows', ...offsets));
    if (result.kind !== 'frames') throw new Error('no frames');
    const { functionName, file, line, outer } = result.frames;
    const texts = new FrameTexts(result.frames.text, result.frames.textEnds);
    const row = functionName.findIndex((name) => texts.at(name) === 'inner');
    expect(texts.at(file[row])).toBe(`${folder.path}/rows.c`);
    expect([line[row], line[outer[row]]]).toEqual([2, 3]);
    expect(texts.at(functionName[outer[row]])).toBe('outer');
    expect(outer[outer[row]]).toBe(NONE);
  });

  it('names JIT code', () => {
    const path = `/tmp/perf-${process.pid}.map`;
    writeFileSync(path, '7f1000 40 LazyCompile:*hot app.js:1:1\n7f2000 10 _ZN3foo3barEv\n');
    try {
      const jit = { pid: process.pid, namespacePid: process.pid };
      const addresses = Float64Array.of(0x7f1000, 0x7f103f, 0x7f1040, 0x7f2000);
      expect(names(new SymbolService(), { kind: 'jit', process: jit, addresses })).toEqual([
        'LazyCompile:*hot app.js:1:1',
        'LazyCompile:*hot app.js:1:1',
        undefined,
        'foo::bar()',
      ]);
    } finally {
      rmSync(path);
    }
  });
});
