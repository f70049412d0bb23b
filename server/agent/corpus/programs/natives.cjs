// SPDX-License-Identifier: Apache-2.0
// Native code of Node.js on the threads of its pool, until it is killed. Prints a line when it has begun.
const { randomBytes, scrypt } = require('node:crypto');
const { brotliCompress, gzip } = require('node:zlib');

const text = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i * 7919}`).join('\n'));
const salt = randomBytes(16);
const again = (work) => {
  const next = () => work(next);
  next();
};

again((next) => scrypt('secret', salt, 64, { N: 4096 }, next));
again((next) => gzip(text, next));
again((next) => brotliCompress(text.subarray(0, 50_000), next));
require('node:fs').writeSync(1, 'ready\n');
