/** Starts the real server, as a user would, on a port and a data directory of its own; for tests, benchmarks and pictures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { ROOT } from '@/server/root';

const START_MS = 30_000;

export interface RealServer {
  /** With the token: opening it logs in. */
  readonly url: string;
  /** Without the token and without a slash at the end. */
  readonly origin: string;
  readonly dataDirectory: string;
  readonly launcher: ChildProcess;
  /** What it has said on standard error and output until now. */
  output(): string;
  /** Process IDs by role, as of now. */
  pids(): {
    readonly launcher: number;
    readonly agent: number | undefined;
    readonly web: number | undefined;
  };
  /** Ends it as Ctrl-C would; keeps the data directory if asked. Resolves with its exit code. */
  stop(keepData?: boolean): Promise<number | null>;
}

export interface RealServerOptions {
  readonly args?: readonly string[];
  /** Added to that of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** To start again with the data of an earlier server. */
  readonly dataDirectory?: string;
}

export async function startServer(options: RealServerOptions = {}): Promise<RealServer> {
  const port = await freePort();
  const dataDirectory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), 'hearth-data-'));
  const launcher = spawn(
    join(ROOT, 'bin/hearth'),
    // Without a budget: on a busy machine it would change the frequency in the middle of a test.
    ['serve', '--port', String(port), '--budget', '0', ...(options.args ?? [])],
    {
      env: {
        ...process.env,
        // Playwright sets it, and where NO_COLOR is set, too, Node.js says so on the terminal.
        FORCE_COLOR: undefined,
        ...options.environment,
        HEARTH_DATA_DIR: dataDirectory,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  endsWithUs(launcher);
  let output = '';
  const collect = (piece: Buffer): void => {
    output += piece.toString();
  };
  launcher.stdout?.on('data', collect);
  launcher.stderr?.on('data', collect);
  const origin = `http://127.0.0.1:${port}`;
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the server did not start:\n${output}`)),
      START_MS,
    );
    const look = (): void => {
      const match = /http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]+/.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match[0]);
    };
    launcher.stdout?.on('data', look);
    launcher.stderr?.on('data', look);
    launcher.on('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with ${code}:\n${output}`));
    });
  });
  return {
    url,
    origin,
    dataDirectory,
    launcher,
    output: () => output,
    pids: () => {
      const pid = launcher.pid as number;
      return {
        launcher: pid,
        agent: childRunning(pid, /agent\.js|hearth-agent/),
        web: childRunning(pid, /web\.js|hearth-web/),
      };
    },
    stop: async (keepData = false) => {
      if (launcher.exitCode === null && launcher.signalCode === null) {
        launcher.kill('SIGINT');
        await once(launcher, 'exit');
      }
      if (!keepData) rmSync(dataDirectory, { recursive: true, force: true });
      return launcher.exitCode;
    },
  };
}

/** The child of `parent` by its command line: that of Node.js, or, later, the name that it gives itself. */
function childRunning(parent: number, name: RegExp): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parentPid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parentPid === parent && name.test(readFileSync(`/proc/${entry}/cmdline`, 'utf8')))
        return Number(entry);
    } catch {
      // It ended while we looked.
    }
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
