/** What this process and its BPF programs cost, measured over the time since the last reading. */
import { readFileSync } from 'node:fs';
import type { CollectorStatus, Measured, ProcessCost } from '@/profile/status';
import { BpfError, enableRunTimeStatistics, type ProgramRunTime } from './libbpf';

const NS_PER_US = 1000;
/** Of the kernel's interface to programs: 100 on all architectures of today. */
const USER_HZ = 100;

/** CPU time of this process, with all its threads, between calls. */
export class CostMeter {
  #cpu = process.cpuUsage();
  #at = process.hrtime.bigint();

  read(): ProcessCost {
    const cpu = process.cpuUsage(this.#cpu);
    const now = process.hrtime.bigint();
    const elapsedNs = Number(now - this.#at);
    this.#cpu = process.cpuUsage();
    this.#at = now;
    return {
      cpu: { value: ((cpu.user + cpu.system) * NS_PER_US) / elapsedNs },
      residentBytes: { value: process.memoryUsage.rss() },
    };
  }
}

/** One reading in so many begins a measurement. */
const MEASURED_EVERY = 10;
/** How long a measurement of run times is. */
const MEASURED_MS = 250;

interface Reading {
  readonly runTimes: ReadonlyMap<string, ProgramRunTime>;
  readonly at: bigint;
}

type Measurement = Pick<CollectorStatus, 'bpfCpu' | 'bpfPrograms'>;

/**
 * Run time of BPF programs, as the kernel measures it. That costs up to a fifth of what it measures, so it is switched on
 * for a quarter of a second in ten readings alone, and once when programs came; in between the last measurement stands.
 */
export class RunTimeMeter {
  readonly #isAlways: boolean;
  #stopStatistics: (() => void) | undefined;
  #before: Reading | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readings = 0;
  #names = '';
  #last: Measurement = {
    bpfCpu: {
      notMeasured: 'it is measured for a quarter of a second in ten, and has not been yet',
    },
    bpfPrograms: {},
  };

  /** `isAlways`: measure between all readings, whatever it costs. */
  constructor(isAlways = false) {
    this.#isAlways = isAlways;
  }

  /** To be called about once a second. `names` tells which programs there are, `runTimes` reads what they have used. */
  read(names: string, runTimes: () => readonly ProgramRunTime[]): Measurement {
    const isDue = this.#readings++ % MEASURED_EVERY === 0 || names !== this.#names;
    this.#names = names;
    if (this.#isAlways) {
      this.#end(runTimes);
      this.#begin(runTimes);
    } else if (isDue) {
      this.#begin(runTimes);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#end(runTimes);
        this.#stop();
      }, MEASURED_MS);
    }
    return this.#last;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#stop();
  }

  #begin(runTimes: () => readonly ProgramRunTime[]): void {
    try {
      this.#stopStatistics ??= enableRunTimeStatistics();
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      const notMeasured = `the kernel does not let it be measured, for which it wants CAP_SYS_ADMIN (${error.message})`;
      this.#last = { bpfCpu: { notMeasured }, bpfPrograms: {} };
      return;
    }
    const programs = runTimes().map((program) => [program.name, program] as const);
    this.#before = { runTimes: new Map(programs), at: process.hrtime.bigint() };
  }

  #end(runTimes: () => readonly ProgramRunTime[]): void {
    if (this.#before !== undefined) this.#last = this.#since(this.#before, runTimes());
  }

  #stop(): void {
    this.#stopStatistics?.();
    this.#stopStatistics = undefined;
    this.#before = undefined;
  }

  #since({ runTimes, at }: Reading, programs: readonly ProgramRunTime[]): Measurement {
    const elapsedNs = Number(process.hrtime.bigint() - at);
    let total = 0;
    const bpfPrograms: Record<string, { cpu: number; nsPerRun: number; runs: number }> = {};
    for (const program of programs) {
      const last = runTimes.get(program.name);
      // One that counts less than before has been loaded anew.
      const before = last !== undefined && last.runs <= program.runs ? last : undefined;
      const ns = program.runTimeNs - (before?.runTimeNs ?? 0);
      const runs = program.runs - (before?.runs ?? 0);
      bpfPrograms[program.name] = {
        cpu: ns / elapsedNs,
        nsPerRun: runs === 0 ? 0 : ns / runs,
        runs,
      };
      total += ns;
    }
    return { bpfCpu: { value: total / elapsedNs }, bpfPrograms };
  }
}

/** Steal, as /proc/stat counts it, in hundredths of a second: one reading in ten, for the file has all interrupts in it, too. */
export class StealMeter {
  readonly #stolenSeconds: () => number;
  readonly #now: () => number;
  #readings = 0;
  #before: { readonly stolen: number; readonly at: number };
  #last: Measured = { notMeasured: 'it is measured over ten seconds, which have not gone by yet' };

  /** `stolenSeconds`: of all CPUs together, since any time. `now`: in seconds. */
  constructor(stolenSeconds = readStolenSeconds, now = () => performance.now() / 1000) {
    this.#stolenSeconds = stolenSeconds;
    this.#now = now;
    this.#before = { stolen: stolenSeconds(), at: now() };
  }

  /** To be called about once a second. */
  read(cpus: number): Measured {
    if (++this.#readings % MEASURED_EVERY === 0) {
      const reading = { stolen: this.#stolenSeconds(), at: this.#now() };
      const elapsed = (reading.at - this.#before.at) * cpus;
      this.#last = { value: Math.max(0, reading.stolen - this.#before.stolen) / elapsed };
      this.#before = reading;
    }
    return this.#last;
  }
}

/**
 * Seconds for which the host let CPUs of this machine wait (steal), all together, since its start; 0 on a machine of its own.
 * A clock sees them, so they are in what Hearth measures; the scheduler does not account them to the threads on these CPUs.
 */
export function readStolenSeconds(): number {
  const [, , , , , , , , ticks] = readFileSync('/proc/stat', 'latin1').split(/\s+/, 9);
  return Number(ticks) / USER_HZ;
}

/** Kernel memory of maps: read anew only when there are others, or one reading in ten, for it takes a millisecond. */
export class MapMemory {
  #readings = 0;
  #fds = '';
  #last: Measured = { value: 0 };

  /** To be called about once a second. */
  read(fds: readonly number[]): Measured {
    const names = fds.join(' ');
    if (this.#readings++ % MEASURED_EVERY === 0 || names !== this.#fds) this.#last = mapBytes(fds);
    this.#fds = names;
    return this.#last;
  }
}

/** As the file descriptors' fdinfo tells. */
function mapBytes(fds: readonly number[]): Measured {
  // Objects that share a map have descriptors of their own for it.
  const bytes = new Map<string | undefined, number>();
  for (const fd of fds) {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    const [memory, id] = ['memlock', 'map_id'].map(
      (name) => new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(info)?.[1],
    );
    if (memory === undefined)
      return { notMeasured: 'this kernel does not tell the memory of BPF maps' };
    bytes.set(id, Number(memory));
  }
  return { value: [...bytes.values()].reduce((sum, value) => sum + value, 0) };
}
