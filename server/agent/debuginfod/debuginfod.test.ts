import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { placeName } from '@/profile/names';
import { ROOT } from '@/server/root';
import { ElfFile } from '../elf/elf-file';
import type { Naming } from '../symbols/protocol';
import { SymbolService } from '../symbols/symbol-service';
import { run, TestFolder } from '../symbols/test-binaries';
import { toFrames } from '../symbols/to-frames';
import { encodeFrame, FetchFrameReader, FrameType } from './protocol';
import { debuginfodSettings } from './settings';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SOURCE = `
  static int __attribute__((noinline)) hidden_helper(int a) { return a * 3; }
  int __attribute__((noinline)) shown(int a) { return hidden_helper(a) + 1; }
  int main(int argc, char **argv) { return shown(argc); }
`;
const FUNCTIONS = ['main', 'shown', 'hidden_helper'];

// Below node_modules, so that the bundle finds the packages that it imports.
const bundleFolder = join(ROOT, 'node_modules', '.cache', `hearth-test-${process.pid}`);
const fetchProgram = join(bundleFolder, 'debuginfod.js');
let folder: TestFolder;
let stripped: string;
let buildId: string;
let offsets: Float64Array;
let debugFile: Buffer;
let otherDebugFile: Buffer;

beforeAll(async () => {
  folder = new TestFolder();
  mkdirSync(bundleFolder, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'server/agent/debuginfod/main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: fetchProgram,
    logLevel: 'error',
  });
  const program = folder.compile('program.c', SOURCE, '-g', '-O1', '-Wl,--build-id=sha1');
  const other = folder.compile('other.c', SOURCE, '-g', '-O2', '-Wl,--build-id=sha1');
  const debugOf = (path: string): Buffer => {
    run('objcopy', ['--only-keep-debug', path, `${path}.debug`]);
    return readFileSync(`${path}.debug`);
  };
  debugFile = debugOf(program);
  otherDebugFile = debugOf(other);
  stripped = join(folder.path, 'stripped');
  run('strip', ['-o', stripped, program]);
  const elf = ElfFile.open(program);
  ({ buildId } = elf);
  const symbols = run('nm', [program]).split('\n');
  offsets = Float64Array.from(FUNCTIONS, (name) => {
    const line = symbols.find((symbol) => symbol.endsWith(` ${name}`))!;
    return elf.fileOffsetOfAddress(Number.parseInt(line, 16))!;
  });
  elf.close();
});
afterAll(() => {
  folder.remove();
  rmSync(bundleFolder, { recursive: true, force: true });
});

