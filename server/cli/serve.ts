/**
 * The launcher: starts the web process and the agent, connects them, and starts the agent again when it dies. It stays
 * resident and privileged, so it does nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { distFile } from '@/server/root';
import { dataDirectory, makeDataDirectory } from '@/server/store/data-directory';
import type { LauncherMessage, WebMessage } from '@/server/web/agent-link';
import { chooseCredentials, sandboxArguments } from '@/server/web/sandbox/credentials';
import { giveDataDirectory } from '@/server/web/sandbox/data-directory-owner';
import { type SocketPair, socketPair } from './socket-pair';

export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly dataDir: string | undefined;
  readonly newToken: boolean;
  readonly frequencyHz: number;
  /** What Hearth may use, in percent of all CPUs together; 0: no limit. */
  readonly budgetPercent: number;
}

const RESTART_MIN_MS = 500;
const RESTART_MAX_MS = 10_000;
/**
 * glibc keeps freed memory for each thread, and more the larger the blocks that were freed; symbol and unwind tables are
 * large, and made once. So they are given back.
 */
const FRUGAL_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
/**
 * V8 lets the young generation grow to 16 MiB a thread and shrink again, collects it by four threads, and compiles by as
 * many; little lives in it here, and waking the threads costs more than they save. It also optimizes what has run for a few
 * milliseconds, for which code that runs that long in a minute does not pay, so its budget is raised from 66 KB of bytecode.
 * And some time after a collection it looks through the whole heap up to three times more, 100 ms of web's time for 4 MiB.
 */
const FRUGAL_V8 = [
  '--min-semi-space-size=2',
  '--max-semi-space-size=2',
  '--single-threaded-gc',
  '--v8-pool-size=1',
  '--interrupt-budget=2000000',
  '--no-memory-reducer',
];

/** An agent that has lived this long has worked: its successor starts without delay. */
const HEALTHY_MS = 30_000;
const STOP_MS = 5000;
const KEPT_LINES = 5;

/**
 * Runs until it is told to stop (exit status 0), or the web process ends (1). `problem`: why no agent can collect anything, or
 * undefined; sessions can be looked at all the same.
 */
export async function serve(options: ServeOptions, problem: string | undefined): Promise<number> {
  // Who read what is written here may have gone: no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const directory = dataDirectory({ asked: options.dataDir });
  // The agent's files are root's alone: what the web process can write, root must not trust.
  const webDirectory = join(directory, 'web');
  const agentDirectory = join(directory, 'agent');
  for (const path of [directory, webDirectory, agentDirectory]) makeDataDirectory(path);
  const credentials = chooseCredentials();
  for (const note of credentials.notes) console.error(`hearth: ${note}`);
  giveDataDirectory(directory, webDirectory, credentials);

  const web = spawn(
    process.execPath,
    [
      ...FRUGAL_V8,
      distFile('sandbox.js'),
      ...sandboxArguments(credentials, webDirectory, options.port),
      '--',
      distFile('web.js'),
      ...['--port', String(options.port), '--host', options.host, '--data-dir', webDirectory],
      ...['--frequency', String(options.frequencyHz), '--budget', String(options.budgetPercent)],
      ...(options.newToken ? ['--new-token'] : []),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...FRUGAL_MALLOC } },
  );
  const agents = new AgentKeeper(web, options.frequencyHz, agentDirectory);
  const ended = new Promise<number>((resolve) => {
    web.on('exit', (code, signal) => {
      resolve(stopping ? 0 : 1);
      if (!stopping)
        console.error(`hearth: the web process ended (${signal ?? `exit status ${code}`})`);
    });
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    // The agent goes after the web process, which asks it how a recording ends.
    agents.keepNone();
    tell(web, { type: 'stop' });
    setTimeout(() => web.kill('SIGKILL'), STOP_MS).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', stop);
  web.on('message', (message: WebMessage) => {
    if (message.type !== 'ready') return;
    if (problem === undefined) agents.start();
    else tell(web, { type: 'agent-exit', reason: problem });
  });
  const status = await ended;
  await agents.stop();
  return status;
}

function tell(web: ChildProcess, message: LauncherMessage, socket?: Socket): void {
  if (!web.connected) {
    socket?.destroy();
    return;
  }
  // The web process may end at any moment; its exit is handled where it is waited for.
  if (socket === undefined) web.send(message, () => {});
  else web.send(message, socket, { keepOpen: false }, () => {});
}

/** Keeps one agent running. */
class AgentKeeper {
  readonly #web: ChildProcess;
  readonly #cacheDirectory: string;
  #agent: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restarts = 0;
  #delayMs = RESTART_MIN_MS;
  #stopped = false;

  constructor(
    web: ChildProcess,
    /** Until it is told another one. */
    readonly frequencyHz: number,
    cacheDirectory: string,
  ) {
    this.#web = web;
    this.#cacheDirectory = cacheDirectory;
  }

  start(): void {
    socketPair().then(
      (pair) => this.#spawn(pair),
      (error: Error) => this.#retry(`it could not be connected: ${error.message}`),
    );
  }

  #spawn({ inherited, sent }: SocketPair): void {
    if (this.#stopped) {
      inherited.destroy();
      sent.destroy();
      return;
    }
    const startedMs = Date.now();
    const agent = spawn(
      process.execPath,
      [...FRUGAL_V8, distFile('agent.js'), String(this.frequencyHz), this.#cacheDirectory],
      { stdio: ['ignore', 'ignore', 'pipe', inherited], env: { ...process.env, ...FRUGAL_MALLOC } },
    );
    inherited.destroy();
    this.#agent = agent;
    let lines: string[] = [];
    agent.stderr?.on('data', (data: Buffer) => {
      process.stderr.write(data);
      lines = [...lines, ...data.toString().trimEnd().split('\n')].slice(-KEPT_LINES);
    });
    tell(this.#web, { type: 'agent', restarts: this.#restarts }, sent);
    agent.on('exit', (code, signal) => {
      this.#agent = undefined;
      if (this.#stopped) return;
      if (Date.now() - startedMs >= HEALTHY_MS) this.#delayMs = RESTART_MIN_MS;
      const how = signal === null ? `ended with exit status ${code}` : `was ended by ${signal}`;
      this.#retry([`the agent ${how}`, ...lines].join('\n'));
    });
  }

  #retry(reason: string): void {
    if (this.#stopped) return;
    console.error(`hearth: ${reason.split('\n', 1)[0]}; it is started again`);
    tell(this.#web, { type: 'agent-exit', reason, restartInMs: this.#delayMs });
    this.#timer = setTimeout(() => this.start(), this.#delayMs);
    this.#restarts++;
    this.#delayMs = Math.min(RESTART_MAX_MS, this.#delayMs * 2);
  }

  /** One that ends is not started again. */
  keepNone(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Resolves when none runs any more. */
  async stop(): Promise<void> {
    this.keepNone();
    const agent = this.#agent;
    if (agent === undefined) return;
    const ended = new Promise((resolve) => agent.once('exit', resolve));
    agent.kill('SIGTERM');
    const timer = setTimeout(() => agent.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  }
}
