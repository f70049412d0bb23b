/** The REST interface of profile/live-protocol.ts. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { splitChunks } from '@/profile/chunk';
import { applyNext, ChunkStream } from '@/profile/chunk-stream';
import { writeProfile } from '@/profile/formats/export';
import { EXPORT_FORMATS, EXPORT_MODES } from '@/profile/formats/formats';
import { LATENCY_SOURCES, type LatencySource } from '@/profile/latency/sources';
import { API } from '@/profile/live-protocol';
import { Profile } from '@/profile/profile';
import type { LiveStatus } from '@/profile/status';
import type { SymbolizingMessage } from '@/profile/symbolizing';
import { DEFAULT_VIEW, type View, viewFromQuery, viewToQuery } from '@/profile/view';
import { describeHost } from '@/server/host';
import { StoreError, StoreFullError } from '@/server/store/errors';
import { SessionNotFoundError } from '@/server/store/store';
import type { LatencyWish } from './agent-link';
import type { Budget } from './budget';
import { NamingError } from './session-symbols';
import { ConflictError, type Sessions } from './sessions';

const MAX_BODY_BYTES = 64 * 1024;
const MAX_NAME = 200;

const nameSchema = z.string().trim().min(1, 'a name has at least one character').max(MAX_NAME);
const recordSchema = z.strictObject({ name: nameSchema.optional() });
const renameSchema = z.strictObject({ name: nameSchema });
const samplingSchema = z.strictObject({ frequencyHz: z.int().min(1).max(4999) });
const latencySchema = z.strictObject({
  sources: z.array(z.enum(LATENCY_SOURCES)),
  stacks: z.array(z.enum(LATENCY_SOURCES)).default([]),
});
const latencySourceSchema = z.strictObject({ measured: z.boolean(), stacks: z.boolean() });
const offCpuSchema = z.strictObject({
  enabled: z.boolean(),
  thresholdNs: z.int().min(1e3).max(1e9),
});
const budgetSchema = z.strictObject({
  cpuPercent: z.number().min(0).max(100),
  memoryBytes: z.int().min(1e6),
});
const nothingSchema = z.strictObject({});
/** Of exports; as in a view's text. */
const SCOPE_PARAMETERS = ['pid', 'tid', 'container', 'from', 'to', 'waits', 'state'];

/** The request is wrong; the message says how. */
class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface ApiBackend {
  readonly sessions: Sessions;
  status(): LiveStatus;
  /** False where no agent runs. */
  setFrequency(frequencyHz: number): boolean;
  /** What is to be measured: an agent that was told so may not have said yet that it does. */
  latency(): LatencyWish;
  /** False where no agent runs. */
  setLatency(sources: readonly LatencySource[], stacks: readonly LatencySource[]): boolean;
  setBudget(budget: Budget): void;
  /** False where no agent runs. */
  setOffCpu(enabled: boolean, thresholdNs: number): boolean;
}

type Handler = (call: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  readonly query: URLSearchParams;
}) => Promise<void>;

export class Api {
  readonly #backend: ApiBackend;
  readonly #routes: readonly (readonly [method: string, path: RegExp, handler: Handler])[];