let servers: Server[];
let service: SymbolService | undefined;
let cacheDirectory: string;
let caches = 0;
let asked: string[];
beforeEach(() => {
  servers = [];
  asked = [];
  cacheDirectory = join(folder.path, `cache-${caches++}`);
});
afterEach(() => {
  service?.close();
  service = undefined;
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

/** A debuginfod server that answers so; returns its URL. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let settled: (readonly [keys: readonly string[], found: boolean])[];

function start(urls: string, environment: Readonly<Record<string, string>> = {}): SymbolService {
  settled = [];
  service = new SymbolService({
    cacheDirectory,
    fetchProgram,
    environment: { DEBUGINFOD_URLS: urls, ...environment },
    onSettled: (keys, found) => settled.push([keys, found]),
  });
  return service;
}

interface Answer extends Omit<Naming, 'frames'> {
  readonly names: readonly (string | undefined)[];
}

function ask(): Answer {
  const module = { key: `build-id:${buildId}`, path: stripped };
  const answer = service!.answer({ kind: 'module', module, fileOffsets: offsets });
  if (answer.kind !== 'frames') throw new Error('no frames');
  const { unnamedReason, isPoor, isFetching } = answer;
  const names = toFrames(answer.frames).map((frame) => frame?.functionName);
  return { names, unnamedReason, isPoor, isFetching };
}

/** Where functions begin is known of a stripped program, too. */
const unnamed = (): string[] => Array.from(offsets, placeName);

/** Asks, waits for what is fetched, and asks again. */
async function askTwice(): Promise<Answer> {
  expect(ask()).toMatchObject({ names: unnamed(), isPoor: true, isFetching: true });
  await expect.poll(() => settled.length, { timeout: 20_000 }).toBe(1);
  expect(settled[0][0]).toEqual([`build-id:${buildId}`]);
  return ask();
}

const cached = (): string[] => readdirSync(cacheDirectory);

describe('names from a debuginfod server', () => {
  it('come later, once, and are there at the next start', async () => {
    const url = await serve((_, response) => response.end(debugFile));
    start(`${url}/`);
    const again = await askTwice();
    expect(again).toMatchObject({ names: FUNCTIONS, isPoor: false, isFetching: false });
    expect(asked).toEqual([`/buildid/${buildId}/debuginfo`]);
    expect(cached()).toContain(`${buildId}.debug`);
    service!.close();

    start('http://127.0.0.1:1');
    expect(ask()).toMatchObject({ names: FUNCTIONS, isFetching: false });
  });

  it('come from a server that is slow, while naming goes on', async () => {
    const url = await serve(async (_, response) => {
      for (let at = 0; at < debugFile.length; at += 4096) {
        response.write(debugFile.subarray(at, at + 4096));
        await sleep(20);
      }
      response.end();
    });
    start(url);
    ask();
    for (let i = 0; i < 5; i++) expect(ask()).toMatchObject({ names: unnamed(), isFetching: true });
    expect((await askTwice()).names).toEqual(FUNCTIONS);
    expect(asked).toHaveLength(1);
  });

  it('come from the first server that has them', async () => {
    const without = await serve((_, response) => response.writeHead(404).end());
    const broken = await serve((_, response) => {
      response.writeHead(200, { 'content-length': debugFile.length });
      response.write(debugFile.subarray(0, 1000), () => response.destroy());
    });
    const having = await serve((_, response) => response.end(debugFile));
    start(`${without} ${broken}  ${having}`);
    expect((await askTwice()).names).toEqual(FUNCTIONS);
    expect(asked).toHaveLength(3);
  });

  it.each([
    [
      'has none',
      (): RequestListener => (_, response) => response.writeHead(404).end(),
      /no debuginfod server has its debug file/,
    ],
    [
      'fails',
      (): RequestListener => (_, response) => response.writeHead(500).end('oh'),
      /HTTP 500/,
    ],
    [
      'has that of another build',
      (): RequestListener => (_, response) => response.end(otherDebugFile),
      /is not its debug file/,
    ],
    [
      'sends something else',
      (): RequestListener => (_, response) => response.end('<html>Please log in</html>'),
      /is not its debug file/,
    ],
    [
      'sends it cut short',
      (): RequestListener => (_, response) => {
        response.writeHead(200, { 'content-length': debugFile.length });
        response.write(debugFile.subarray(0, 2000), () => response.destroy());
      },
      /debuginfod: .*(terminated|closed|aborted)/,
    ],
    ['says nothing', (): RequestListener => () => {}, /less than 100 KiB came in 0\.5 s/],
    [
      'says that it is huge',
      (): RequestListener => (_, response) => {
        response.writeHead(200, { 'x-debuginfod-size': String(1e12) });
        response.end(debugFile);
      },
      /more than the 1000000 bytes allowed/,
    ],
    [
      'sends without end',
      (): RequestListener => (_, response) => {
        const piece = Buffer.alloc(64 * 1024, 1);
        const more = (): void => {
          while (response.write(piece));
          response.once('drain', more);
        };
        response.on('error', () => {});
        more();
      },
      /more than the 1000000 bytes allowed/,
    ],
  ])(
    'do not come from one that %s, and it is not asked again for a while',
    async (_, answer, reason) => {
      const url = await serve(answer());
      // The others answer, if not at once on a busy machine.
      const seconds = reason.source.includes('came in') ? '0.5' : '60';
      start(url, { DEBUGINFOD_TIMEOUT: seconds, DEBUGINFOD_MAXSIZE: '1000000' });
      const again = await askTwice();
      expect(again).toMatchObject({ names: unnamed(), isPoor: true, isFetching: false });
      expect(again.unnamedReason).toMatch(reason);
      expect(settled[0][1]).toBe(false);
      expect(ask().isFetching).toBe(false);
      expect(asked).toHaveLength(1);
      expect(cached()).toEqual([]);
    },
  );

  it('do not come where nobody answers', async () => {
    const url = await serve(() => {});
    await new Promise((resolve) => servers[0].close(resolve));
    start(url);
    expect((await askTwice()).unnamedReason).toMatch(/ECONNREFUSED/);
  });

  it('are fetched again where the file was damaged', async () => {
    const url = await serve((_, response) => response.end(debugFile));
    start(url);
    await askTwice();
    service!.close();
    truncateSync(join(cacheDirectory, `${buildId}.debug`), 1000);
    start(url);
    expect((await askTwice()).names).toEqual(FUNCTIONS);
    expect(asked).toHaveLength(2);
  });

  it('are not asked for without DEBUGINFOD_URLS', () => {
    start('');
    expect(ask()).toMatchObject({ names: unnamed(), isPoor: true, isFetching: false });
  });

  it('are asked for by a process without root', async () => {
    const url = await serve(() => {});
    start(url);
    ask();
    await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(1);
    const pids = run('pgrep', ['-P', String(process.pid), '-f', 'hearth-fetch'])
      .trim()
      .split('\n');
    expect(pids).toHaveLength(1);
    const status = readFileSync(`/proc/${pids[0]}/status`, 'utf8');
    const own = String(process.getuid?.() === 0 ? 65534 : process.getuid?.());
    expect(/^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1)).toEqual([own, own, own]);
    expect(/^Groups:\s*$/m.test(status)).toBe(true);
    for (const set of ['CapEff', 'CapPrm']) {
      expect(new RegExp(`^${set}:\\s+(\\w+)`, 'm').exec(status)?.[1]).toBe('0000000000000000');
    }
  });
});

describe('the settings', () => {
  it('are those of elfutils', () => {
    expect(debuginfodSettings({}, 10)).toBeUndefined();
    expect(
      debuginfodSettings({ DEBUGINFOD_URLS: ' file:///etc ftp://x nonsense ' }, 10),
    ).toBeUndefined();
    expect(debuginfodSettings({ DEBUGINFOD_URLS: ' https://a/  http://b:80/x/ ' }, 10)).toEqual({
      urls: ['https://a', 'http://b:80/x'],
      timeoutMs: 90_000,
      maxBytes: 10,
    });
    const environment = {
      DEBUGINFOD_URLS: 'http://a',
      DEBUGINFOD_TIMEOUT: '5',
      DEBUGINFOD_MAXSIZE: '7',
    };
    expect(debuginfodSettings(environment, 10)).toMatchObject({ timeoutMs: 5000, maxBytes: 7 });
    expect(debuginfodSettings({ ...environment, DEBUGINFOD_MAXSIZE: '0' }, 10)?.maxBytes).toBe(10);
  });
});

describe('frames', () => {
  it('are read however the stream is cut', () => {
    const frames = [
      encodeFrame(1, FrameType.Data, Buffer.from('some bytes')),
      encodeFrame(4_000_000_000, FrameType.End, Buffer.alloc(0)),
    ];
    const stream = Buffer.concat(frames);
    for (let size = 1; size <= stream.length; size++) {
      const reader = new FetchFrameReader();
      const read: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        for (const { id, type, payload } of reader.push(stream.subarray(at, at + size))) {
          read.push([id, type, Buffer.from(payload).toString()]);
        }
      }
      expect(read).toEqual([
        [1, FrameType.Data, 'some bytes'],
        [4_000_000_000, FrameType.End, ''],
      ]);
    }
    expect(() => [...new FetchFrameReader().push(Buffer.alloc(20, 0xff))]).toThrow(/a frame of/);
  });
});
