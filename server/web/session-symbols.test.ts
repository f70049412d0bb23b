import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { applyChunk, decodeChunk, encodeChunk, splitChunks } from '@/profile/chunk';
import { Profile } from '@/profile/profile';
import { HEADER } from '@/profile/profiles-for-tests';
import { FrameKind, MappingKind, NONE } from '@/profile/schema';
import { describeSymbolizing, type SymbolizingReport } from '@/profile/symbolizing';
import { ROOT } from '@/server/root';
import type { StoredSlice } from '@/server/store/store';
import { MemoryStore } from './memory-store-for-tests';
import { NamingError, type NamingOptions, symbolizeStored } from './session-symbols';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const HOST = { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' };
const SOURCE = `
  static inline __attribute__((always_inline)) int inner(int a) { volatile int sum = 0; while (a-- > 0) sum += a; return sum; }
  static int __attribute__((noinline)) hidden_helper(int a) { return inner(a) + a; }
  int __attribute__((noinline)) shown(int a) { return hidden_helper(a) + 1; }
  int main(int argc, char **argv) { return shown(argc); }
`;
const FUNCTIONS = ['main', 'shown', 'hidden_helper'];

// Below node_modules, so that the bundle finds the packages that it imports.
const bundleFolder = join(ROOT, 'node_modules', '.cache', `hearth-test-${process.pid}`);
const program = join(bundleFolder, 'session-symbols.js');
let folder: string;
/** A program, what was stripped off it, and where its functions are in the file. */
let binary: {
  readonly path: string;
  readonly debug: string;
  readonly buildId: string;
  readonly offsets: readonly number[];
};

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-session-symbols-'));
  mkdirSync(bundleFolder, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'server/agent/session-symbols-main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { '@': ROOT },
    outfile: program,
    logLevel: 'error',
  });
  writeFileSync(join(folder, 'program.c'), SOURCE);
  const whole = join(folder, 'whole');
  run('gcc', '-g', '-O1', '-no-pie', '-Wl,--build-id=sha1', '-o', whole, join(folder, 'program.c'));
  const [path, debug] = [join(folder, 'program'), join(folder, 'program.debug')];
  run('objcopy', '--only-keep-debug', whole, debug);
  run('objcopy', '--strip-all', `--add-gnu-debuglink=${debug}`, whole, path);
  const symbols = run('nm', whole).split('\n');
  // -no-pie: the first segment starts at 0x400000 of memory and 0 of the file.
  const offsets = FUNCTIONS.map(
    (name) =>
      Number.parseInt(symbols.find((line) => line.endsWith(` ${name}`)) as string, 16) - 0x400000,
  );
  // The helper's place is one where something is inlined.
  const [, , helper] = offsets;
  const places = Array.from({ length: 24 }, (_, i) => helper + i);
  offsets[2] = places.find((at) => {
    const address = `0x${(at + 0x400000).toString(16)}`;
    return run('addr2line', '-f', '-i', '-e', whole, address).startsWith('inner\n');
  }) as number;
  const buildId = /Build ID: ([0-9a-f]+)/.exec(run('readelf', '-n', whole))?.[1] as string;
  binary = { path, debug: join(folder, 'hidden.debug'), buildId, offsets };
  renameSync(debug, binary.debug);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(bundleFolder, { recursive: true, force: true });
});

let store: MemoryStore;
let id: string;
beforeEach(async () => {
  store = new MemoryStore();
  ({ id } = await store.create({
    name: 'test',
    startedMs: Date.now(),
    frequencyHz: 99,
    host: HOST,
  }));
  rmSync(`${binary.path}.debug`, { force: true });
});

/** Records samples at places in the code, none of which has a name, in two chunks. */
async function record(
  buildId: string,
  path: string,
  offsets: readonly number[],
  kind: MappingKind = MappingKind.Executable,
): Promise<void> {
  const builder = new ProfileBuilder();
  const mapping = builder.mapping(buildId, path, kind);
  const sampleType = builder.sampleType('cpu', 'nanoseconds');
  const name = builder.string('test');
  const process = builder.process({
    pid: 1,
    parentPid: 0,
    name,
    commandLine: name,
    container: NONE,
    cgroup: NONE,
    startNs: 0,
  });
  const thread = builder.thread({ tid: 1, process, name });
  for (const [i, offset] of offsets.entries()) {
    const stack = builder.stack(NONE, builder.frameAt(mapping, offset, FrameKind.Native));
    builder.sample({ timeNs: i, weight: 1, thread, stack, sampleType, cpu: 0 });
    if (i > 0 && i < offsets.length - 1) continue;
    const chunk = builder.cutChunk(HEADER, []);
    await store.append(id, { chunks: encodeChunk(chunk), startNs: 0, endNs: 10, samples: 1 });
  }
  await store.complete(id);
}

async function allSlices(): Promise<StoredSlice[]> {
  const slices: StoredSlice[] = [];
  for await (const slice of store.slices(id)) slices.push(slice);
  return slices;
}

const again = (options: Partial<NamingOptions> = {}): Promise<SymbolizingReport> =>
  symbolizeStored(store, id, { startedMs: Date.now(), onProgress: () => {}, program, ...options });

