/** Runs a probe behind the sandbox, which tells what the kernel says of it, and what it could do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '@/server/root';
import { landlockVersion } from './landlock';

const NOBODY = { uid: 65534, gid: 65534 };

/** Plain JavaScript, run by the Node.js that the sandbox becomes. Tells its parent over the IPC channel. */
const PROBE = `
import { readdirSync, readFileSync, writeFileSync, appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, symlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { Worker } from 'node:worker_threads';
const { inside, outside, existing, openPort, ownPort } = JSON.parse(process.argv[2]);
const attempt = (work) => { try { work(); return 'ok'; } catch (error) { return error.code ?? String(error); } };
const listen = (port) => new Promise((resolve) => {
  const server = createServer().once('error', (error) => resolve(error.code));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve('ok')));
});
const connecting = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve('ok'); });
  socket.once('error', (error) => resolve(error.code));
});
const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
await new Promise((resolve) => worker.once('online', resolve));
const results = {
  threads: readdirSync('/proc/self/task').map((task) => readFileSync('/proc/self/task/' + task + '/status', 'utf8')),
  child: spawnSync('/bin/cat', ['/proc/self/status']).stdout.toString(),
  inside: {
    create: attempt(() => writeFileSync(inside + '/a', 'x')),
    append: attempt(() => appendFileSync(inside + '/a', 'y')),
    truncate: attempt(() => truncateSync(inside + '/a', 1)),
    mkdir: attempt(() => mkdirSync(inside + '/d')),
    rename: attempt(() => renameSync(inside + '/a', inside + '/d/b')),
    remove: attempt(() => rmSync(inside + '/d', { recursive: true })),
    null: attempt(() => writeFileSync('/dev/null', 'x')),
  },
  outside: {
    create: attempt(() => writeFileSync(outside + '/a', 'x')),
    append: attempt(() => appendFileSync(existing, 'y')),
    truncate: attempt(() => truncateSync(existing, 0)),
    mkdir: attempt(() => mkdirSync(outside + '/d')),
    symlink: attempt(() => symlinkSync('/etc', outside + '/s')),
    rename: attempt(() => renameSync(existing, outside + '/other')),
    remove: attempt(() => rmSync(existing)),
    escape: attempt(() => { symlinkSync(existing, inside + '/link'); appendFileSync(inside + '/link', 'y'); }),
  },
  read: attempt(() => readFileSync('/etc/passwd')),
  shadow: attempt(() => readFileSync('/proc/1/environ')),
  become: attempt(() => process.setuid(0 === process.getuid() ? 12345 : 0)),
  signal: attempt(() => process.kill(process.ppid, 0)),
  listenOwn: await listen(ownPort),
  listenOther: await listen(0),
  connect: await connecting(openPort),
};
await worker.terminate();
console.log('to the standard output');
process.send(results);
process.disconnect();
`;

interface Results {
  readonly threads: readonly string[];
  readonly child: string;
  readonly inside: Readonly<Record<string, string>>;
  readonly outside: Readonly<Record<string, string>>;
  readonly read: string;
  readonly shadow: string;
  readonly become: string;
  readonly signal: string;
  readonly listenOwn: string;
  readonly listenOther: string;
  readonly connect: string;
}

describe.each([
  ['an unprivileged user', NOBODY],
  ['root without capabilities', undefined],
])('behind the sandbox, as %s', (_, user) => {
  let directory: string;
  let bundle: string;
  let server: Server;
  let results: Results;
  let errors = '';
  let output = '';
  const uid = user?.uid ?? 0;
  const gid = user?.gid ?? 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-sandbox-'));
    chmodSync(directory, 0o777);
    const inside = mkdtempSync(join(directory, 'inside-'));
    chownSync(inside, uid, gid);
    const existing = join(directory, 'existing');
    writeFileSync(existing, 'content');
    chmodSync(existing, 0o666);
    const probe = join(directory, 'probe.mjs');
    writeFileSync(probe, PROBE);
    bundle = join(ROOT, 'dist', `sandbox-test-${process.pid}-${uid}.mjs`);
    await build({
      entryPoints: [join(ROOT, 'server/web/sandbox/main.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      alias: { '@': ROOT },
      logLevel: 'silent',
    });
    server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const openPort = (server.address() as AddressInfo).port;
    const ownPort = await freePort();
    const child = spawn(
      process.execPath,
      [
        bundle,
        user === undefined ? '-' : `${uid}:${gid}`,
        inside,
        String(ownPort),
        '--',
        probe,
        JSON.stringify({ inside, outside: directory, existing, openPort, ownPort }),
      ],
      { cwd: '/', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
    );
    child.stderr?.on('data', (data: Buffer) => {
      errors += data.toString();
    });
    child.stdout?.on('data', (data: Buffer) => {
      output += data.toString();
    });
    const closed = once(child, 'close');
    const [message] = await Promise.race([once(child, 'message'), closed]);
    await closed;
    expect(errors).toBe('');
    expect(output).toBe('to the standard output\n');
    results = message as Results;
    expect(readFileSync(existing, 'utf8')).toBe('content');
  });

  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
    if (existsSync(bundle)) rmSync(bundle);
  });

  it('every thread has the credentials, no group, no capability and no way to get one', () => {
    expect(results.threads.length).toBeGreaterThan(4);
    for (const status of [...results.threads, results.child]) {
      expect(fieldsOf(status)).toMatchObject({
        Uid: `${uid} ${uid} ${uid} ${uid}`,
        Gid: `${gid} ${gid} ${gid} ${gid}`,
        Groups: '',
        CapInh: '0000000000000000',
        CapPrm: '0000000000000000',
        CapEff: '0000000000000000',
        CapBnd: '0000000000000000',
        CapAmb: '0000000000000000',
        NoNewPrivs: '1',
      });
    }
    expect(results.become).toBe('EPERM');
  });

  it('the data directory can be written', () => {
    for (const [what, result] of Object.entries(results.inside))
      expect([what, result]).toEqual([what, 'ok']);
  });

  it.runIf(landlockVersion() >= 3)('nothing else can, though its permissions allow it', () => {
    for (const [what, result] of Object.entries(results.outside)) {
      expect([what, result]).toEqual([what, expect.stringMatching(/^(EACCES|EXDEV|EPERM)$/)]);
    }
  });

  it('what everybody may read can be read, what only privileges open can not', () => {
    expect(results.read).toBe('ok');
    expect(results.shadow).toBe('EACCES');
  });

  it.runIf(landlockVersion() >= 4)(
    'only its own port can be listened on, and nothing connected to',
    () => {
      expect(results.listenOwn).toBe('ok');
      expect(results.listenOther).toBe('EACCES');
      expect(results.connect).toBe('EACCES');
    },
  );

  it.runIf(landlockVersion() >= 6)('other processes get no signals from it', () => {
    expect(results.signal).toBe('EPERM');
  });
});

function fieldsOf(status: string): Record<string, string> {
  return Object.fromEntries(
    status
      .trim()
      .split('\n')
      .map((line) => line.split(':\t'))
      .map(([name, value]) => [name.replace(':', ''), (value ?? '').trim().replace(/\t/g, ' ')]),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
