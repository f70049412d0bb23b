/**
 * Who may talk to the server: whoever has the token. A start prints a URL with it; opening that sets a cookie. Host and
 * Origin are checked so that no other website can reach in through the user's browser (DNS rebinding, cross-site
 * websockets), nor what another port of this machine serves: to SameSite, all ports of a name are one site.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';

/** 48 bits: enough for no two servers to have the same, and far too few to say anything about the token. */
const COOKIE_ID_DIGITS = 12;
const TOKEN_BYTES = 32;
const YEAR_S = 365 * 24 * 3600;
/** Browsers leave it out of Host. */
const HTTP_PORT = 80;
/** Nobody can point these names elsewhere. The port may be any: it is the other end of an SSH tunnel's. */
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** The token of the data directory, made where there is none or a new one is asked for: links and cookies outlive a restart. */
export function loadToken(dataDirectory: string, renew: boolean): string {
  const path = join(dataDirectory, 'token');
  if (!renew) {
    try {
      const token = readFileSync(path, 'utf8').trim();
      if (/^[\w-]{43}$/.test(token)) return token;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
  return token;
}

export class Guard {
  readonly #digest: Buffer;
  readonly #cookie: string;
  readonly #hosts: ReadonlySet<string>;

  /** `host`: the address that the server listens on. */
  constructor(token: string, host: string, port: number) {
    this.#digest = digest(token);
    this.#cookie = cookieName(token);
    this.#hosts = new Set(
      namesOf(host).flatMap((name) => [`${name}:${port}`, ...(port === HTTP_PORT ? [name] : [])]),
    );
  }

  /**
   * The request names this server, and comes from a page of this server or from no page. Browsers say Origin with whatever
   * is no GET.
   */
  isOwnOrigin(request: IncomingMessage): boolean {
    const { host, origin } = request.headers;
    if (host === undefined || !this.#isOwnHost(host.toLowerCase())) return false;
    return origin === undefined || origin === `http://${host}`;
  }

  #isOwnHost(host: string): boolean {
    return LOOPBACK.test(host) || this.#hosts.has(host);
  }

  /** A websocket must say where it comes from: browsers always do, and let any site open one. */
  mayOpenWebsocket(request: IncomingMessage): boolean {
    return (
      request.headers.origin !== undefined && this.isOwnOrigin(request) && this.hasCookie(request)
    );
  }

  isToken(token: string | null): boolean {
    return token !== null && timingSafeEqual(digest(token), this.#digest);
  }

  hasCookie(request: IncomingMessage): boolean {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=', 2);
      if (name === this.#cookie && value !== undefined && this.isToken(value)) return true;
    }
    return false;
  }
}

/**
 * What an address may be called in Host. For one that stands for all interfaces: their addresses, and the machine's
 * name. Any other name could be one that an attacker has pointed here.
 */
function namesOf(host: string): string[] {
  const literal = (address: string): string =>
    address.includes(':') ? `[${address.toLowerCase()}]` : address.toLowerCase();
  if (host !== '0.0.0.0' && host !== '::') return [literal(host)];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [hostname().toLowerCase(), ...addresses.map(({ address }) => literal(address))];
}

/**
 * Cookies know hosts, but no ports: servers that one host name leads to, be they on one machine or behind tunnels to
 * several, each have a name of their own, and one server the same by whatever port it is reached.
 */
function cookieName(token: string): string {
  return `hearth-${digest(token).toString('hex').slice(0, COOKIE_ID_DIGITS)}`;
}

/** What a client sends that has the token. */
export function cookieOf(token: string): string {
  return `${cookieName(token)}=${token}`;
}

export function cookieHeader(token: string): string {
  return `${cookieOf(token)}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${YEAR_S}`;
}

/** Of equal length whatever is asked about, so that the comparison takes equal time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
