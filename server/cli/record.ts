/** `hearth record`: profiles a command, some processes or the whole machine, and writes one file. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { writeProfile } from '@/profile/formats/export';
import type { ExportFormat, ExportMode } from '@/profile/formats/formats';
import type { OffCpuStatus } from '@/profile/status';
import { Collector } from '@/server/agent/collector';
import { DEFAULT_THRESHOLD_NS } from '@/server/agent/off-cpu/off-cpu';
import { raisePriority } from '@/server/agent/priority';
import type { Filter } from '@/server/wire';
import { type CommandEnd, HeldCommand } from './held-command';
import { openOutput } from './output';
import { programFiles } from './program-files';
import { Recording } from './recording';
import { describeBlocked, describeRecording, describeWaits } from './summary';
import { unwindTableCache } from './unwind-table-cache';

/** CPU time, waiting, or both. */
export type RecordKind = Exclude<ExportMode, 'off-wake'>;

export interface RecordOptions {
  readonly kind: RecordKind;
  readonly frequencyHz: number;
  /** Undefined: until the command or the processes end, or Ctrl-C. */
  readonly durationS: number | undefined;
  readonly target: RecordTarget;
  readonly format: ExportFormat;
  /** Undefined or '-': the standard output. */
  readonly outputPath: string | undefined;
}

export type RecordTarget =
  | { readonly kind: 'machine' }
  | { readonly kind: 'processes'; readonly pids: readonly number[] }
  | { readonly kind: 'command'; readonly command: readonly string[] };

export class RecordError extends Error {
  override readonly name = 'RecordError';
}

const say = (text: string): void => console.error(`hearth: ${text}`);

const NS_PER_SECOND = 1e9;
/** Making the unwind tables of all that runs is waited for this long; what is missing then comes while recording. */
const PREPARE_MS = 3000;
const PREPARE_SILENT_MS = 700;
/** How often processes that were attached to are looked at for their end. */
const PROCESS_CHECK_MS = 200;
/** How long a command that was asked to end is waited for. */
const TERMINATE_WAIT_MS = 2000;

/**
 * Resolves when the profile has been written. Throws, with no file written, an error whose message says what the user
 * can do: RecordError, OutputError, CommandError, CollectorError.
 */
export async function record(options: RecordOptions): Promise<void> {
  const { target, format } = options;
  const output = openOutput(options.outputPath, format === 'pprof');
  const interrupts = new Interrupts();
  let command: HeldCommand | undefined;
  // A second Ctrl-C ends this process at once; what it would leave behind is taken away even then.
  const cleanUp = (): void => {
    output.discard();
    if (command?.running) command.terminate();
  };
  process.once('exit', cleanUp);
  try {
    if (target.kind === 'processes') checkProcesses(target.pids);
    if (target.kind === 'command')
      command = await HeldCommand.start(target.command, output.isStdout);
    // Not before: the command would have it, too.
    raisePriority();

    const { recording, recordedNs, commandEnd, waits } = await collect(
      options,
      command,
      interrupts,
    );
    // As under perf, the command does not outlive its profile.
    if (command?.running) command.terminate();

    const pieces = writeProfile(recording.profile, options.kind, format);
    output.finish(format === 'pprof' ? [...pieces].map((piece) => gzipSync(piece)) : pieces);
    const facts = {
      seconds: recordedNs / NS_PER_SECOND,
      frequencyHz: options.frequencyHz,
      outputName: output.name,
    };
    const lines =
      options.kind === 'cpu' || waits === undefined
        ? describeRecording(recording.profile, facts)
        : [
            ...describeWaits(recording.profile, options.kind, waits, facts),
            ...describeBlocked(waits),
          ];
    for (const line of lines) say(line);
    if (command !== undefined && target.kind === 'command')
      await reportCommand(target.command[0], command, commandEnd);
  } finally {
    cleanUp();
    process.removeListener('exit', cleanUp);
    interrupts.dispose();
  }
}

interface Collected {
  readonly recording: Recording;
  readonly recordedNs: number;
  /** Where that was what ended the recording. */
  readonly commandEnd: CommandEnd | undefined;
  /** How waits were at the end, where they were recorded. */
  readonly waits: OffCpuStatus | undefined;
}