async function stored(): Promise<Profile> {
  const profile = new Profile();
  for await (const { chunks } of store.slices(id)) {
    for (const bytes of splitChunks(chunks)) applyChunk(profile, decodeChunk(bytes));
  }
  return profile;
}

/** What each of the recorded places is called, outer functions last. */
async function names(): Promise<string[][]> {
  const profile = await stored();
  const { offset, functionName, inlinedInto, line } = profile.frames.columns;
  const chain = (frame: number): string[] =>
    frame === NONE
      ? []
      : [`${profile.string(functionName[frame])}:${line[frame]}`, ...chain(inlinedInto[frame])];
  return [...Array(profile.frames.length).keys()].filter((i) => offset[i] >= 0).map(chain);
}

describe('a stored session', () => {
  it('gets the names that were not to be had when it was recorded', async () => {
    await record(binary.buildId, binary.path, binary.offsets);
    const before = await again();
    expect(before).toMatchObject({ frames: 3, unnamedBefore: 3, unnamedAfter: 3, changed: 0 });
    expect(before.modules[0]).toMatchObject({
      module: binary.path,
      reason: expect.stringMatching(/stripped/),
    });
    expect(describeSymbolizing(before)).toBe(
      'Nothing changed: 3 of 3 places in the code have no name still.',
    );
    const slices = async (): Promise<number> => (await allSlices()).length;
    const recorded = await slices();

    copyFileSync(binary.debug, `${binary.path}.debug`);
    const told: string[] = [];
    const report = await again({ onProgress: ({ module }) => told.push(module) });
    expect(told).toEqual([binary.path]);
    expect(report).toMatchObject({ frames: 3, unnamedBefore: 3, unnamedAfter: 0, changed: 3 });
    expect(describeSymbolizing(report)).toBe(
      'Of 3 places in the code, 3 had no name before, and 0 have none now.',
    );
    expect(await names()).toEqual([['main:5'], ['shown:4'], ['inner:2', 'hidden_helper:3']]);
    expect(await slices()).toBe(recorded + 1);
    const profile = await stored();
    expect(profile.samples.length).toBe(3);
    expect(profile.header?.endNs).toBe(HEADER.endNs);

    expect(await again()).toMatchObject({ unnamedBefore: 0, changed: 0 });
    expect(await slices()).toBe(recorded + 1);
  });

  it('keeps its names where those to be had now are worse', async () => {
    copyFileSync(binary.debug, `${binary.path}.debug`);
    await record(binary.buildId, binary.path, binary.offsets);
    await again();
    const good = await names();
    rmSync(`${binary.path}.debug`);
    expect(await again()).toMatchObject({ unnamedBefore: 0, unnamedAfter: 0, changed: 0 });
    expect(await names()).toEqual(good);
  });

  it('says why code has no name still', async () => {
    const reasonFor = async (...args: Parameters<typeof record>): Promise<string> => {
      store = new MemoryStore();
      ({ id } = await store.create({ name: 'test', startedMs: 0, frequencyHz: 99, host: HOST }));
      await record(...args);
      return (await again({ startedMs: 1000 })).modules[0].reason;
    };
    expect(await reasonFor('00'.repeat(20), binary.path, [16])).toMatch(
      `is of another build now: its build ID is ${binary.buildId}`,
    );
    expect(await reasonFor('00'.repeat(20), '/nowhere/to.so', [16])).toMatch(/no such file/i);
    expect(await reasonFor('', binary.path, [16])).toMatch(/has changed since/);
    expect(await reasonFor('', '[anon:12]', [16], MappingKind.Jit)).toMatch(/JIT/);
    expect(await reasonFor('00', '[kernel]', [16], MappingKind.Kernel)).toMatch(/another kernel/);
  });

  it('is as it was where the process that names it fails', async () => {
    await record(binary.buildId, binary.path, binary.offsets);
    const before = await allSlices();
    const broken = (text: string): Partial<NamingOptions> => {
      const path = join(folder, 'broken.mjs');
      writeFileSync(path, text);
      return { program: path };
    };
    await expect(again(broken('process.exit(3)'))).rejects.toThrow(/exit status 3/);
    await expect(
      again({ ...broken('setInterval(() => {}, 1000)'), silenceMs: 300 }),
    ).rejects.toThrow(/silent for 0.3 s/);
    await expect(again(broken('process.kill(process.pid, 9)'))).rejects.toThrow(/SIGKILL/);
    const report = `import { writeSync } from 'node:fs'; writeSync(3, JSON.stringify({ kind: 'report', report: {} }));`;
    await expect(again(broken(`${report} writeSync(1, 'x'.repeat(100));`))).rejects.toThrow(
      /magic/,
    );
    expect(await allSlices()).toEqual(before);
  });

  it('that is damaged is not changed', async () => {
    await record(binary.buildId, binary.path, binary.offsets);
    const chunk = readFileSync('/bin/true').subarray(0, 4000);
    const slices = await allSlices();
    await store.amend(id, chunk, slices.length);
    await expect(again()).rejects.toThrow(NamingError);
  });
});
