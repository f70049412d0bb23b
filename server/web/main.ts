/**
 * The web process: serves pages, API and live updates, records, stores. It has no privilege (server/web/sandbox has taken
 * it away before this starts) and gets everything about the machine from the agent.
 */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import next from 'next';
import { PHASE_PRODUCTION_SERVER } from 'next/constants.js';
import { Server } from 'socket.io';
import parser from 'socket.io-msgpack-parser';
import type { LiveStatus, ProcessCost } from '@/profile/status';
import { ROOT } from '@/server/root';
import { openStore } from '@/server/store/duckdb';
import { StoreError } from '@/server/store/errors';
import { removeAddress, writeAddress } from './address';
import { AgentLink, type LauncherMessage, type WebMessage } from './agent-link';
import { Api } from './api';
import { Guard, loadToken } from './auth';
import { Broadcast, type LiveServer } from './broadcast';
import { BudgetKeeper, DEFAULT_BUDGET } from './budget';
import { createHttpServer, type PageHandler } from './http';
import { LiveSource } from './live-source';
import { Sessions } from './sessions';

/** Less than the time between two statuses of the agent. */
const COST_MS = 900;

/** Something that the user can mend: printed without a stack. */
class StartError extends Error {
  override readonly name = 'StartError';
}

function tell(message: WebMessage): void {
  process.send?.(message);
}

/** CPU and memory of this process, measured anew where the last measurement is about a second old; no timer wakes it for that. */
function costMeter(): () => ProcessCost {
  let cpu = process.cpuUsage();
  let atMs = performance.now();
  let last: ProcessCost | undefined;
  return () => {
    const nowMs = performance.now();
    if (last !== undefined && nowMs - atMs < COST_MS) return last;
    const used = process.cpuUsage(cpu);
    const share = (used.user + used.system) / 1000 / (nowMs - atMs);
    cpu = process.cpuUsage();
    atMs = nowMs;
    last = { cpu: { value: share }, residentBytes: { value: process.memoryUsage.rss() } };
    return last;
  };
}

/** Next.js reads it once in a process, and where it is the first to ask says on the terminal how long that took. */
async function loadPagesConfiguration(): Promise<void> {
  const { default: loadConfig } = createRequire(import.meta.url)(
    'next/dist/server/config.js',
  ) as typeof import('next/dist/server/config.js');
  await loadConfig(PHASE_PRODUCTION_SERVER, ROOT);
}