async function collect(
  { kind, target, frequencyHz, durationS }: RecordOptions,
  command: HeldCommand | undefined,
  interrupts: Interrupts,
): Promise<Collected> {
  const recording = new Recording();
  const collector = await Collector.start({
    frequencyHz,
    filter: filterFor(target, command),
    offCpu: kind === 'cpu' ? undefined : { thresholdNs: DEFAULT_THRESHOLD_NS },
    cacheDirectory: unwindTableCache(),
    onChunk: (chunk) => recording.add(chunk),
    onStatus: () => {},
  });
  let waits: OffCpuStatus | undefined;
  let recorded: Omit<Collected, 'waits'>;
  try {
    if (command !== undefined && target.kind === 'command')
      collector.expect(command.pid, await programFiles(target.command[0]));
    await Promise.race([prepare(collector), interrupts.first]);
    const startNs = monotonicNs();
    recording.begin(startNs);
    command?.release();
    if (durationS === undefined && target.kind === 'machine')
      say('recording the whole machine; Ctrl-C ends it');
    const commandEnd = await untilDone(target, durationS, command, interrupts);
    // A timer may be late, but a recording is not longer than was asked for.
    const longestNs = (durationS ?? Number.POSITIVE_INFINITY) * NS_PER_SECOND;
    const recordedNs = Math.min(monotonicNs() - startNs, longestNs);
    recording.end(startNs + recordedNs);
    recorded = { recording, recordedNs, commandEnd };
  } finally {
    waits = await collector.stop();
  }
  return { ...recorded, waits };
}

const monotonicNs = (): number => Number(process.hrtime.bigint());

/** Waits until the stacks of what runs already, and of the command, can be walked. Quick but for the first time, before the tables are kept. */
async function prepare(collector: Collector): Promise<void> {
  const timer = setTimeout(() => say('reading how to unwind what runs now'), PREPARE_SILENT_MS);
  await collector.settled(PREPARE_MS);
  clearTimeout(timer);
}

function filterFor(target: RecordTarget, command: HeldCommand | undefined): Filter {
  // What holds the command is none of it.
  if (command !== undefined) return { kind: 'trees', pids: [command.pid], fromExec: true };
  return target.kind === 'processes'
    ? { kind: 'processes', pids: [...target.pids] }
    : { kind: 'all' };
}

/** Waits for whatever ends the recording first; the command's end where that was it. */
async function untilDone(
  target: RecordTarget,
  durationS: number | undefined,
  command: HeldCommand | undefined,
  interrupts: Interrupts,
): Promise<CommandEnd | undefined> {
  const over = new AbortController();
  const ends: Promise<CommandEnd | undefined>[] = [interrupts.first.then(() => undefined)];
  if (command !== undefined) ends.push(command.ended);
  if (durationS !== undefined) ends.push(after(durationS * 1000, over.signal));
  if (target.kind === 'processes') ends.push(processesEnded(target.pids, over.signal));
  try {
    return await Promise.race(ends);
  } finally {
    over.abort();
  }
}

function after(ms: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}

function processesEnded(pids: readonly number[], signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (pids.every((pid) => !isAlive(pid))) resolve(undefined);
    }, PROCESS_CHECK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
  });
}

/** A process that has ended and was not waited for yet (a zombie) is not alive. */
function isAlive(pid: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return false;
  }
  // "pid (name) state": the name may hold anything, so the state comes after the last parenthesis.
  const state = stat[stat.lastIndexOf(')') + 2];
  return state !== 'Z' && state !== 'X';
}

function checkProcesses(pids: readonly number[]): void {
  const gone = pids.filter((pid) => !isAlive(pid));
  if (gone.length > 0)
    throw new RecordError(`no such process: ${gone.join(', ')}; see ps -e for what runs`);
}

async function reportCommand(
  name: string,
  command: HeldCommand,
  endedByItself: CommandEnd | undefined,
): Promise<void> {
  const end =
    endedByItself ?? (await Promise.race([command.ended, after(TERMINATE_WAIT_MS, NEVER)]));
  if (end === undefined) {
    say(`${name} was asked to end (SIGTERM) and still runs as process ${command.pid}`);
  } else if (end.kind === 'killed') {
    say(`${name} was ended by ${end.signal}`);
  } else {
    say(`${name} ended with exit code ${end.code}`);
  }
}

const NEVER = new AbortController().signal;

/** The first SIGINT, SIGTERM or SIGHUP ends the recording, which is then written; the second ends Hearth at once. */
class Interrupts {
  readonly first: Promise<void>;
  readonly #handler: (signal: NodeJS.Signals) => void;
  static readonly #SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

  constructor() {
    let resolveFirst: () => void = () => {};
    this.first = new Promise((resolve) => {
      resolveFirst = resolve;
    });
    let seen = 0;
    this.#handler = () => {
      if (++seen === 1) resolveFirst();
      else {
        say('aborted, no profile was written');
        process.exit(130);
      }
    };
    for (const signal of Interrupts.#SIGNALS) process.on(signal, this.#handler);
  }

  dispose(): void {
    for (const signal of Interrupts.#SIGNALS) process.off(signal, this.#handler);
  }
}
