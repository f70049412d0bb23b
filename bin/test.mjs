// SPDX-License-Identifier: Apache-2.0
// What `npm test` runs once everything is set up: all stages, whatever the earlier ones say, then a summary. The last
// line is "N passed, N failed", summed over the tests; a stage that fails without a failed test (lint, types, a file of
// tests that does not load) counts as one failure. Exit status 0 only where nothing failed.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const reports = mkdtempSync(join(tmpdir(), 'hearth-test-'));

const BIOME_COLOURS = process.stdout.isTTY ? [] : ['--colors=off'];
const COLOURS = process.stdout.isTTY ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined };

/** Runs a program of node_modules/.bin with the terminal's streams; resolves to whether it succeeded. */
function run(program, args, environment = {}) {
  return new Promise((resolve) => {
    const child = spawn(join('node_modules/.bin', program), args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', ...COLOURS, ...environment },
    });
    child.once('error', (error) => {
      console.error(`${program}: ${error.message}; run bin/setup --test`);
      resolve(false);
    });
    child.once('exit', (code) => resolve(code === 0));
  });
}

const NO_TESTS = { passed: 0, failed: 0, skipped: 0 };

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

async function vitest(project) {
  const report = join(reports, `${project}.json`);
  const ok = await run('vitest', [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  const json = readReport(report);
  const counts = json
    ? {
        passed: json.numPassedTests,
        failed: json.numFailedTests,
        skipped: json.numPendingTests + json.numTodoTests,
      }
    : NO_TESTS;
  return { ok, counts };
}

async function kernelTests() {
  if (process.getuid() !== 0) {
    console.error('The kernel tests load eBPF programs and need root: sudo npm test');
    return { ok: false, counts: NO_TESTS };
  }
  return vitest('kernel');
}

async function playwright() {
  const report = join(reports, 'playwright.json');
  const ok = await run('playwright', ['test', '--reporter=list,json'], {
    PLAYWRIGHT_JSON_OUTPUT_NAME: report,
  });
  const stats = readReport(report)?.stats;
  const counts = stats
    ? { passed: stats.expected + stats.flaky, failed: stats.unexpected, skipped: stats.skipped }
    : NO_TESTS;
  return { ok, counts };
}

const check = async (program, args) => ({ ok: await run(program, args), counts: NO_TESTS });

const STAGES = [
  ['format and lint', () => check('biome', ['ci', '--error-on-warnings', ...BIOME_COLOURS, '.'])],
  ['types', () => check('tsc', ['-p', '.'])],
  ['unit tests', () => vitest('unit')],
  ['kernel tests', kernelTests],
  ['browser tests', playwright],
];

const results = [];
for (const [name, stage] of STAGES) {
  console.log(`\n=== ${name}`);
  const started = Date.now();
  const { ok, counts } = await stage();
  // A failure that no test stands for is still one.
  const failed = ok || counts.failed > 0 ? counts.failed : 1;
  results.push({ ...counts, name, failed, seconds: (Date.now() - started) / 1000 });
}
rmSync(reports, { recursive: true, force: true });

console.log('\n=== summary');
for (const { name, passed, failed, skipped, seconds } of results) {
  const tests =
    passed + failed + skipped > 0 ? `, ${passed} passed, ${failed} failed, ${skipped} skipped` : '';
  console.log(`${failed === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s${tests})`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
