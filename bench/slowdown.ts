/**
 * What being looked at costs a program, and what looking costs, beside `perf record --call-graph dwarf`.
 *
 * The program does the same work in short batches, on all CPUs, all the time: what a profiler does itself, too, is time that
 * the program does not get. Every way to look runs all the time, too, but samples only
 * while it is its turn: turns are half a second, because what else changes on the machine within minutes is more than what
 * is to be measured. Hearth samples once a second meanwhile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeChunk } from '@/profile/chunk';
import { Collector } from '@/server/agent/collector';
import { endsWithUs } from '@/server/agent/corpus/ends-with-us';
import { PerfRecording } from '@/server/agent/corpus/perf';
import { estimate, mean, median, type Report } from './bench';
import { scheduledSeconds } from './processes';
import { compileWorkload } from './workloads/compile';

const FREQUENCY_HZ = 999;
const OFF_HZ = 1;
const CYCLES = 200;
/** What is left to read of the turn before is read in its first part. */
const UNMEASURED_MS = 200;
const MEASURED_MS = 400;
/** In which the profilers themselves have been compiled, and what runs all the time has its names. */
const WARM_UP_MS = 5000;
const SETTLE_MS = 60_000;
const STEADY_ROUNDS = 3;
const STEADY_MS = 4000;
/** Of the program's stack; an ordinary one. */
const DEPTH = 25;
const FLAGS = ['-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', '-pthread'];
/** perf's own default. */
const COPIED_BYTES = 8192;
const PERF = 'perf record --call-graph dwarf';
const WAYS = ['nothing', 'hearth', 'perf', 'interrupts'] as const;
type Way = (typeof WAYS)[number];

/** Seconds of CLOCK_MONOTONIC. */
interface Turn {
  readonly from: number;
  readonly to: number;
}

interface Batch extends Turn {
  readonly cpuUs: number;
}

const now = (): number => Number(process.hrtime.bigint()) / 1e9;

/** The program that is looked at: a process on each CPU. */
class Batches {
  readonly #processes: readonly RunningBatches[];

  constructor() {
    this.#processes = Array.from(
      { length: availableParallelism() },
      (_, cpu) => new RunningBatches(cpu),
    );
  }

  /** Ends it; what was done on each CPU, in order. */
  stop(): Promise<Batch[][]> {
    return Promise.all(this.#processes.map((process) => process.stop()));
  }
}

class RunningBatches {
  readonly #child;
  readonly #exit: Promise<unknown>;
  #text = '';

  constructor(cpu: number) {
    const program = compileWorkload('batches', FLAGS);
    const niceness = String(Math.max(0, -getPriority()));
    const args = ['-n', niceness, program, String(cpu), String(DEPTH)];
    this.#child = endsWithUs(spawn('nice', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    this.#exit = once(this.#child, 'close');
    this.#child.stdout.on('data', (piece: Buffer) => {
      this.#text += piece.toString();
    });
  }

  async stop(): Promise<Batch[]> {
    this.#child.kill('SIGTERM');
    await this.#exit;
    return this.#text
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number))
      .map(([to, wallUs, cpuUs]) => ({ from: to - wallUs / 1e6, to, cpuUs }));
  }
}

interface RunningCollector {
  readonly collector: Collector;
  readonly samples: () => number;
}

async function startHearth(frequencyHz: number): Promise<RunningCollector> {
  let samples = 0;
  const collector = await Collector.start({
    frequencyHz,
    filter: { kind: 'all' },
    // Nobody keeps them: on a busy machine the tables begin anew every few seconds.
    onChunk: (chunk) => {
      samples += chunk.tables.samples.length;
      encodeChunk(chunk);
    },
    onStatus: () => {},
  });
  await collector.settled(SETTLE_MS);
  return { collector, samples: () => samples };
}

/** Without stacks there is hardly more than the interrupts. */
const startPerf = (stackBytes: number, startsOff: boolean): Promise<PerfRecording> =>
  PerfRecording.start({ frequencyHz: FREQUENCY_HZ, pid: 'all', stackBytes, startsOff });

/** Has every way its turn, over and over; returns the turns of each. */
async function takeTurns(): Promise<Readonly<Record<Way, readonly Turn[]>>> {
  const { collector } = await startHearth(FREQUENCY_HZ);
  const [perf, interrupts] = [await startPerf(COPIED_BYTES, true), await startPerf(0, true)];
  const set: Readonly<Record<Way, (on: boolean) => void>> = {
    nothing: () => {},
    hearth: (on) => collector.setFrequency(on ? FREQUENCY_HZ : OFF_HZ),
    perf: (on) => perf.setOn(on),
    interrupts: (on) => interrupts.setOn(on),
  };
  const turns: Record<Way, Turn[]> = { nothing: [], hearth: [], perf: [], interrupts: [] };
  try {
    await sleep(WARM_UP_MS);
    collector.setFrequency(OFF_HZ);
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      for (let i = 0; i < WAYS.length; i++) {
        // Each begins as often as the others, and in both orders.
        const way = WAYS[(cycle + (cycle % 8 < 4 ? i : WAYS.length - 1 - i)) % WAYS.length];
        set[way](true);
        await sleep(UNMEASURED_MS);
        const from = now();
        await sleep(MEASURED_MS);
        turns[way].push({ from, to: now() });
        set[way](false);
      }
    }
  } finally {
    await collector.stop();
    await perf.dispose();
    await interrupts.dispose();
  }
  return turns;
}

