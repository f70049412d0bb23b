import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, type Page, test } from 'playwright/test';
import { type RealServer, startServer } from './real-server';

let server: RealServer;

test.beforeEach(async () => {
  server = await startServer();
});

test.afterEach(async () => {
  await server.stop();
});

/** What `ssh -L` does: a port of this machine that leads to the server's. */
async function openTunnel({ origin }: RealServer): Promise<{ port: number } & AsyncDisposable> {
  const tunnel = createServer((near) => {
    const far = connect(Number(new URL(origin).port), '127.0.0.1');
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(tunnel, 'listening');
  return {
    port: (tunnel.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void tunnel.close(),
  };
}

async function expectLive(page: Page): Promise<void> {
  const rows = page.getByRole('table', { name: 'Functions' }).getByRole('row');
  await expect(rows.filter({ hasText: '%' }).first()).toBeVisible();
}

test('a tunnel from another port shows the live page, and records', async ({ page }) => {
  await using tunnel = await openTunnel(server);
  const origin = `http://localhost:${tunnel.port}`;
  await page.goto(server.url.replace(server.origin, origin));
  await expectLive(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.getByRole('button', { name: 'Stop recording' }).click();
  await page.getByRole('link', { name: 'Open recording' }).click();
  await expect(page).toHaveURL(new RegExp(`^${origin}/sessions/`));
  await page.goto('about:blank');
});

test('two servers on one host do not log each other out', async ({ page }) => {
  const other = await startServer();
  try {
    await page.goto(server.url);
    await page.goto(other.url);
    for (const { origin } of [server, other]) {
      await page.goto(origin);
      await expectLive(page);
    }
  } finally {
    await other.stop();
  }
});

test('a start and an end say on the terminal where it is, and nothing else', async ({ page }) => {
  await page.goto(server.url);
  await expectLive(page);
  expect(await server.stop()).toBe(0);
  expect(server.output().trim()).toBe(`Hearth is at ${server.url}`);
});
