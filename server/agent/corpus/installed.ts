/** Programs that are installed: interpreters, a JVM, servers under load. Not every machine has all of them. */
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunningProgram } from './profiling';
import { builtGo, type Program, script } from './programs';

/** One that runs, with all processes that belong to it. */
export interface Running {
  pids(): number[];
  stop(): Promise<void>;
}

export interface Installed {
  readonly title: string;
  /** The program that has to be there. */
  readonly needs: string | undefined;
  start(): Promise<Running>;
}

const WAIT_MS = 20_000;
const POLL_MS = 100;
const CONNECTED_MS = 1000;

/** All of the corpus, whether or not they are there. */
export function installedPrograms(): Installed[] {
  return [
    required('node', () => script(process.execPath, 'work.cjs', ['--perf-basic-prof'])),
    required('python3', () => script(pythonPath(), 'work.py')),
    required('bash', () => script('/bin/bash', 'work.sh')),
    required('sh', () => script('/bin/sh', 'work.sh')),
    optional('go', async () => runningProgram(builtGo())),
    optional('java', startJava),
    optional('redis-server', startRedis),
    optional('nginx', startNginx),
    optional('postgres', startPostgres),
  ];
}

function required(title: string, program: () => Program): Installed {
  return { title, needs: undefined, start: () => runningProgram(program()) };
}

function optional(command: string, start: (path: string) => Promise<Running>): Installed {
  const path = findCommand(command);
  return {
    title: command,
    needs: path === undefined ? command : undefined,
    start: () => start(path ?? command),
  };
}

/** In PATH, where Debian keeps daemons, and where it keeps PostgreSQL; undefined where it is not installed. */
function findCommand(command: string): string | undefined {
  const postgres = '/usr/lib/postgresql';
  const folders = [
    ...listFolder(postgres).map((version) => join(postgres, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
    '/usr/lib/go/bin',
  ];
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The interpreter itself: what is in PATH may be a script that looks for it. */
function pythonPath(): string {
  const program = 'import sys; print(sys.executable)';
  return execFileSync('python3', ['-c', program], { encoding: 'utf8' }).trim();
}

async function runningProgram(program: Program): Promise<Running> {
  const running = RunningProgram.start(program);
  try {
    await running.ready();
  } catch (error) {
    await running.stop();
    throw error;
  }
  return { pids: () => withDescendants(running.pid), stop: () => running.stop() };
}

async function startJava(java: string): Promise<Running> {
  const running = await runningProgram(script(java, 'Work.java', ['-XX:+PreserveFramePointer']));
  // Names of compiled methods, in /tmp/perf-PID.map.
  const [pid] = running.pids();
  execFileSync(join(java, '..', 'jcmd'), [String(pid), 'Compiler.perfmap'], { stdio: 'ignore' });
  return {
    ...running,
    stop: async () => {
      await running.stop();
      rmSync(`/tmp/perf-${pid}.map`, { force: true });
    },
  };
}

/** A server in a folder of its own, and what keeps it busy; both are ended by `stop`, and the folder is removed. */
async function underLoad(
  folder: string,
  server: Program,
  isUp: () => boolean,
  load: () => Program,
): Promise<Running> {
  const running = [RunningProgram.start(server)];
  const stop = async (): Promise<void> => {
    for (const program of running.reverse()) await program.stop('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(isUp, `${server.title} to answer`);
    running.push(RunningProgram.start(load()));
    // So that the server has started the processes for its connections.
    await sleep(CONNECTED_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  const { pid } = running[0];
  return { pids: () => withDescendants(pid), stop };
}

async function startRedis(redis: string): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-redis-'));
  const socket = join(folder, 'socket');
  const server = command(redis, [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--save',
    '',
    '--dir',
    folder,
  ]);
  const load = command(join(redis, '..', 'redis-benchmark'), [
    '-s',
    socket,
    '-l',
    '-q',
    '-c',
    '8',
    '-r',
    '10000',
    '-t',
    'set,get,lpush,lrange_100,zadd,mset',
  ]);
  return underLoad(
    folder,
    server,
    () => listFolder(folder).includes('socket'),
    () => load,
  );
}

async function startNginx(nginx: string): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-nginx-'));
  chmodSync(folder, 0o755);
  const socket = join(folder, 'socket');
  writeFileSync(join(folder, 'page.html'), 'A line of text.\n'.repeat(2000));
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `daemon off; user root; worker_processes 2; pid ${folder}/pid; error_log ${folder}/errors;
events {}
http {
  access_log ${folder}/log; gzip on; gzip_types *;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen unix:${socket}; root ${folder}; }
}
`,
  );
  const server = command(nginx, ['-c', configuration, '-p', folder, '-e', join(folder, 'errors')]);
  const load = script(process.execPath, 'request.cjs', [], [socket, '/page.html']);
  return underLoad(
    folder,
    server,
    () => listFolder(folder).includes('socket'),
    () => load,
  );
}

async function startPostgres(postgres: string): Promise<Running> {
  const tool = (name: string): string => join(postgres, '..', name);
  const folder = mkdtempSync(join(tmpdir(), 'hearth-postgres-'));
  const [uid, gid] = userIds('postgres');
  chownSync(folder, uid, gid);
  const as = { uid, gid, cwd: folder, stdio: 'ignore' } as const;
  const tables = join(folder, 'data');
  execFileSync(tool('initdb'), ['-D', tables, '-A', 'trust', '-N'], as);
  const server = {
    ...command(postgres, [
      '-D',
      tables,
      '-k',
      folder,
      '-c',
      'listen_addresses=',
      '-c',
      'fsync=off',
    ]),
    user: { uid, gid },
  };
  const isUp = (): boolean => {
    try {
      execFileSync(tool('pg_isready'), ['-h', folder, '-q'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  return underLoad(folder, server, isUp, () => {
    execFileSync(tool('pgbench'), ['-h', folder, '-i', '-s', '2', '-q', 'postgres'], as);
    return {
      ...command(tool('pgbench'), ['-h', folder, '-c', '4', '-T', '600', 'postgres']),
      user: { uid, gid },
    };
  });
}

function userIds(name: string): [uid: number, gid: number] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`there is no user ${name}`);
  const [, , uid, gid] = line.split(':');
  return [Number(uid), Number(gid)];
}

function command(path: string, args: readonly string[]): Program {
  return { title: path, command: path, args, chains: [] };
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + WAIT_MS;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
    await sleep(POLL_MS);
  }
}

/** A process and all below it. */
function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of listFolder('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [pid];
  for (const parent of found) found.push(...(children.get(parent) ?? []));
  return found;
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}