async function main(): Promise<void> {
  process.title = 'hearth-web';
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      'data-dir': { type: 'string' },
      'new-token': { type: 'boolean', default: false },
      frequency: { type: 'string', default: '99' },
      budget: { type: 'string', default: String(DEFAULT_BUDGET.cpuPercent) },
    },
  });
  const host = values.host ?? '127.0.0.1';
  const dataDirectory = values['data-dir'];
  if (dataDirectory === undefined) throw new StartError('--data-dir is missing');

  // The store first: it says best what is wrong with the directory, and holds the lock on it.
  const store = await openStore(dataDirectory);
  const token = loadToken(dataDirectory, values['new-token']);
  const source = new LiveSource();
  let broadcast: Broadcast | undefined;
  const sessions = await Sessions.open(store, {
    source,
    askForEnd: (receive) => agent.askForEnd(receive),
    onChange: (known) => {
      broadcast?.sessions(known);
      tellRecording();
    },
  });
  let toldRecording = '';
  /** A recording's start and stop are seen at once, also while no agent reports. */
  const tellRecording = (): void => {
    const { recording, storeProblem } = status();
    const text = JSON.stringify([recording, storeProblem]);
    if (text === toldRecording) return;
    toldRecording = text;
    broadcast?.status(status());
  };
  const cost = costMeter();
  const agent = new AgentLink({
    chunk: (bytes) => {
      source.push(bytes);
      broadcast?.chunk();
    },
    changed: () => broadcast?.status(status()),
    started: () => budget.agentStarted(),
    status: (collector) => budget.read(collector, cost()),
  });
  const budget = new BudgetKeeper(
    { ...DEFAULT_BUDGET, cpuPercent: Number(values.budget) },
    { frequencyHz: Number(values.frequency), thresholdNs: undefined, latencies: [] },
    {
      history: source.ring,
      apply: ({ frequencyHz, thresholdNs, latencyOneIn = 1 }) => {
        agent.tell({ set: 'frequency', frequencyHz });
        if (thresholdNs !== undefined) agent.tell({ set: 'offCpu', enabled: true, thresholdNs });
        agent.tell({ set: 'latencyThinning', oneIn: latencyOneIn });
      },
      stop: (extras) => {
        const { offCpu } = agent.collector ?? {};
        if (extras.includes('offCpu') && offCpu !== undefined)
          agent.tell({ set: 'offCpu', enabled: false, thresholdNs: offCpu.thresholdNs });
        const [sources, stacks] = [agent.latency.sources, agent.latency.stacks].map((all) =>
          all.filter((source) => !extras.includes(source)),
        );
        if (sources.length < agent.latency.sources.length)
          agent.tell({ set: 'latency', sources, stacks });
      },
    },
  );
  const status = (): LiveStatus => ({
    collector: agent.collector,
    web: cost(),
    budget: budget.status,
    agent: agent.state,
    recording:
      sessions.recording === undefined
        ? undefined
        : {
            sessionId: sessions.recording.id,
            name: sessions.recording.name,
            sinceMs: sessions.recording.startedMs,
          },
    storeProblem: sessions.problem,
    host: agent.host,
  });

  process.on('message', (message: LauncherMessage, handle: unknown) => {
    if (message.type === 'agent') agent.connect(handle as Socket, message.restarts);
    else if (message.type === 'agent-exit') {
      agent.exited(message.reason, message.restartInMs);
      void sessions.flush();
    } else void stop(0);
  });

  const api = new Api({
    sessions,
    status,
    setFrequency: (frequencyHz) => {
      budget.wish({ frequencyHz });
      return agent.isConnected;
    },
    setOffCpu: (enabled, thresholdNs) => {
      budget.wish({ thresholdNs: enabled ? thresholdNs : undefined });
      return enabled ? agent.isConnected : agent.tell({ set: 'offCpu', enabled, thresholdNs });
    },
    setBudget: (wanted) => budget.setBudget(wanted),
    latency: () => agent.latency,
    setLatency: (sources, stacks) => {
      if (!agent.isConnected) return false;
      budget.measure(sources);
      return agent.tell({ set: 'latency', sources: [...sources], stacks: [...stacks] });
    },
  });

  let pages: PageHandler | undefined;
  let guard: Guard | undefined;
  const server = createHttpServer(
    token,
    () => guard as Guard,
    api,
    async (request, response) => {
      await pages?.(request, response);
    },
  );
  const live: LiveServer = new Server(server, {
    serveClient: false,
    // One message for what socket.io's own parser makes two of, and two writes: names, and the bytes that they have.
    parser,
    transports: ['websocket'],
    perMessageDeflate: false,
    maxHttpBufferSize: 64 * 1024,
    allowRequest: (request, decide) => {
      const allowed = guard?.mayOpenWebsocket(request) === true;
      decide(allowed ? null : 'no access', allowed);
    },
  });
  broadcast = new Broadcast(live, source.ring, () => ({
    status: status(),
    sessions: sessions.known,
  }));

  await loadPagesConfiguration();
  const app = next({
    dev: false,
    dir: ROOT,
    customServer: true,
    // Never listens: Next.js listens to upgrades of the server that it is given, and has no business with ours.
    httpServer: createServer(),
    hostname: host,
  });
  await app.prepare();
  const handle = app.getRequestHandler();
  pages = (request, response) => handle(request, response);

  const port = await listen(Number(values.port ?? 7575));
  guard = new Guard(token, host, port);
  // An address that stands for all is none to go to, and none that Host may name.
  const reachable = host === '0.0.0.0' || host === '::' ? hostname() : host;
  const shown = reachable.includes(':') ? `[${reachable}]` : reachable;
  writeAddress(dataDirectory, host, port);
  console.log(`Hearth is at http://${shown}:${port}/?token=${token}`);

  tell({ type: 'ready' });

  function listen(wanted: number): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') {
          reject(
            new StartError(
              `port ${wanted} is in use: end what uses it, or choose another with --port`,
            ),
          );
        } else if (error.code === 'EACCES') {
          reject(
            new StartError(
              `port ${wanted} may not be listened on: choose one above 1023 with --port`,
            ),
          );
        } else if (['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'].includes(error.code ?? '')) {
          reject(
            new StartError(`${host} is no address of this machine: choose another with --host`),
          );
        } else {
          reject(error);
        }
      });
      server.listen(wanted, host, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : wanted);
      });
    });
  }

  let stopping = false;
  async function stop(code: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    live.disconnectSockets(true);
    server.close();
    server.closeAllConnections();
    removeAddress(dataDirectory as string);
    await sessions.close();
    process.exit(code);
  }
  // The launcher is gone, however it ended: so goes the web process, with everything stored.
  process.on('disconnect', () => void stop(1));
  process.on('SIGTERM', () => void stop(0));
  // The terminal sends them to the whole group; the launcher says when to end.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
}

main().catch((error: unknown) => {
  const canBeMended = error instanceof StartError || error instanceof StoreError;
  console.error(
    `hearth: ${canBeMended ? error.message : error instanceof Error ? error.stack : error}`,
  );
  process.exit(1);
});
