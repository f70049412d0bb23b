// SPDX-License-Identifier: Apache-2.0
// request.cjs SOCKET PATH: asks a server for a page over and over, on four connections, until it is killed.
const { Agent, get } = require('node:http');

const [socketPath, path] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 4 });

function again() {
  get({ socketPath, path, agent, headers: { 'accept-encoding': 'gzip' } }, (response) => {
    response.resume();
    response.on('end', again);
  });
}

for (let i = 0; i < 4; i++) again();
