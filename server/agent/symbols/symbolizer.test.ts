import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ROOT } from '../../root';
import { ElfFile } from '../elf/elf-file';
import { NO_NAME } from './protocol';
import { SymbolError, Symbolizer } from './symbolizer';
import { run, TestFolder } from './test-binaries';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

// Below node_modules, so that the bundle finds the packages that it imports.
const bundleFolder = join(ROOT, 'node_modules', '.cache', `hearth-test-${process.pid}`);
const workerFile = join(bundleFolder, 'symbol-worker.js');
let folder: TestFolder;

beforeAll(async () => {
  folder = new TestFolder();
  mkdirSync(bundleFolder, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'server/agent/symbols/worker.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: workerFile,
    logLevel: 'error',
  });
});
afterAll(() => {
  folder.remove();
  rmSync(bundleFolder, { recursive: true });
});

let symbolizer: Symbolizer | undefined;
afterEach(async () => {
  await symbolizer?.dispose();
  symbolizer = undefined;
});

/** A worker that answers reports, and does what is said with everything else. */
function badWorker(onQuery: string): URL {
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    parentPort.on('message', (requests) => {
      for (const { id, query } of requests) {
        workerData.workingOn[0] = id;
        if (query.kind === 'report') parentPort.postMessage([{ id, result: { kind: 'report', report: {} } }]);
        else { ${onQuery} }
      }
    });`;
  return pathToFileURL(folder.write(`worker-${Math.random()}.mjs`, source));
}

const BAD_MODULE = { key: 'bad', path: '/some/where/bad.so' };
const OFFSETS = Float64Array.of(0x1000);

describe('the symbolizer', () => {
  it('knows without asking what is in functions that it has named, and says nothing else', async () => {
    symbolizer = await Symbolizer.start({ workerFile });
    const source = `
      int __attribute__((noinline)) first(int a) { return a * 3 + 1; }
      int __attribute__((noinline)) second(int a) { return first(a) - first(a + 1); }
      int main(int argc, char **argv) { return second(argc); }`;
    const path = folder.compile('known.c', source, '-O2');
    const module = { key: 'known', path };
    const text = ElfFile.open(path).section('.text')!;
    const all = Array.from({ length: text.size }, (_, i) => text.offset + i);
    expect(symbolizer.known('known', all).every((frame) => frame === undefined)).toBe(true);
    const some = all.filter((_, i) => i % 5 === 0);
    await symbolizer.module(module, Float64Array.from(some));
    const known = symbolizer.known('known', all);
    const { frames } = await symbolizer.module(module, Float64Array.from(all));
    const named = known.filter((frame, i) => {
      if (frame !== undefined) expect(frame === NO_NAME ? undefined : frame).toEqual(frames[i]);
      return frame !== undefined;
    });
    expect(named.length).toBeGreaterThan(some.length);
    expect(new Set(named.map((frame) => frame?.functionName))).toContain('second');

    const withDebugInformation = folder.compile('known-g.c', source, '-O2', '-g');
    const ofDebug = ElfFile.open(withDebugInformation).section('.text')!;
    const places = Array.from({ length: ofDebug.size }, (_, i) => ofDebug.offset + i);
    await symbolizer.module({ key: 'g', path: withDebugInformation }, Float64Array.from(places));
    const without = new Set(symbolizer.known('g', places).map((frame) => frame?.functionName));
    expect(without).toContain('_start');
    expect(without).not.toContain('second');

    const start = await symbolizer.kernelBase();
    const addresses = Array.from({ length: 64 }, (_, i) => start + 0x100000 + i * 4);
    await symbolizer.kernel(Float64Array.of(addresses[0], addresses[32]));
    const kernel = await symbolizer.kernel(Float64Array.from(addresses));
    symbolizer.known(undefined, addresses).forEach((frame, i) => {
      if (frame !== undefined) expect(frame).toEqual(kernel.frames[i]);
    });
    expect(symbolizer.known(undefined, [addresses[0]])).toEqual([kernel.frames[0]]);
  });

  it('knows without asking where code without names is', async () => {
    const source = `
      int __attribute__((noinline)) named(int a) { return a * 3 + 1; }
      int main(int argc, char **argv) { return named(argc); }`;
    // Without a symbol, and where functions begin is known of all, or only of those of the C library's startup files.
    for (const flag of ['-fasynchronous-unwind-tables', '-fno-asynchronous-unwind-tables']) {
      const path = join(folder.path, `stripped${flag}`);
      run('strip', ['-o', path, folder.compile('gaps.c', source, '-O1', flag)]);
      const module = { key: path, path };
      const { offset, size } = ElfFile.open(path).section('.text')!;
      const all = Array.from({ length: size }, (_, i) => offset + i);
      symbolizer = await Symbolizer.start({ workerFile });
      const { frames } = await symbolizer.module(module, Float64Array.from(all));
      const known = symbolizer.known(path, all);
      expect(known.map((frame) => (frame === NO_NAME ? undefined : frame))).toEqual(frames);
      expect(known).toContain(NO_NAME);
      // No code, which nobody has asked for.
      expect(symbolizer.known(path, [0, offset + 1e6])).toEqual([undefined, undefined]);
      await symbolizer.dispose();

      symbolizer = await Symbolizer.start({ workerFile });
      await symbolizer.module(module, Float64Array.of(all[frames.indexOf(undefined)]));
      const nameless = symbolizer.known(path, all).map((frame) => frame === NO_NAME);
      expect(nameless.filter(Boolean).length).toBeGreaterThan(1);
      nameless.forEach((isNameless, i) => {
        if (isNameless) expect(frames[i]).toBeUndefined();
      });
      await symbolizer.dispose();
    }
  });

  it('names code of a module, the kernel and JIT compilers from its worker', async () => {
    symbolizer = await Symbolizer.start({ workerFile });
    const source = `
      static inline __attribute__((always_inline)) int inner(int a) { return a * 3 + 1; }
      int __attribute__((noinline)) outer(int a) { return inner(a); }
      int main(int argc, char **argv) { return outer(argc); }`;
    const path = folder.compile('inline.c', source, '-O2', '-g');
    const text = ElfFile.open(path).section('.text')!;
    const offsets = Float64Array.from({ length: text.size }, (_, i) => text.offset + i);
    const [{ frames }, kernel, jit, base] = await Promise.all([
      symbolizer.module({ key: 'inline', path }, offsets),
      symbolizer.kernel(Float64Array.of(0)),
      symbolizer.jit({ pid: process.pid, namespacePid: process.pid }, OFFSETS),
      symbolizer.kernelBase(),
    ]);
    const file = `${folder.path}/inline.c`;
    expect(frames.find((frame) => frame?.functionName === 'inner')).toEqual({
      functionName: 'inner',
      file,
      line: 2,
      inlined: [{ functionName: 'outer', file, line: 3 }],
    });
    // Equal answers are one object.
    const mains = frames.filter((frame) => frame?.functionName === 'main' && frame.line === 4);
    expect(new Set(mains).size).toBe(1);
    expect([kernel.frames, jit.frames]).toEqual([[undefined], [undefined]]);
    expect(kernel.unnamedReason).toMatch(/kallsyms/);
    expect(jit.unnamedReason).toMatch(/there is no \/tmp\/perf-\d+\.map/);
    expect(base).toBeLessThan(0);
    const report = await symbolizer.report();
    expect(report.modules[0].sources).toEqual(['.symtab', '.debug_info']);
    expect(report.kernelSymbols).toBeGreaterThan(1000);
  });

  it('rejects with the reason what has no symbols at all', async () => {
    symbolizer = await Symbolizer.start({ workerFile });
    const asked = symbolizer.module({ key: 'x', path: '/etc/passwd' }, OFFSETS);
    await expect(asked).rejects.toThrow('/etc/passwd: no ELF magic number');
    await expect(asked).rejects.toMatchObject({ name: 'SymbolError', kind: 'not-elf' });
  });

  it('rejects what is pending when the worker ends, starts another, and spares it the culprit', async () => {
    symbolizer = await Symbolizer.start({
      workerFile: badWorker("if (query.kind === 'module') process.exit(3);"),
    });
    const first = symbolizer.module(BAD_MODULE, OFFSETS);
    const second = symbolizer.kernel(OFFSETS);
    await expect(first).rejects.toMatchObject({ kind: 'worker-ended' });
    await expect(second).rejects.toThrow(/the symbol worker ended/);
    await symbolizer.report();
    await expect(symbolizer.module(BAD_MODULE, OFFSETS)).rejects.toThrow(
      '/some/where/bad.so: reading its symbols ended the symbol worker',
    );
  });

  it('says why the worker ended', async () => {
    symbolizer = await Symbolizer.start({ workerFile: badWorker("throw new Error('boom');") });
    await expect(symbolizer.kernel(OFFSETS)).rejects.toThrow(/boom/);
  });

  it('survives a worker that runs out of memory', async () => {
    symbolizer = await Symbolizer.start({
      workerFile: badWorker('const all = []; for (;;) all.push(new Array(1000).fill(all.length));'),
    });
    await expect(symbolizer.kernel(OFFSETS)).rejects.toThrow(/memory/);
    await symbolizer.report();
  });

  it('gives up a worker that does not answer', async () => {
    symbolizer = await Symbolizer.start({ workerFile: badWorker('for (;;);'), timeoutMs: 300 });
    await expect(symbolizer.kernel(OFFSETS)).rejects.toThrow(/did not answer for 0.3 s/);
    await symbolizer.report();
  });

  it('can not be started without its bundle', async () => {
    await expect(Symbolizer.start({ workerFile: '/nowhere/worker.js' })).rejects.toThrow(
      SymbolError,
    );
  });

  it('rejects what is asked after it was disposed of', async () => {
    symbolizer = await Symbolizer.start({ workerFile });
    const pending = expect(symbolizer.kernel(OFFSETS)).rejects.toMatchObject({ kind: 'disposed' });
    await symbolizer.dispose();
    await pending;
    await expect(symbolizer.kernel(OFFSETS)).rejects.toMatchObject({ kind: 'disposed' });
  });
});
