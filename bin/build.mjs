// SPDX-License-Identifier: Apache-2.0
// Bundles the server's programs into dist/, so that they start without resolving hundreds of modules. npm packages stay
// outside.
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist');

const PROGRAMS = {
  cli: 'server/cli/main.ts',
  agent: 'server/agent/main.ts',
  web: 'server/web/main.ts',
  sandbox: 'server/web/sandbox/main.ts',
  'symbol-worker': 'server/agent/symbols/worker.ts',
  'unwind-worker': 'server/agent/unwind/worker.ts',
  'session-symbols': 'server/agent/session-symbols-main.ts',
  debuginfod: 'server/agent/debuginfod/main.ts',
};

const entryPoints = Object.entries(PROGRAMS)
  .filter(([, source]) => existsSync(join(root, source)))
  .map(([name, source]) => ({ in: join(root, source), out: name }));

// Written beside and moved into place, the shared parts first, so that a server that runs never loads half a program.
const fresh = join(out, '.new');
await rm(fresh, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints,
  outdir: fresh,
  bundle: true,
  // What is imported lazily stays out of memory until then: a command's code, and the packages that it needs.
  splitting: true,
  chunkNames: 'shared/[name]-[hash]',
  platform: 'node',
  target: 'node20.9',
  format: 'esm',
  packages: 'external',
  alias: { '@': root },
  charset: 'utf8',
  logLevel: 'warning',
});
const shared = existsSync(join(fresh, 'shared')) ? await readdir(join(fresh, 'shared')) : [];
await mkdir(join(out, 'shared'), { recursive: true });
for (const file of shared) await rename(join(fresh, 'shared', file), join(out, 'shared', file));
for (const { out: name } of entryPoints) {
  await rename(join(fresh, `${name}.js`), join(out, `${name}.js`));
}
for (const file of await readdir(join(out, 'shared'))) {
  if (!shared.includes(file)) await rm(join(out, 'shared', file));
}
await rm(fresh, { recursive: true, force: true });
