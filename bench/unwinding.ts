/** Unwinding user stacks: what it costs in the kernel, beside perf's copies of the stack; tables; and how many stacks are whole. */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { installedPrograms } from '@/server/agent/corpus/installed';
import { PerfRecording } from '@/server/agent/corpus/perf';
import { Profiling, RunningProgram, steadyStacks } from '@/server/agent/corpus/profiling';
import { compiledPrograms, programsForPerf } from '@/server/agent/corpus/programs';
import { completeShare, type UserStack, userStacks } from '@/server/agent/corpus/user-stacks';
import { UnwindCompiler, UnwindError } from '@/server/agent/unwind/unwind-compiler';
import { type Bench, median, type Report } from './bench';
import { costOfLooking } from './slowdown';
import { compileWorkload } from './workloads/compile';
import { RunningWorkload } from './workloads/run';

/** Of the stack of the recursion workload, its burning function and what is below main included. */
const OTHER_FRAMES = 6;
const MEASURED_SECONDS = 5;
const TABLE_FLAGS = ['-O1', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', '-pthread'];
const FRAME_POINTER_FLAGS = [
  '-O1',
  '-fno-omit-frame-pointer',
  '-fno-optimize-sibling-calls',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  '-pthread',
];
const METHODS = { 'frame pointers': FRAME_POINTER_FLAGS, tables: TABLE_FLAGS } as const;

/** Frames, samples a second, and the most microseconds a sample may take. */
const DEPTHS = [
  { frames: 6, frequencyHz: 4999, limitUs: 2.5 },
  { frames: 10, frequencyHz: 999, limitUs: 8 },
  { frames: 30, frequencyHz: 999, limitUs: 8 },
  { frames: 100, frequencyHz: 999, limitUs: undefined },
] as const;

/** Microseconds in BPF for each sample of programs that keep all CPUs busy at one depth, by the kernel's own statistics. */
async function sampleUs(
  flags: readonly string[],
  frames: number,
  frequencyHz: number,
): Promise<number> {
  const program = compileWorkload('recursion', flags);
  const workloads = Array.from(
    { length: availableParallelism() },
    () => new RunningWorkload(program, [frames - OTHER_FRAMES, 3600]),
  );
  try {
    const pids = workloads.map(({ pid }) => pid);
    const profiling = await Profiling.start(frequencyHz, { kind: 'processes', pids }, true);
    const before = profiling.statuses.length;
    await sleep(MEASURED_SECONDS * 1000);
    await profiling.stop();
    return median(
      profiling.statuses.slice(before + 1).map(({ bpfPrograms, samplesPerSecond }) => {
        // Runs for other processes end at once, so the time is that of the samples.
        return (bpfPrograms.sample_cpu.cpu * 1e6) / samplesPerSecond;
      }),
    );
  } finally {
    for (const { child } of workloads) child.kill('SIGKILL');
  }
}

async function inKernel(report: Report): Promise<void> {
  for (const { frames, frequencyHz, limitUs } of DEPTHS) {
    const us = { 'frame pointers': 0, tables: 0 };
    for (const [method, flags] of Object.entries(METHODS))
      us[method as keyof typeof METHODS] = await sampleUs(flags, frames, frequencyHz);
    const what = `${frames} frames, ${frequencyHz} Hz`;
    const own = us['frame pointers'];
    report(`BPF per sample by tables, ${what}`, 'us', us.tables, 'frame pointers', own);
    if (limitUs === undefined) continue;
    report(`BPF per sample by frame pointers, ${what}`, 'us', own, 'limit', limitUs);
    report(`BPF per sample by tables, ${what}`, 'us', us.tables, 'limit', limitUs);
  }
}

const DATA_HZ = 999;
const PEER = 'perf record --call-graph dwarf';
/** perf's own default. */
const COPIED_BYTES = 8192;

/** Both at once, of the same programs: what Hearth sends, names included, beside what perf writes. */
async function data(report: Report): Promise<void> {
  for (const program of programsForPerf()) {
    const running = RunningProgram.start(program);
    try {
      await running.ready();
      const { pid } = running;
      const profiling = await Profiling.start(DATA_HZ, { kind: 'processes', pids: [pid] });
      const options = { frequencyHz: DATA_HZ, pid, stackBytes: COPIED_BYTES };
      const perf = await PerfRecording.start(options);
      const sent = profiling.chunkBytes;
      const written = perf.bytes;
      await sleep(MEASURED_SECONDS * 1000);
      const [ours, theirs] = [profiling.chunkBytes - sent, perf.bytes - written];
      await perf.stop();
      await perf.dispose();
      await profiling.stop();
      const what = `data in ${MEASURED_SECONDS} s at ${DATA_HZ} Hz, ${program.title}`;
      report(what, 'MB', ours / 1e6, PEER, theirs / 1e6);
    } finally {
      await running.stop();
    }
  }
}

const TABLE_ROUNDS = 5;
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';
const CHROMIUM = '/usr/lib/chromium/chromium';

interface MadeTables {
  readonly ms: number;
  readonly bytes: number;
}

/** Makes tables in a worker that has just been started; what is not ELF or has no frames costs time, but no bytes. */
async function makeTables(paths: readonly string[]): Promise<MadeTables> {
  const compiler = new UnwindCompiler();
  let bytes = 0;
  try {
    for (const path of paths) {
      try {
        const { table } = await compiler.compile({ key: path, path });
        bytes += table.pages.byteLength + table.rows.byteLength + table.rules.byteLength;
      } catch (error) {
        if (!(error instanceof UnwindError)) throw error;
      }
    }
    return { ms: compiler.report.totalMs, bytes };
  } finally {
    await compiler.dispose();
  }
}

/** The file and the libraries that it is linked to. */
function withLibraries(path: string): string[] {
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  return [...new Set([path, ...Array.from(libraries, ([, library]) => realpathSync(library))])];
}

async function tables(report: Report): Promise<void> {
  const subjects = [
    { title: 'node', paths: [realpathSync(process.execPath)], limitMs: 150, limitMb: 2 },
    { title: 'libc', paths: [`${LIBRARIES}/libc.so.6`], limitMs: 150, limitMb: 2 },
    ...(existsSync(CHROMIUM)
      ? [{ title: 'chromium, ', paths: withLibraries(CHROMIUM), limitMs: 1000, limitMb: 8 }]
      : []),
  ];
  for (const { title, paths, limitMs, limitMb } of subjects) {
    const rounds: MadeTables[] = [];
    for (let round = 0; round < TABLE_ROUNDS; round++) rounds.push(await makeTables(paths));
    const what = paths.length > 1 ? `${title}${paths.length} modules` : title;
    const ms = median(rounds.map((made) => made.ms));
    report(`table of ${what}, in a new worker`, 'ms', ms, 'limit', limitMs);
    report(`table of ${what}`, 'MB', rounds[0].bytes / 1e6, 'limit', limitMb);
  }
}

const CORPUS_HZ = 999;
const CORPUS_SAMPLES = 1500;
const CORPUS_MS = 60_000;
const BROKEN_LIMIT = 0.5;

function reportBroken(title: string, stacks: readonly UserStack[], report: Report): void {
  const { count, of } = completeShare(stacks);
  report(`not whole, ${title}`, `% of ${of}`, (1 - count / of) * 100, 'limit', BROKEN_LIMIT);
}

async function corpus(report: Report): Promise<void> {
  const compiled = await steadyStacks(compiledPrograms(), CORPUS_HZ, CORPUS_SAMPLES);
  for (const [title, stacks] of compiled) reportBroken(title, stacks, report);
  for (const program of installedPrograms().filter(({ needs }) => needs === undefined)) {
    const running = await program.start();
    try {
      const pids = running.pids();
      const profiling = await Profiling.start(CORPUS_HZ, { kind: 'processes', pids });
      await profiling.sampledTogether(pids, CORPUS_SAMPLES, CORPUS_MS);
      const { settledNs } = profiling;
      const stacks = userStacks(await profiling.stop(), new Set(pids), settledNs);
      reportBroken(program.title, stacks, report);
    } finally {
      await running.stop();
    }
  }
}

export const unwinding: Bench = {
  name: 'unwinding',
  what: 'user stacks: time in the kernel, tables, how many are whole, beside perf record --call-graph dwarf',
  async run(report) {
    await tables(report);
    await inKernel(report);
    await data(report);
    await costOfLooking(report);
    await corpus(report);
  },
};
