/**
 * `hearth symbolize SESSION`: names a stored session again. Where a server runs, it has the sessions, and is asked to do it
 * with its own rights; else this process does it with those of its user.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { API } from '@/profile/live-protocol';
import type { SessionSummary } from '@/profile/session';
import {
  describeSymbolizing,
  type SymbolizedModule,
  type SymbolizingMessage,
  type SymbolizingReport,
} from '@/profile/symbolizing';
import { dataDirectory, makeDataDirectory } from '@/server/store/data-directory';
import { openStore } from '@/server/store/duckdb';
import { StoreLockedError } from '@/server/store/errors';
import type { Store } from '@/server/store/store';
import { readAddress } from '@/server/web/address';
import { cookieOf } from '@/server/web/auth';
import { symbolizeStored } from '@/server/web/session-symbols';

export interface SymbolizeOptions {
  /** Its ID, or its name if only one has it. */
  readonly session: string;
  readonly dataDir: string | undefined;
  /** Print the report as JSON. */
  readonly json: boolean;
}

export class SymbolizeError extends Error {
  override readonly name = 'SymbolizeError';
}

const MODULES_SHOWN = 20;

type Progress = (message: SymbolizingMessage & { readonly kind: 'progress' }) => void;

/** Where the sessions are. */
interface Place {
  list(): Promise<readonly SessionSummary[]>;
  symbolize(session: SessionSummary, onProgress: Progress): Promise<SymbolizingReport>;
  close(): Promise<void>;
}

/** Throws SymbolizeError, StoreError or NamingError, with nothing changed. */
export async function symbolize({ session, dataDir, json }: SymbolizeOptions): Promise<void> {
  const directory = dataDirectory({ asked: dataDir });
  const place = await openPlace(directory);
  try {
    const wanted = find(await place.list(), session);
    const report = await place.symbolize(wanted, showProgress());
    if (json) console.log(JSON.stringify(report));
    else for (const line of reportLines(report)) console.log(line);
  } finally {
    await place.close();
  }
}

async function openPlace(directory: string): Promise<Place> {
  const webDirectory = join(directory, 'web');
  if (!existsSync(webDirectory)) {
    throw new SymbolizeError(
      `No session is stored in ${directory}, or this user may not look. Name the data directory of the Hearth that ` +
        'recorded it with --data-dir or HEARTH_DATA_DIR.',
    );
  }
  let store: Store;
  try {
    store = await openStore(webDirectory);
  } catch (error) {
    if (error instanceof StoreLockedError) return runningServer(webDirectory);
    throw error;
  }
  const cacheDirectory = symbolCache(directory);
  return {
    list: () => store.list(),
    symbolize: ({ id, startedMs }, onProgress) =>
      symbolizeStored(store, id, {
        startedMs,
        onProgress,
        ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
      }),
    close: () => store.close(),
  };
}

/** The agent's; undefined where this user may not write to it, for what it holds is trusted. */
function symbolCache(directory: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const agentDirectory = join(directory, 'agent');
  try {
    makeDataDirectory(agentDirectory);
    return join(agentDirectory, 'symbols');
  } catch {
    return undefined;
  }
}

function runningServer(webDirectory: string): Place {
  const address = readAddress(webDirectory);
  if (address === undefined) {
    throw new SymbolizeError(
      `A running Hearth has the sessions in ${webDirectory} open, and does not say where it listens. Use the button ` +
        '"Symbolize again" on the session\'s page, or end that Hearth and run this again.',
    );
  }
  const { host, port } = address;
  const base = `http://${host.includes(':') ? `[${host}]` : host}:${port}${API}`;
  const token = readFileSync(join(webDirectory, 'token'), 'utf8').trim();
  const ask = async (method: string, path: string): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(base + path, {
        method,
        headers: { cookie: cookieOf(token), 'content-type': 'application/json' },
        ...(method === 'GET' ? {} : { body: '{}' }),
      });
    } catch (cause) {
      throw new SymbolizeError(
        `The Hearth that has the sessions open (process ${address.pid}) does not answer at ${base}. End it, or start it again.`,
        { cause },
      );
    }
    if (!response.ok) throw new SymbolizeError(await errorOf(response));
    return response;
  };
  return {
    list: async () => (await (await ask('GET', '/sessions')).json()) as SessionSummary[],
    symbolize: async ({ id }, onProgress) =>
      lastReport(await ask('POST', `/sessions/${id}/symbolize`), onProgress),
    close: async () => {},
  };
}

async function errorOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return String((JSON.parse(text) as { error: unknown }).error);
  } catch {
    return `The server answered ${response.status} ${response.statusText}`;
  }
}

async function lastReport(response: Response, onProgress: Progress): Promise<SymbolizingReport> {
  let report: SymbolizingReport | undefined;
  for await (const message of messagesOf(response)) {
    if (message.kind === 'error') throw new SymbolizeError(message.error);
    if (message.kind === 'report') report = message.report;
    else onProgress(message);
  }
  if (report === undefined)
    throw new SymbolizeError('The server ended before the session was named.');
  return report;
}

async function* messagesOf({ body }: Response): AsyncGenerator<SymbolizingMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) yield JSON.parse(line) as SymbolizingMessage;
  }
}

function find(sessions: readonly SessionSummary[], wanted: string): SessionSummary {
  const byId = sessions.find(({ id }) => id === wanted);
  if (byId !== undefined) return byId;
  const byName = sessions.filter(({ name }) => name === wanted);
  if (byName.length === 1) return byName[0];
  const shown = (list: readonly SessionSummary[]): string =>
    list
      .slice(0, 10)
      .map(({ id, name }) => `\n  ${id}  ${name}`)
      .join('');
  if (byName.length > 1) {
    throw new SymbolizeError(
      `Several sessions are called ${wanted}; name one by its ID:${shown(byName)}`,
    );
  }
  const known =
    sessions.length === 0 ? 'No session is stored.' : `The newest are:${shown(sessions)}`;
  throw new SymbolizeError(`There is no session ${wanted}. ${known}`);
}

/** On the standard error, in place, where that is a terminal. */
function showProgress(): Progress {
  const { stderr } = process;
  if (!stderr.isTTY) return () => {};
  return ({ done, modules, module }) => {
    const line = `${done + 1} of ${modules}: ${module}`.slice(0, (stderr.columns ?? 80) - 1);
    stderr.write(`\r\x1b[K${done + 1 === modules ? '' : line}`);
  };
}

/** What is printed: a sentence, then the modules in which something has changed or is missing. */
export function reportLines(report: SymbolizingReport): string[] {
  const shown = report.modules.filter(({ changed, unnamedAfter }) => changed + unnamedAfter > 0);
  if (shown.length === 0) return [describeSymbolizing(report)];
  const row = ({
    module,
    frames,
    unnamedBefore,
    unnamedAfter,
    changed,
    reason,
  }: SymbolizedModule): string =>
    [
      String(frames).padStart(8),
      String(unnamedBefore).padStart(14),
      String(unnamedAfter).padStart(13),
      String(changed).padStart(8),
      `  ${module}${reason === '' ? '' : ` (${reason})`}`,
    ].join(' ');
  const rest = shown.length - MODULES_SHOWN;
  return [
    describeSymbolizing(report),
    '',
    '  places unnamed before unnamed after  changed   module',
    ...shown.slice(0, MODULES_SHOWN).map(row),
    ...(rest > 0 ? [`  and ${rest} more modules`] : []),
  ];
}
