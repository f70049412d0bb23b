/** A second opinion on stacks: `perf record --call-graph dwarf` on the same process, unwound by perf from copies of its stack. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { endsWithUs } from './ends-with-us';
import type { UserStack } from './user-stacks';

const ATTACH_POLL_MS = 20;
const ATTACH_MS = 20_000;

export interface PerfOptions {
  readonly frequencyHz: number;
  /** A process, or the whole machine. */
  readonly pid: number | 'all';
  /** Of stack that are copied with each sample, up to 65,528; 0 for no stacks. */
  readonly stackBytes: number;
  /** Nothing is sampled until `setOn(true)`. */
  readonly startsOff?: boolean;
}

/** `perf record` that runs. */
export class PerfRecording {
  readonly #directory = mkdtempSync(join(tmpdir(), 'hearth-perf-'));
  readonly #file = join(this.#directory, 'perf.data');
  readonly #child: ChildProcess;

  private constructor({ frequencyHz, pid, stackBytes, startsOff }: PerfOptions) {
    const args = ['record', '-q', '-e', 'cpu-clock', '-F', String(frequencyHz)];
    if (stackBytes > 0) args.push('--call-graph', `dwarf,${stackBytes}`);
    args.push('-k', 'CLOCK_MONOTONIC', '--control', 'fd:3');
    if (startsOff) args.push('-D', '-1');
    args.push(...(pid === 'all' ? ['-a'] : ['-p', String(pid)]));
    this.#child = endsWithUs(
      spawn('perf', [...args, '-o', this.#file], {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      }),
    );
  }

  /** Starts it, and waits until it records. */
  static async start(options: PerfOptions): Promise<PerfRecording> {
    const recording = new PerfRecording(options);
    const endMs = Date.now() + ATTACH_MS;
    while (recording.bytes === 0) {
      if (recording.#child.exitCode !== null || Date.now() > endMs)
        throw new Error('perf record does not record');
      await sleep(ATTACH_POLL_MS);
    }
    return recording;
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('perf did not start: install linux-perf');
    return this.#child.pid;
  }

  /** Switches sampling on or off, within a few milliseconds. */
  setOn(on: boolean): void {
    (this.#child.stdio[3] as Writable).write(on ? 'enable\n' : 'disable\n');
  }

  /** Written until now. */
  get bytes(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Ends the recording; what it wrote stays until `dispose`. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await exit;
  }

  /** The stacks of the samples between two times, CLOCK_MONOTONIC in nanoseconds. Functions that were inlined are left out. */
  async stacks(fromNs: number, toNs: number): Promise<UserStack[]> {
    const args = ['script', '-i', this.#file, '--no-inline', '--ns', '-F', 'time,ip,sym,dso'];
    const script = spawn('perf', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    return readPerfScript(createInterface({ input: script.stdout }), fromNs, toNs);
  }

  /** How many samples there are, and the CPU seconds of `perf script`, which unwinds their stacks and names them. */
  script(): { readonly samples: number; readonly cpuSeconds: number } {
    const command = `perf script -i "$1" --no-inline -F time,ip,sym,dso 2>/dev/null | grep -c '^ *[0-9]*\\.[0-9]*:'; times`;
    const text = execFileSync('bash', ['-c', command, 'bash', this.#file], { encoding: 'utf8' });
    const lines = text.trim().split('\n');
    // The last line is the children's: user and system time, as 0m1.234s.
    const seconds = (lines.at(-1) ?? '').split(' ').map((time) => {
      const [minutes, rest] = time.split('m');
      return Number(minutes) * 60 + Number.parseFloat(rest);
    });
    return { samples: Number(lines[0]), cpuSeconds: seconds[0] + seconds[1] };
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Reads what `perf script -F time,ip,sym,dso` prints: a line with the time in seconds, a line for each frame from the
 * leaf (`address function (file)`), and an empty line. Kernel frames are left out.
 */
export async function readPerfScript(
  lines: AsyncIterable<string>,
  fromNs: number,
  toNs: number,
): Promise<UserStack[]> {
  const stacks: UserStack[] = [];
  let frames: { name: string; module: string }[] = [];
  let timeNs: number | undefined;
  const finish = (): void => {
    if (timeNs !== undefined && timeNs >= fromNs && timeNs < toNs)
      stacks.push({ frames: frames.reverse(), stop: undefined, samples: 1 });
    frames = [];
    timeNs = undefined;
  };
  for await (const line of lines) {
    const time = /^\s*(\d+)\.(\d{9}):/.exec(line);
    if (time !== null) {
      finish();
      timeNs = Number(time[1]) * 1e9 + Number(time[2]);
      continue;
    }
    const frame = /^\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$/.exec(line);
    if (frame === null) continue;
    const [, name, module] = frame;
    if (module.startsWith('[kernel') || module === '[guest.kernel.kallsyms]') continue;
    frames.push({ name: name === '[unknown]' ? '' : name, module });
  }
  finish();
  return stacks;
}
