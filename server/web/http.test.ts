import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeChunk, encodeChunk, profileOf, splitChunks } from '@/profile/chunk';
import type { LatencySource } from '@/profile/latency/sources';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import type { LiveStatus } from '@/profile/status';
import { StoreFullError } from '@/server/store/errors';
import { Api } from './api';
import { cookieOf, Guard } from './auth';
import { createHttpServer } from './http';
import { LiveSource } from './live-source';
import { MemoryStore } from './memory-store-for-tests';
import { Sessions } from './sessions';

const TOKEN = 't'.repeat(43);
const HOST = { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' };

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  json(): unknown;
}

describe('the server', () => {
  let server: Server;
  let port: number;
  let store: MemoryStore;
  let source: LiveSource;
  let sessions: Sessions;
  let status: LiveStatus;
  let latencySources: readonly LatencySource[] = [];
  let latencyStacks: readonly LatencySource[] = [];
  const budgets: unknown[] = [];
  let offCpu: readonly (boolean | number)[] = [];
  let frequencies: number[];
  let agentRuns: boolean;

  beforeEach(async () => {
    store = new MemoryStore();
    source = new LiveSource();
    sessions = await Sessions.open(store, {
      source,
      askForEnd: (receive) => receive(undefined),
      onChange: () => {},
    });
    frequencies = [];
    agentRuns = true;
    status = {
      collector: undefined,
      web: { cpu: { value: 0.001 }, residentBytes: { value: 1e8 } },
      budget: {
        cpuPercent: 0,
        memoryBytes: 300e6,
        usedPercent: undefined,
        usedBytes: undefined,
        isLowered: false,
        stopped: [],
        wishedHz: 99,
        changes: [],
      },
      agent: { state: 'starting' },
      recording: undefined,
      host: undefined,
    };
    const api = new Api({
      sessions,
      status: () => status,
      setFrequency: (frequencyHz) => {
        frequencies.push(frequencyHz);
        return agentRuns;
      },
      latency: () => ({ sources: latencySources, stacks: latencyStacks }),
      setLatency: (sources, stacks) => {
        latencySources = sources;
        latencyStacks = stacks;
        return agentRuns;
      },
      setBudget: (budget) => {
        budgets.push(budget);
      },
      setOffCpu: (enabled, thresholdNs) => {
        offCpu = [enabled, thresholdNs];
        return agentRuns;
      },
    });
    let guard: Guard | undefined;
    server = createHttpServer(
      TOKEN,
      () => guard as Guard,
      api,
      async (request, response) => {
        response.end(`page ${request.url} ${request.headers['x-nonce']}`);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    guard = new Guard(TOKEN, '127.0.0.1', port);
  });

  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  const running = (): void => {
    status = {
      ...status,
      host: HOST,
      collector: { frequencyHz: 99 } as LiveStatus['collector'],
    };
  };

  /** With the cookie, unless `headers` says otherwise. */
  const ask = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const request = httpRequest(
        {
          port,
          host: '127.0.0.1',
          method,
          path,
          headers: {
            cookie: cookieOf(TOKEN),
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...headers,
          },
        },
        (response) => {
          const pieces: Buffer[] = [];
          response.on('data', (piece) => pieces.push(piece));
          response.on('error', reject);
          response.on('end', () => {
            const bytes = Buffer.concat(pieces);
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              bytes,
              text: bytes.toString(),
              json: () => JSON.parse(bytes.toString()),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(text);
    });

  const NO_COOKIE = { cookie: '' };

  describe('who may come in', () => {
    it('gives a cookie for the token, and the same address without it', async () => {
      const answer = await ask('GET', `/sessions/a?x=1&token=${TOKEN}&y=%26`, undefined, NO_COOKIE);
      expect(answer.status).toBe(302);
      expect(answer.headers.location).toBe('/sessions/a?x=1&y=%26');
      expect(answer.headers['set-cookie']?.[0]).toContain(cookieOf(TOKEN));
      expect(answer.headers['cache-control']).toBe('no-store');
    });

    it('redirects to no other host', async () => {
      for (const path of ['//evil.example/x', '/.//evil.example/x', '/\\evil.example/x']) {
        const { headers } = await ask('GET', `${path}?token=${TOKEN}`, undefined, NO_COOKIE);
        expect(headers.location ?? '/').toMatch(/^\/(?![/\\])/);
      }
    });

    it('refuses pages without cookie, with a page that says what to do', async () => {
      for (const path of ['/', '/sessions', '/_next/static/x.js', `/?token=${'x'.repeat(43)}`]) {
        const answer = await ask('GET', path, undefined, NO_COOKIE);
        expect(answer.status).toBe(401);
        expect(answer.headers['content-type']).toMatch(/^text\/html/);
        expect(answer.text).toContain('hearth serve');
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
    });

    it('has no images made by Next.js, which would write them to the checkout', async () => {
      const answer = await ask('GET', '/_next/image?url=%2Ficon.png&w=64&q=75');
      expect([answer.status, answer.text]).toEqual([404, 'There is no such page.\n']);
    });

    it('refuses the API without cookie, in JSON', async () => {
      const answer = await ask('GET', '/api/v1/status', undefined, NO_COOKIE);
      expect(answer.status).toBe(401);
      expect(answer.json()).toEqual({ error: expect.stringContaining('hearth serve') });
    });

    it('gives no cookie for a token that is posted', async () => {
      expect((await ask('POST', `/?token=${TOKEN}`, {}, NO_COOKIE)).status).toBe(401);
    });

    it('refuses other hosts and origins, with cookie and all', async () => {
      expect((await ask('GET', '/', undefined, { host: 'evil.example' })).status).toBe(403);
      expect(
        (await ask('POST', '/api/v1/sessions', {}, { origin: 'http://evil.example' })).status,
      ).toBe(403);
      expect(
        (await ask('GET', '/', undefined, { origin: `http://127.0.0.1:${port}` })).status,
      ).toBe(200);
    });

    it('can be reached through a tunnel from another port', async () => {
      const host = 'localhost:9000';
      const origin = `http://${host}`;
      expect((await ask('GET', '/', undefined, { host })).status).toBe(200);
      expect((await ask('POST', '/api/v1/sessions', {}, { host, origin })).status).toBe(201);
    });

    it('lets pages of other ports of this machine, which get its cookie, change nothing', async () => {
      const changes = [
        ['PUT', '/sampling', { frequencyHz: 10 }],
        ['PUT', '/latency', { sources: [] }],
        ['PUT', '/latency/fs', { measured: true, stacks: false }],
        ['PUT', '/off-cpu', { enabled: true, thresholdNs: 1e7 }],
        ['PUT', '/budget', { cpuPercent: 1, memoryBytes: 1e8 }],
        ['POST', '/sessions', {}],
        ['PATCH', '/sessions/x', { name: 'x' }],
        ['DELETE', '/sessions/x', undefined],
        ['POST', '/sessions/x/stop', {}],
        ['POST', '/sessions/x/symbolize', {}],
      ] as const;
      for (const [method, path, body] of changes) {
        for (const origin of ['http://127.0.0.1:3000', 'http://127.0.0.1', 'null']) {
          const answer = await ask(method, `/api/v1${path}`, body, { origin });
          expect([method, path, origin, answer.status]).toEqual([method, path, origin, 403]);
        }
      }
      expect([frequencies, budgets, await sessions.list()]).toEqual([[], [], []]);
    });

    it('answers nonsense with 400', async () => {
      expect((await ask('GET', 'http://[', undefined)).status).toBe(400);
    });
  });

  it('sends a policy that allows only itself, with a nonce of its own for each request', async () => {
    const [first, second] = [await ask('GET', '/a'), await ask('GET', '/b')];
    const policy = first.headers['content-security-policy'] as string;
    for (const part of ["default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"])
      expect(policy).toContain(part);
    expect(/script-src ([^;]*)/.exec(policy)?.[1]).not.toMatch(/unsafe|\*|http/);
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
    expect(first.text).toBe(`page /a ${nonce}`);
    expect(second.headers['content-security-policy']).not.toBe(policy);
    expect(first.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
  });

  describe('the API', () => {
    it('tells the status, and lets nothing keep it', async () => {
      const answer = await ask('GET', '/api/v1/status');
      expect(answer.json()).toMatchObject({ agent: { state: 'starting' } });
      expect(answer.headers['cache-control']).toBe('no-store');
    });

    it('sets the frequency', async () => {
      expect((await ask('PUT', '/api/v1/sampling', { frequencyHz: 4999 })).status).toBe(204);
      agentRuns = false;
      expect((await ask('PUT', '/api/v1/sampling', { frequencyHz: 1 })).status).toBe(503);
      expect(frequencies).toEqual([4999, 1]);
    });

    it('sets the budget, also while no agent runs', async () => {
      agentRuns = false;
      const budget = { cpuPercent: 0.5, memoryBytes: 200e6 };
      expect((await ask('PUT', '/api/v1/budget', budget)).status).toBe(204);
      expect(budgets).toEqual([budget]);
      expect((await ask('PUT', '/api/v1/budget', { ...budget, cpuPercent: 101 })).status).toBe(400);
    });

    it('switches off-CPU profiling', async () => {
      const put = (body: unknown) => ask('PUT', '/api/v1/off-cpu', body);
      expect((await put({ enabled: true, thresholdNs: 10e6 })).status).toBe(204);
      expect(offCpu).toEqual([true, 10e6]);
      expect((await put({ enabled: true })).status).toBe(400);
      expect((await put({ enabled: true, thresholdNs: 1 })).status).toBe(400);
      agentRuns = false;
      expect((await put({ enabled: false, thresholdNs: 10e6 })).status).toBe(503);
    });

    it('sets which latencies are measured, of those that there are', async () => {
      const put = (sources: string[], stacks?: string[]) =>
        ask('PUT', '/api/v1/latency', { sources, stacks });
      expect((await put(['fs', 'tcp'])).status).toBe(204);
      expect(latencySources).toEqual(['fs', 'tcp']);
      expect(latencyStacks).toEqual([]);
      expect((await put(['fs', 'tcp'], ['fs'])).status).toBe(204);
      expect(latencyStacks).toEqual(['fs']);
      expect((await put(['fs'], ['nothing'])).status).toBe(400);
      expect((await put(['weather'])).status).toBe(400);
      agentRuns = false;
      expect((await put([])).status).toBe(503);
    });

    it('sets one latency after another, however late the agent says so', async () => {
      latencySources = ['fs'];
      latencyStacks = [];
      const put = (source: string, measured: unknown, stacks: unknown = false) =>
        ask('PUT', `/api/v1/latency/${source}`, { measured, stacks });
      expect((await put('tcp', true)).status).toBe(204);
      expect((await put('futex', true, true)).status).toBe(204);
      expect([latencySources, latencyStacks]).toEqual([['fs', 'tcp', 'futex'], ['futex']]);
      expect((await put('futex', true)).status).toBe(204);
      expect([latencySources, latencyStacks]).toEqual([['fs', 'tcp', 'futex'], []]);
      await put('fs', true, true);
      expect((await put('fs', false, true)).status).toBe(204);
      expect([latencySources, latencyStacks]).toEqual([['tcp', 'futex'], []]);
      expect((await put('weather', true)).status).toBe(404);
      expect((await put('fs', 'yes')).status).toBe(400);
      agentRuns = false;
      expect((await put('fs', true)).status).toBe(503);
    });

    it.each([
      ['PUT', '/sampling', { frequencyHz: 0 }],
      ['PUT', '/sampling', { frequencyHz: 5000 }],
      ['PUT', '/sampling', { frequencyHz: 99.5 }],
      ['PUT', '/sampling', { frequencyHz: '99' }],
      ['PUT', '/sampling', { frequencyHz: 99, more: 1 }],
      ['PUT', '/sampling', []],
      ['PUT', '/sampling', 'not JSON'],
      ['POST', '/sessions', { name: '' }],
      ['POST', '/sessions', { name: 'x'.repeat(201) }],
      ['POST', '/sessions', { name: 7 }],
      ['POST', '/sessions', null],
    ])('refuses %s %s with %j', async (method, path, body) => {
      running();
      const answer = await ask(method, `/api/v1${path}`, body);
      expect(answer.status).toBe(400);
      expect(answer.json()).toEqual({ error: expect.any(String) });
      expect(frequencies).toEqual([]);
    });

    it('refuses bodies that are too large or no JSON by type', async () => {
      const large = { name: 'x'.repeat(100_000) };
      expect((await ask('POST', '/api/v1/sessions', large)).status).toBe(413);
      const form = { 'content-type': 'text/plain' };
      expect((await ask('POST', '/api/v1/sessions', {}, form)).status).toBe(415);
    });

    it('knows its paths and their methods', async () => {
      expect((await ask('GET', '/api/v1/nothing')).status).toBe(404);
      const answer = await ask('PUT', '/api/v1/sessions', {});
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe('GET, POST');
      for (const [method, path] of [
        ['GET', '/sessions/nope'],
        ['PATCH', '/sessions/nope'],
        ['DELETE', '/sessions/nope'],
        ['GET', '/sessions/nope/chunks'],
        ['GET', '/sessions/nope/export?format=pprof'],
        ['POST', '/sessions/nope/stop'],
      ]) {
        const body = method === 'PATCH' ? { name: 'x' } : method === 'POST' ? {} : undefined;
        const missing = await ask(method, `/api/v1${path}`, body);
        expect([path, missing.status]).toEqual([path, 404]);
      }
    });

    it('records without an agent too: it may come', async () => {
      const answer = await ask('POST', '/api/v1/sessions', {});
      expect(answer.status).toBe(201);
      const { id } = answer.json() as { id: string };
      expect((await ask('POST', `/api/v1/sessions/${id}/stop`, {})).status).toBe(200);
    });

    it('records, stops, renames, exports and deletes', async () => {
      running();
      const started = await ask('POST', '/api/v1/sessions', { name: ' My “run” ' });
      expect(started.status).toBe(201);
      const { id } = started.json() as { id: string };
      expect(started.json()).toMatchObject({ name: 'My “run”', state: 'recording', host: HOST });
      expect((await ask('POST', '/api/v1/sessions', {})).status).toBe(409);
      const early = `/api/v1/sessions/${id}/export?format=collapsed&mode=wall`;
      expect((await ask('GET', early)).json()).toEqual({
        error: 'off-CPU profiling was off while this was recorded',
      });
      expect((await ask('DELETE', `/api/v1/sessions/${id}`)).status).toBe(409);

      const agent = new TestProfile()
        .add({ process: 'prog', stack: ['main', 'k:work'] })
        .addWait({ process: 'prog', stack: ['main', 'k:wait'], durationNs: 5e6, timeNs: 5e17 });
      source.push(encodeChunk(agent.builder.cutChunk({ ...HEADER, endNs: 1e18 }, [])));
      const stopped = ask('POST', `/api/v1/sessions/${id}/stop`, {});
      source.push(encodeChunk(agent.builder.cutChunk({ ...HEADER, endNs: 1e18 }, [])));
      expect((await stopped).json()).toMatchObject({ state: 'complete', samples: 1 });
      expect((await ask('POST', `/api/v1/sessions/${id}/stop`, {})).status).toBe(409);

      const renamed = await ask('PATCH', `/api/v1/sessions/${id}`, { name: 'a/b "c"' });
      expect(renamed.json()).toMatchObject({ name: 'a/b "c"' });
      expect((await ask('GET', '/api/v1/sessions')).json()).toEqual([renamed.json()]);

      const chunks = await ask('GET', `/api/v1/sessions/${id}/chunks`);
      expect(chunks.headers['content-type']).toBe('application/octet-stream');
      const profile = profileOf([...splitChunks(chunks.bytes)].map(decodeChunk));
      expect(profile.samples.length).toBe(1);

      const collapsed = await ask('GET', `/api/v1/sessions/${id}/export?format=collapsed`);
      expect(collapsed.text).toMatch(/^prog;main;work_\[k\] \d+\n$/);
      expect(collapsed.headers['content-disposition']).toBe('attachment; filename="a-b-c-.txt"');
      const pprof = await ask('GET', `/api/v1/sessions/${id}/export?format=pprof`);
      expect(gunzipSync(pprof.bytes).includes('work')).toBe(true);
      const exported = (query: string) => ask('GET', `/api/v1/sessions/${id}/export?${query}`);
      expect((await exported('format=x')).status).toBe(400);
      expect((await exported('format=pprof&mode=x')).status).toBe(400);

      const waits = await exported('format=collapsed&mode=off-cpu');
      expect(waits.text).toBe('prog;main;wait_[k];[waiting: sleep] 5000000\n');
      expect(waits.headers['content-disposition']).toBe('attachment; filename="a-b-c-off-cpu.txt"');
      const wall = await exported('format=pprof&mode=wall');
      for (const name of ['work', 'waiting: sleep'])
        expect(gunzipSync(wall.bytes).includes(name)).toBe(true);

      const part = await exported('format=collapsed&mode=off-cpu&v=1&from=0&to=499999999998000000');
      expect(part.text).toBe('prog;main;wait_[k];[waiting: sleep] 3000000\n');
      expect(part.headers['content-disposition']).toContain('"a-b-c-off-cpu-part.txt"');
      expect((await exported('format=collapsed&pid=99')).text).toBe('');
      for (const unheeded of ['from=7', 'pid=x', 'pids=7', 'v=9&pid=7', 'search=main'])
        expect((await exported(`format=collapsed&${unheeded}`)).status, unheeded).toBe(400);

      expect((await ask('DELETE', `/api/v1/sessions/${id}`)).status).toBe(204);
      expect((await ask('GET', `/api/v1/sessions/${id}`)).status).toBe(404);
    });

    it('names no session again that is being recorded, or that there is not', async () => {
      const { id } = (await ask('POST', '/api/v1/sessions', {})).json() as { id: string };
      const recording = await ask('POST', `/api/v1/sessions/${id}/symbolize`, {});
      expect(recording.status).toBe(409);
      expect(recording.text).toMatch(/is being recorded/);
      expect((await ask('POST', '/api/v1/sessions/nothing/symbolize', {})).status).toBe(404);
      expect((await ask('POST', `/api/v1/sessions/${id}/symbolize`, { x: 1 })).status).toBe(400);
      expect((await ask('GET', `/api/v1/sessions/${id}/symbolize`)).status).toBe(405);
    });

    it('says when the disk is full', async () => {
      running();
      store.create = async () => {
        throw new StoreFullError('No space is left');
      };
      const answer = await ask('POST', '/api/v1/sessions', {});
      expect(answer.status).toBe(507);
      expect(answer.json()).toEqual({ error: 'No space is left' });
    });
  });
});
