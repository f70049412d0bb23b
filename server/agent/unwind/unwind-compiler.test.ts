import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../root';
import { findRule, SpecialRule } from './format';
import { findProblem } from './table-file';
import { UnwindCompiler, type UnwindCompilerOptions } from './unwind-compiler';

const LIBC = '/lib/x86_64-linux-gnu/libc.so.6';
const LOADER = '/lib64/ld-linux-x86-64.so.2';

// Below the checkout, in which the worker finds what it needs.
const bundleFolder = join(ROOT, 'node_modules', '.cache', `hearth-unwind-${process.pid}`);
const workerFile = join(bundleFolder, 'worker.mjs');
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-unwind-'));
  mkdirSync(bundleFolder, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'server/agent/unwind/worker.ts')],
    outfile: workerFile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { '@': ROOT },
  });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(bundleFolder, { recursive: true });
});

const compilers: UnwindCompiler[] = [];
afterEach(async () => {
  for (const compiler of compilers.splice(0)) await compiler.dispose();
});

function startCompiler(options: UnwindCompilerOptions = {}): UnwindCompiler {
  const compiler = new UnwindCompiler({ workerFile, ...options });
  compilers.push(compiler);
  return compiler;
}

/** A worker that does `body` for each request; `answer(error)` answers it. */
function fakeWorker(name: string, body: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ module }) => {
      const answer = (message) =>
        parentPort.postMessage({ cacheUsed: 0, error: { kind: 'no-frames', message } });
      ${body}
    });`,
  );
  return path;
}

const moduleOf = (key: string): { key: string; path: string } => ({ key, path: `/${key}` });

const failureOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error) => error.kind,
  );

describe('the compiler', () => {
  it('compiles files by path and by descriptor, and the vDSO, in its worker', async () => {
    const compiler = startCompiler();
    const fd = openSync(LOADER, 'r');
    const [libc, loader, vdso] = await Promise.all([
      compiler.compile({ key: 'libc', path: LIBC }),
      compiler.compile({ key: 'loader', path: '/gone', fd }),
      compiler.compile({ key: 'vdso', path: '[vdso]' }),
    ]);
    closeSync(fd);
    for (const { table, source, ms } of [libc, loader, vdso]) {
      expect(source).toBe('compiled');
      expect(ms).toBeGreaterThan(0);
      expect(findProblem(table)).toBeUndefined();
      expect(table.buildId).not.toBe('');
    }
    expect(libc.table.rows.length).toBeGreaterThan(10_000);
    expect(findRule(libc.table, 0)).toBe(SpecialRule.NoRow);
    expect(compiler.report).toMatchObject({ compiled: 3, fromCache: 0, waiting: 0, failed: {} });
  });

  it('has the tables of an earlier start on disk', async () => {
    const cacheDirectory = join(folder, 'cache');
    const module = { key: 'libc', path: LIBC };
    const first = await startCompiler({ cacheDirectory }).compile(module);
    const compiler = startCompiler({ cacheDirectory });
    const second = await compiler.compile(module);
    expect([first.source, second.source]).toEqual(['compiled', 'cache']);
    expect(second.table).toEqual(first.table);
    expect(compiler.report.cacheUsed).toBeGreaterThan(50_000);
    expect(compiler.report.cacheProblem).toBeUndefined();
  });

  it('says why there is no table, and goes on', async () => {
    const compiler = startCompiler({ cacheDirectory: '/proc/nowhere' });
    const text = join(folder, 'text');
    writeFileSync(text, 'no program');
    const failures = await Promise.all([
      failureOf(compiler.compile({ key: 'text', path: text })),
      failureOf(compiler.compile({ key: 'gone', path: '/gone' })),
      failureOf(compiler.compile({ key: 'device', path: '/dev/zero' })),
    ]);
    expect(failures).toEqual(['not-elf', 'io', 'not-elf']);
    expect(compiler.report.failed).toEqual({ 'not-elf': 2, io: 1 });
    expect(compiler.report.cacheProblem).toBeDefined();
    expect((await compiler.compile({ key: 'libc', path: LIBC })).source).toBe('compiled');
  });

  it('takes the most important module first, and each once', async () => {
    const compiler = startCompiler({
      workerFile: fakeWorker('slow', 'setTimeout(answer, 20, module.key);'),
    });
    const order: string[] = [];
    const compile = (key: string, priority: number): Promise<void> =>
      compiler.compile(moduleOf(key), priority).then(
        () => undefined,
        (error) => void order.push(error.message),
      );
    const sent = ['first', 'second', 'third', 'fourth'];
    const all = [
      ...sent.map((key) => compile(key, 0)),
      compile('low', 1),
      compile('high', 5),
      compile('middle', 2),
      compile('low', 3),
    ];
    expect(compiler.compile(moduleOf('low'))).toBe(compiler.compile(moduleOf('low')));
    compiler.compile(moduleOf('low')).catch(() => undefined);
    await Promise.all(all);
    expect(order).toEqual([...sent, 'high', 'low', 'low', 'middle']);
  });

  it('loses one module to a worker that dies or hangs, and starts another', async () => {
    const body = `
      if (module.key === 'crash') process.exit(1);
      if (module.key === 'throw') throw new Error('broken');
      if (module.key === 'memory') { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); }
      if (module.key === 'hang') for (;;);
      answer('fine');`;
    const compiler = startCompiler({ workerFile: fakeWorker('fragile', body), timeoutMs: 2000 });
    const keys = ['before', 'crash', 'between', 'throw', 'memory', 'hang', 'after'];
    const kinds = await Promise.all(keys.map((key) => failureOf(compiler.compile(moduleOf(key)))));
    expect(kinds).toEqual([
      'no-frames',
      'worker-ended',
      'no-frames',
      'worker-ended',
      'worker-ended',
      'timeout',
      'no-frames',
    ]);
    // What ended it once is not tried again.
    const again = compiler.compile(moduleOf('crash'));
    await expect(again).rejects.toThrow(/\/crash: .*exited/);
    expect(compiler.report.waiting).toBe(0);
  }, 20_000);

  it('ends its worker when there is nothing to do, and starts another when there is', async () => {
    const body =
      'globalThis.count = (globalThis.count ?? 0) + 1; answer(String(globalThis.count));';
    const compiler = startCompiler({ workerFile: fakeWorker('counting', body), idleMs: 50 });
    const count = async (key: string): Promise<string> =>
      compiler.compile(moduleOf(key)).catch((error) => error.message);
    expect([await count('a'), await count('b')]).toEqual(['1', '2']);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await count('c')).toBe('1');
  });

  it('rejects what waits when it is closed', async () => {
    const compiler = startCompiler({ workerFile: fakeWorker('silent', '') });
    const waiting = ['a', 'b'].map((key) => failureOf(compiler.compile(moduleOf(key))));
    await compiler.dispose();
    expect(await Promise.all(waiting)).toEqual(['disposed', 'disposed']);
    expect(await failureOf(compiler.compile(moduleOf('c')))).toBe('disposed');
  });
});
