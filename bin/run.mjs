// SPDX-License-Identifier: Apache-2.0
// Runs a TypeScript program of this checkout: node bin/run.mjs bench/main.ts [ARGS...]
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const [source, ...args] = process.argv.slice(2);
const outfile = join(root, 'dist/tools', `${source.replace(/\.ts$/, '').replaceAll('/', '-')}.js`);
await build({
  absWorkingDir: root,
  entryPoints: [join(root, source)],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20.9',
  format: 'esm',
  packages: 'external',
  alias: { '@': root },
  charset: 'utf8',
  logLevel: 'warning',
});
process.argv = [process.argv[0], outfile, ...args];
await import(pathToFileURL(outfile).href);
