/** Names of addresses: how soon and how fast, in how much memory, and whether inlined functions are right. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ElfFile } from '@/server/agent/elf/elf-file';
import { trimMemory } from '@/server/agent/libc';
import { findDebugFile } from '@/server/agent/symbols/debug-files';
import { CPP, compare, RUST } from '@/server/agent/symbols/dwarf/addr2line-for-tests';
import { Symbolizer } from '@/server/agent/symbols/symbolizer';
import { TestFolder } from '@/server/agent/symbols/test-binaries';
import { type Bench, median, type Report } from './bench';
import { residentBytes } from './processes';

const NODE = process.execPath;
const LIBC = '/lib/x86_64-linux-gnu/libc.so.6';
const LIBRARIES = [
  NODE,
  '/usr/lib/chromium/chromium',
  LIBC,
  '/usr/lib/x86_64-linux-gnu/libstdc++.so.6',
];
const MIB = 1024 * 1024;
const ADDRESSES = 100_000;
const PEER_ADDRESSES = 1000;
const ROUNDS = 5;
const WARM_ROUNDS = 15;
const READY_LIMIT_MS = 60;
const WARM_LIMIT_US = 0.5;
const MEMORY_LIMIT_MIB = 40;
const COMPARED = 1000;
/** The worker gives back what it does not need when it has had nothing to do for a moment. */
const PAUSE_MS = 1500;

/** `count` distinct file offsets, spread over the code, in no order. */
function offsets(path: string, count: number): Float64Array {
  const elf = ElfFile.open(path);
  const text = elf.section('.text');
  elf.close();
  if (text === undefined) throw new Error(`${path} has no .text`);
  const step = 7919;
  return Float64Array.from(
    { length: count },
    (_, i) => text.offset + Math.floor((((i * step) % count) / count) * text.size),
  );
}

/** Milliseconds until the first name of node is there, in a worker that has read nothing yet. */
async function ready(cacheDirectory?: string): Promise<number> {
  const symbolizer = await Symbolizer.start({ cacheDirectory });
  const wanted = offsets(NODE, 1);
  const startMs = performance.now();
  await symbolizer.module({ key: 'node', path: NODE }, wanted);
  const ms = performance.now() - startMs;
  await symbolizer.dispose();
  return ms;
}

/** Microseconds an address: the first time, and later ones. */
async function naming(): Promise<{ cold: number; warm: number }> {
  const symbolizer = await Symbolizer.start();
  const wanted = offsets(NODE, ADDRESSES);
  const times: number[] = [];
  for (let round = 0; round <= WARM_ROUNDS; round++) {
    const startMs = performance.now();
    await symbolizer.module({ key: 'node', path: NODE }, wanted);
    times.push(((performance.now() - startMs) / ADDRESSES) * 1000);
  }
  await symbolizer.dispose();
  return { cold: times[0], warm: median(times.slice(1)) };
}

/** Microseconds an address of addr2line -f, which starts anew: the first of many. */
function addr2line(): number {
  const text = Array.from(offsets(NODE, PEER_ADDRESSES), (at) => `0x${at.toString(16)}\n`).join('');
  const startMs = performance.now();
  execFileSync('addr2line', ['-f', '-e', NODE], { input: text });
  return ((performance.now() - startMs) / PEER_ADDRESSES) * 1000;
}

/** What naming adds to the memory of the process that does it. */
async function memory(): Promise<number> {
  const before = residentBytes(process.pid);
  const symbolizer = await Symbolizer.start();
  for (const path of LIBRARIES.filter(existsSync)) {
    await symbolizer.module({ key: path, path }, offsets(path, 1000));
  }
  await symbolizer.kernelBase();
  await sleep(PAUSE_MS);
  trimMemory();
  const added = residentBytes(process.pid) - before;
  await symbolizer.dispose();
  return added / MIB;
}

async function firstNames(report: Report): Promise<void> {
  const [fresh, cached]: [number[], number[]] = [[], []];
  const folder = new TestFolder();
  const cache = join(folder.path, 'symbols');
  await ready(cache);
  for (let round = 0; round < ROUNDS; round++) {
    fresh.push(await ready());
    cached.push(await ready(cache));
  }
  folder.remove();
  report("first name of node's own binary", 'ms', median(fresh), 'limit', READY_LIMIT_MS);
  report('the same at later starts', 'ms', median(cached), 'first start', median(fresh));
}

function inlining(report: Report): void {
  const folder = new TestFolder();
  const row = (what: string, path: string): void => {
    const { compared, differentChains } = compare(path, COMPARED);
    const percent = (differentChains / compared) * 100;
    const metric = `inlined functions unlike addr2line -i, ${what} (${compared})`;
    report(metric, '%', percent, 'limit', 1);
  };
  try {
    row('C++ -O2', folder.compile('inlining.cpp', CPP, '-O2', '-g'));
    row('Rust', folder.compile('inlining.rs', RUST, '-O', '-g', '--edition=2021'));
    const libc = ElfFile.open(LIBC);
    const debug = findDebugFile(libc, LIBC, []);
    libc.close();
    debug?.elf.close();
    if (debug !== undefined) row('libc', debug.path);
    else console.error('  libc is not compared: it has no debug information here (libc6-dbg)');
  } finally {
    folder.remove();
  }
}

export const symbols: Bench = {
  name: 'symbols',
  what: 'names of addresses: time, memory, and agreement of inlined functions with addr2line',
  async run(report) {
    // Before anything else has made this process large.
    report(
      'memory of naming node, chromium, libc, kernel',
      'MiB',
      await memory(),
      'limit',
      MEMORY_LIMIT_MIB,
    );
    await firstNames(report);
    const { cold, warm } = await naming();
    report('100,000 addresses of node, cold', 'us each', cold, 'addr2line', addr2line());
    report('100,000 addresses of node, warm', 'us each', warm, 'limit', WARM_LIMIT_US);
    inlining(report);
  },
};