/** Microseconds of CPU time for a batch: samples hit all evenly, and what else runs on the machine only some of them. */
const cpuTime = (batches: readonly Batch[], { from, to }: Turn): number =>
  median(batches.filter((batch) => batch.from >= from && batch.to <= to).map((it) => it.cpuUs));

/** Seconds for each batch that was done, in part at the turn's ends: with all that ran on its CPU meanwhile. */
function wholeTime(batches: readonly Batch[], turn: Turn): number {
  let done = 0;
  for (const { from, to } of batches) {
    const inTurn = Math.min(to, turn.to) - Math.max(from, turn.from);
    if (inTurn > 0) done += inTurn / (to - from);
  }
  return (turn.to - turn.from) / done;
}

async function slowdown(report: Report): Promise<void> {
  const program = new Batches();
  let batches: Batch[][] = [];
  const turns = await takeTurns().finally(async () => {
    batches = await program.stop();
  });
  const named = (what: string, error: number): string => `${what} (+-${error.toFixed(2)})`;
  for (const [timeOf, what] of [
    [cpuTime, `more CPU time for the same work, ${FREQUENCY_HZ} Hz`],
    [wholeTime, `more time for the same work on all CPUs, ${FREQUENCY_HZ} Hz`],
  ] as const) {
    const times = Object.fromEntries(
      WAYS.map((way) => [
        way,
        turns[way].map((turn) => mean(batches.map((onCpu) => timeOf(onCpu, turn)))),
      ]),
    );
    const beside = (way: Way, other: Way) =>
      // Where the machine stood still, there is no batch in a turn.
      estimate(
        times[way]
          .map((value, cycle) => (value / times[other][cycle] - 1) * 100)
          .filter(Number.isFinite),
      );
    const [hearth, perf, interrupts] = (['hearth', 'perf', 'interrupts'] as const).map((way) =>
      beside(way, 'nothing'),
    );
    const metric = named(what, hearth.error);
    report(metric, '%', hearth.value, named(PERF, perf.error), perf.value);
    report(metric, '%', hearth.value, named('interrupts', interrupts.error), interrupts.value);
    const difference = beside('hearth', 'perf');
    const more = named('the same, Hearth more than perf', difference.error);
    report(more, '%', difference.value, 'interrupts', interrupts.value);
  }
}

/** Of the whole machine, a second: CPU seconds of the profiler, and of what perf does with what it wrote then. */
interface Own {
  readonly own: number;
  readonly later: number;
  readonly samples: number;
}

async function ownOfHearth(): Promise<Own> {
  const { collector, samples } = await startHearth(FREQUENCY_HZ);
  await sleep(WARM_UP_MS);
  const [used, before, from] = [process.cpuUsage(), samples(), now()];
  await sleep(STEADY_MS);
  const { user, system } = process.cpuUsage(used);
  const seconds = now() - from;
  const count = samples() - before;
  await collector.stop();
  return { own: (user + system) / 1e6 / seconds, later: 0, samples: count / seconds };
}

async function ownOfPerf(): Promise<Own> {
  const perf = await startPerf(COPIED_BYTES, false);
  try {
    const [used, from] = [scheduledSeconds(perf.pid), now()];
    await sleep(STEADY_MS);
    const own = scheduledSeconds(perf.pid) - used;
    const seconds = now() - from;
    await perf.stop();
    const script = perf.script();
    return {
      own: own / seconds,
      later: script.cpuSeconds / seconds,
      samples: script.samples / seconds,
    };
  } finally {
    await perf.dispose();
  }
}

async function own(report: Report): Promise<void> {
  const program = new Batches();
  const [hearth, perf]: [Own[], Own[]] = [[], []];
  try {
    for (let round = 0; round < STEADY_ROUNDS; round++) {
      hearth.push(await ownOfHearth());
      perf.push(await ownOfPerf());
    }
  } finally {
    await program.stop();
  }
  const of = (rounds: readonly Own[], key: keyof Own): number =>
    median(rounds.map((round) => round[key]));
  const stacks = (rounds: readonly Own[]): string =>
    `${Math.round(of(rounds, 'samples'))} stacks a second`;
  const what = 'CPU time of the profiler itself';
  report(
    `${what}, ${stacks(hearth)}`,
    '% of a CPU',
    of(hearth, 'own') * 100,
    `perf record, ${stacks(perf)}`,
    of(perf, 'own') * 100,
  );
  const all = (of(perf, 'own') + of(perf, 'later')) * 100;
  report(what, '% of a CPU', of(hearth, 'own') * 100, 'perf record, and perf script', all);
  const us = (rounds: readonly Own[]): number =>
    median(rounds.map((round) => ((round.own + round.later) / round.samples) * 1e6));
  report(`${what}, for each stack`, 'us', us(hearth), 'perf record, and perf script', us(perf));
}

/** Both. */
export async function costOfLooking(report: Report): Promise<void> {
  // First, for the batches of the slowdown fill this process's heap, and its own CPU time is that of their collection then.
  await own(report);
  await slowdown(report);
}
