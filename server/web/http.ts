/** The one port: security headers, who may come in, the API, and the pages. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { API } from '@/profile/live-protocol';
import { type Api, sendJson } from './api';
import { cookieHeader, type Guard } from './auth';

export type PageHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Every source is this server; scripts need the nonce that Next.js puts into its own. */
function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}

const HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
};

export function createHttpServer(
  token: string,
  guard: () => Guard,
  api: Api,
  pages: PageHandler,
): Server {
  return createServer((request, response) => {
    const nonce = randomBytes(16).toString('base64');
    const policy = contentSecurityPolicy(nonce);
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.setHeader('Content-Security-Policy', policy);
    // Next.js reads the nonce from the request, and writes it into the scripts of the page.
    request.headers['content-security-policy'] = policy;
    request.headers['x-nonce'] = nonce;
    answer(request, response, token, guard(), api, pages).catch((error: unknown) => {
      console.error(
        `hearth: ${request.method} ${request.url}: ${error instanceof Error ? error.stack : error}`,
      );
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end('Internal error: see the output of hearth serve.');
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  guard: Guard,
  api: Api,
  pages: PageHandler,
): Promise<void> {
  if (!guard.isOwnOrigin(request)) {
    response
      .writeHead(403, { 'Content-Type': 'text/plain' })
      .end('This host name or origin is not allowed here.\n');
    return;
  }
  const url = parseUrl(request);
  if (url === undefined) {
    response.writeHead(400, { 'Content-Type': 'text/plain' }).end('This is no address.\n');
    return;
  }
  const isApi = url.pathname === API || url.pathname.startsWith(`${API}/`);
  const given = url.searchParams.get('token');
  if (given !== null && guard.isToken(given) && request.method === 'GET') {
    url.searchParams.delete('token');
    // One slash at the start: two would name another host.
    const location = `/${url.pathname.replace(/^\/+/, '')}${url.search}`;
    response
      .writeHead(302, {
        'Set-Cookie': cookieHeader(token),
        Location: location,
        'Cache-Control': 'no-store',
      })
      .end();
    return;
  }
  if (!guard.hasCookie(request)) {
    if (isApi)
      sendJson(response, 401, {
        error: 'no access: open the link that `hearth serve` has printed',
      });
    else
      response
        .writeHead(401, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' })
        .end(NO_ACCESS);
    return;
  }
  // Next.js would write what it makes smaller to the checkout; Hearth has no such images.
  if (url.pathname === '/_next/image') {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('There is no such page.\n');
    return;
  }
  if (isApi) await api.handle(request, response, url);
  else await pages(request, response);
}

function parseUrl(request: IncomingMessage): URL | undefined {
  try {
    return new URL(request.url ?? '/', `http://${request.headers.host}`);
  } catch {
    return undefined;
  }
}

/** The link to itself is for those who came by a link of another site: browsers send strict cookies only from here. */
const NO_ACCESS = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hearth: no access</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto;padding:0 1.5rem}code{font-family:ui-monospace,monospace}</style>
<h1>No access</h1>
<p>This browser has no access to this Hearth, or its access was renewed.</p>
<p>Open the link with <code>?token=</code> that <code>hearth serve</code> printed where it was started.</p>
<p>If you have done that before and came here from another site, <a href="">go on</a>.</p>
</html>
`;
