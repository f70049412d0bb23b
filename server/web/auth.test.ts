import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cookieHeader, cookieOf, Guard, loadToken } from './auth';

const TOKEN = 'a'.repeat(43);
const request = (headers: IncomingHttpHeaders): IncomingMessage => ({ headers }) as IncomingMessage;

describe('the token', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-token-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('stays the same from start to start, for its owner alone', () => {
    const token = loadToken(directory, false);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(loadToken(directory, false)).toBe(token);
    expect(statSync(join(directory, 'token')).mode & 0o777).toBe(0o600);
  });

  it('is renewed when that is asked for, and when its file is damaged', () => {
    const token = loadToken(directory, false);
    const renewed = loadToken(directory, true);
    expect(renewed).not.toBe(token);
    writeFileSync(join(directory, 'token'), 'short');
    chmodSync(join(directory, 'token'), 0o644);
    expect(loadToken(directory, false)).toMatch(/^[\w-]{43}$/);
    expect(statSync(join(directory, 'token')).mode & 0o777).toBe(0o600);
  });
});

describe('the guard', () => {
  const guard = new Guard(TOKEN, '127.0.0.1', 7575);

  it('knows the token', () => {
    expect(guard.isToken(TOKEN)).toBe(true);
    expect(guard.isToken('b'.repeat(43))).toBe(false);
    expect(guard.isToken(TOKEN.slice(1))).toBe(false);
    expect(guard.isToken('')).toBe(false);
    expect(guard.isToken(null)).toBe(false);
  });

  it('finds its cookie among others', () => {
    const own = cookieOf(TOKEN);
    const [name] = own.split('=');
    expect(guard.hasCookie(request({ cookie: `a=b; ${own}; c=d` }))).toBe(true);
    expect(guard.hasCookie(request({ cookie: `${name}=wrong; ${own}` }))).toBe(true);
    expect(guard.hasCookie(request({ cookie: `x${own}` }))).toBe(false);
    expect(guard.hasCookie(request({ cookie: `${name}=` }))).toBe(false);
    expect(guard.hasCookie(request({}))).toBe(false);
  });

  it('has a cookie of another name than other servers, which may be on the same host', () => {
    const [name, other] = [TOKEN, 'b'.repeat(43)].map((token) => cookieOf(token).split('=')[0]);
    expect(name).toMatch(/^hearth-[0-9a-f]{12}$/);
    expect(other).not.toBe(name);
  });

  it.each([
    '127.0.0.1:7575',
    'localhost:7575',
    'LocalHost:7575',
    '[::1]:7575',
    // Through a tunnel, from another port.
    'localhost:9000',
    '127.0.0.1:9000',
    '[::1]:9000',
    'localhost',
  ])('answers to %s', (host) => {
    expect(guard.isOwnOrigin(request({ host }))).toBe(true);
    expect(guard.isOwnOrigin(request({ host, origin: `http://${host}` }))).toBe(true);
  });

  it.each([
    ['a name that may have been pointed here', { host: 'evil.example:7575' }],
    ['a name that begins like its own', { host: '127.0.0.1.evil.example:7575' }],
    ['a name that ends like its own', { host: 'evil.localhost:7575' }],
    ['a name before its own', { host: 'evil.example@localhost:7575' }],
    ['a port that is none', { host: 'localhost:7575.evil.example' }],
    ['no host', {}],
    ['another site', { host: '127.0.0.1:7575', origin: 'http://evil.example' }],
    ['another port of this machine', { host: '127.0.0.1:7575', origin: 'http://127.0.0.1:3000' }],
    ['the port of the far end', { host: 'localhost:9000', origin: 'http://localhost:7575' }],
    ['the port of the near end', { host: 'localhost:7575', origin: 'http://localhost:9000' }],
    ['an origin without its port', { host: 'localhost:7575', origin: 'http://localhost' }],
    ['another of its names', { host: '127.0.0.1:7575', origin: 'http://localhost:7575' }],
    ['an origin that is kept secret', { host: '127.0.0.1:7575', origin: 'null' }],
    ['another scheme', { host: '127.0.0.1:7575', origin: 'https://127.0.0.1:7575' }],
  ])('refuses %s', (_, headers) => {
    expect(guard.isOwnOrigin(request(headers))).toBe(false);
  });

  it('lets websockets in only from its own pages, with the cookie', () => {
    const headers = {
      host: 'localhost:7575',
      origin: 'http://localhost:7575',
      cookie: cookieOf(TOKEN),
    };
    expect(guard.mayOpenWebsocket(request(headers))).toBe(true);
    const { host, origin, cookie } = headers;
    expect(guard.mayOpenWebsocket(request({ host, cookie }))).toBe(false);
    expect(guard.mayOpenWebsocket(request({ host, origin }))).toBe(false);
    expect(guard.mayOpenWebsocket(request({ ...headers, host: 'evil.example' }))).toBe(false);
    for (const other of ['http://evil.example', 'http://localhost:3000', 'null'])
      expect(guard.mayOpenWebsocket(request({ ...headers, origin: other }))).toBe(false);
    const tunnelled = { ...headers, host: 'localhost:9000', origin: 'http://localhost:9000' };
    expect(guard.mayOpenWebsocket(request(tunnelled))).toBe(true);
  });

  it('answers to the address that it was told to listen on', () => {
    const v4 = new Guard(TOKEN, '192.168.1.5', 8080);
    expect(v4.isOwnOrigin(request({ host: '192.168.1.5:8080' }))).toBe(true);
    expect(v4.isOwnOrigin(request({ host: '192.168.1.5:8081' }))).toBe(false);
    expect(v4.isOwnOrigin(request({ host: '192.168.1.5' }))).toBe(false);
    expect(v4.isOwnOrigin(request({ host: '192.168.1.6:8080' }))).toBe(false);
    const v6 = new Guard(TOKEN, 'FE80::1', 8080);
    expect(v6.isOwnOrigin(request({ host: '[fe80::1]:8080' }))).toBe(true);
  });

  it("on all addresses, answers to the machine's own and to no other name", () => {
    const all = new Guard(TOKEN, '0.0.0.0', 7575);
    expect(all.isOwnOrigin(request({ host: '127.0.0.1:7575' }))).toBe(true);
    expect(all.isOwnOrigin(request({ host: `${hostname()}:7575` }))).toBe(true);
    expect(all.isOwnOrigin(request({ host: 'evil.example:7575' }))).toBe(false);
    expect(all.isOwnOrigin(request({ host: '203.0.113.77:7575' }))).toBe(false);
  });

  it('answers without a port where that is 80', () => {
    expect(new Guard(TOKEN, '192.168.1.5', 80).isOwnOrigin(request({ host: '192.168.1.5' }))).toBe(
      true,
    );
  });
});

it('sets a cookie that scripts and other sites do not get', () => {
  const cookie = cookieHeader(TOKEN);
  for (const part of [cookieOf(TOKEN), 'HttpOnly', 'SameSite=Strict', 'Path=/'])
    expect(cookie).toContain(part);
});