  constructor(backend: ApiBackend) {
    this.#backend = backend;
    const { sessions } = backend;
    const session = /^\/sessions\/([\w-]+)$/;
    this.#routes = [
      ['GET', /^\/status$/, async ({ response }) => sendJson(response, 200, backend.status())],
      ['PUT', /^\/sampling$/, (call) => this.#setSampling(call)],
      ['PUT', /^\/latency$/, (call) => this.#setLatency(call)],
      ['PUT', /^\/latency\/([\w-]+)$/, (call) => this.#setLatencySource(call)],
      ['PUT', /^\/off-cpu$/, (call) => this.#setOffCpu(call)],
      [
        'PUT',
        /^\/budget$/,
        async ({ request, response }) => {
          backend.setBudget(await readBody(request, budgetSchema));
          response.writeHead(204).end();
        },
      ],
      [
        'GET',
        /^\/sessions$/,
        async ({ response }) => sendJson(response, 200, await sessions.list()),
      ],
      ['POST', /^\/sessions$/, (call) => this.#record(call)],
      ['GET', session, async ({ response, id }) => sendJson(response, 200, await sessions.get(id))],
      [
        'PATCH',
        session,
        async ({ request, response, id }) => {
          const { name } = await readBody(request, renameSchema);
          sendJson(response, 200, await sessions.rename(id, name));
        },
      ],
      [
        'DELETE',
        session,
        async ({ response, id }) => {
          await sessions.delete(id);
          response.writeHead(204).end();
        },
      ],
      [
        'POST',
        /^\/sessions\/([\w-]+)\/stop$/,
        async ({ request, response, id }) => {
          await readBody(request, nothingSchema);
          sendJson(response, 200, await sessions.stop(id));
        },
      ],
      ['POST', /^\/sessions\/([\w-]+)\/symbolize$/, (call) => this.#symbolize(call)],
      ['GET', /^\/sessions\/([\w-]+)\/chunks$/, (call) => this.#sendChunks(call)],
      ['GET', /^\/sessions\/([\w-]+)\/export$/, (call) => this.#export(call)],
    ];
  }

  /** Answers a request whose path starts with API. */
  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    try {
      const path = url.pathname.slice(API.length);
      const matching = this.#routes.filter(([, pattern]) => pattern.test(path));
      if (matching.length === 0) throw new RequestError(404, `there is no ${url.pathname}`);
      const route = matching.find(([method]) => method === request.method);
      if (route === undefined) {
        response.setHeader('Allow', matching.map(([method]) => method).join(', '));
        throw new RequestError(405, `${url.pathname} can't be asked with ${request.method}`);
      }
      const id = route[1].exec(path)?.[1] ?? '';
      await route[2]({ request, response, id, query: url.searchParams });
    } catch (error) {
      sendError(response, error);
    }
  }

  async #setSampling({ request, response }: Parameters<Handler>[0]): Promise<void> {
    const { frequencyHz } = await readBody(request, samplingSchema);
    if (!this.#backend.setFrequency(frequencyHz))
      throw new RequestError(503, 'the agent does not run');
    response.writeHead(204).end();
  }

  async #setLatency({ request, response }: Parameters<Handler>[0]): Promise<void> {
    const { sources, stacks } = await readBody(request, latencySchema);
    if (!this.#backend.setLatency(sources, stacks))
      throw new RequestError(503, 'the agent does not run');
    response.writeHead(204).end();
  }

  /** One source, whatever others are measured: stacks are taken of what is measured alone. */
  async #setLatencySource({ request, response, id }: Parameters<Handler>[0]): Promise<void> {
    const source = LATENCY_SOURCES.find((known) => known === id);
    if (source === undefined) throw new RequestError(404, `there is no source of latencies ${id}`);
    const { measured, stacks } = await readBody(request, latencySourceSchema);
    const before = this.#backend.latency();
    const set = (all: readonly LatencySource[], isOn: boolean): readonly LatencySource[] => [
      ...all.filter((other) => other !== source),
      ...(isOn ? [source] : []),
    ];
    const isSet = this.#backend.setLatency(
      set(before.sources, measured),
      set(before.stacks, measured && stacks),
    );
    if (!isSet) throw new RequestError(503, 'the agent does not run');
    response.writeHead(204).end();
  }

  async #setOffCpu({ request, response }: Parameters<Handler>[0]): Promise<void> {
    const { enabled, thresholdNs } = await readBody(request, offCpuSchema);
    if (!this.#backend.setOffCpu(enabled, thresholdNs))
      throw new RequestError(503, 'the agent does not run');
    response.writeHead(204).end();
  }

  async #record({ request, response }: Parameters<Handler>[0]): Promise<void> {
    const { name } = await readBody(request, recordSchema);
    // Without an agent too: what it samples from its start on is recorded.
    const { collector, host = describeHost() } = this.#backend.status();
    const session = await this.#backend.sessions.record(
      name ?? defaultName(),
      collector?.frequencyHz ?? 0,
      host,
    );
    sendJson(response, 201, session);
  }

  /** Answers with a line for each step. Goes on to its end when nobody listens any more. */
  async #symbolize({ request, response, id }: Parameters<Handler>[0]): Promise<void> {
    await readBody(request, nothingSchema);
    const tell = (message: SymbolizingMessage): void => {
      if (!response.headersSent)
        response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(message)}\n`);
    };
    try {
      const report = await this.#backend.sessions.symbolize(id, { onProgress: tell });
      tell({ kind: 'report', report });
    } catch (error) {
      // Before the first line an error has a status of its own.
      if (!response.headersSent) throw error;
      tell({ kind: 'error', error: error instanceof Error ? error.message : String(error) });
    }
    response.end();
  }

  async #sendChunks({ response, id }: Parameters<Handler>[0]): Promise<void> {
    const { bytes } = await this.#backend.sessions.get(id);
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'X-Hearth-Bytes': String(bytes),
    });
    await pipeline(Readable.from(this.#backend.sessions.chunks(id)), response);
  }

  async #profileOf(id: string): Promise<Profile> {
    const stream = new ChunkStream(new Profile());
    for await (const slice of this.#backend.sessions.chunks(id))
      for (const bytes of splitChunks(slice)) applyNext(stream, bytes);
    return stream.profile;
  }

  async #export({ response, id, query }: Parameters<Handler>[0]): Promise<void> {
    const format = choiceOf(query.get('format'), EXPORT_FORMATS, 'format');
    const mode = choiceOf(query.get('mode') ?? 'cpu', EXPORT_MODES, 'mode');
    const scope = exportScopeOf(query);
    const { name } = await this.#backend.sessions.get(id);
    const profile = await this.#profileOf(id);
    if (mode !== 'cpu' && profile.waits.length === 0)
      throw new RequestError(409, 'off-CPU profiling was off while this was recorded');
    const title = `${name}${mode === 'cpu' ? '' : ` ${mode}`}${viewToQuery(scope) === '' ? '' : ' part'}`;
    const isText = format === 'collapsed';
    const fileName = `${title.replace(/[^\w.-]+/g, '-')}.${isText ? 'txt' : 'pb.gz'}`;
    response.setHeader('Content-Disposition', `attachment; filename="${fileName}"`);
    response.setHeader(
      'Content-Type',
      isText ? 'text/plain; charset=utf-8' : 'application/octet-stream',
    );
    const pieces = Readable.from(writeProfile(profile, mode, format, scope));
    await (isText ? pipeline(pieces, response) : pipeline(pieces, createGzip(), response));
  }
}

function defaultName(): string {
  return `Recording of ${new Date().toISOString().slice(0, 19).replace('T', ' ')}`;
}

/** Throws RequestError for what is none of `choices`. */
function choiceOf<T extends string>(asked: string | null, choices: readonly T[], what: string): T {
  const choice = choices.find((known) => known === asked);
  if (choice === undefined) throw new RequestError(400, `${what} is one of ${choices.join(', ')}`);
  return choice;
}

/**
 * The part of a recording that an export's query names, as a view's text does. Throws RequestError for what would not be heeded: who
 * asks for a part is not given the whole.
 */
function exportScopeOf(query: URLSearchParams): View {
  const view = { ...viewFromQuery(query.toString()), mode: DEFAULT_VIEW.mode };
  const heeded = new URLSearchParams(viewToQuery(view));
  for (const name of new Set(query.keys())) {
    if (['format', 'mode', 'v'].includes(name)) continue;
    const isHeeded =
      SCOPE_PARAMETERS.includes(name) && `${query.getAll(name)}` === `${heeded.getAll(name)}`;
    if (!isHeeded)
      throw new RequestError(
        400,
        `${name}: not understood. A part of a recording is named by ${SCOPE_PARAMETERS.join(', ')}, as the address of its page has them`,
      );
  }
  return view;
}

/** Reads and checks a JSON body. Throws RequestError. */
async function readBody<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/.test(type))
    throw new RequestError(415, 'the body must be application/json');
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES)
      throw new RequestError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    throw new RequestError(400, 'the body is not JSON');
  }
  const result = schema.safeParse(value);
  if (!result.success) throw new RequestError(400, z.prettifyError(result.error));
  return result.data;
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
    .end(JSON.stringify(value));
}

function sendError(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (response.headersSent) {
    // Half an answer must not look like a whole one.
    response.destroy();
    return;
  }
  const status = statusOf(error);
  if (status !== undefined) {
    sendJson(response, status, { error: message });
    return;
  }
  console.error(`hearth: ${error instanceof Error ? error.stack : message}`);
  sendJson(response, 500, { error: 'internal error: see the output of hearth serve' });
}

/** Undefined for a defect of Hearth's. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof RequestError) return error.status;
  if (error instanceof SessionNotFoundError) return 404;
  if (error instanceof ConflictError) return 409;
  if (error instanceof StoreFullError) return 507;
  if (error instanceof NamingError) return 500;
  if (error instanceof StoreError) return 500;
  return undefined;
}
