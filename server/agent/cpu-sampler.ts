/** The kernel side of CPU profiling: loads the programs, holds a perf event per online CPU, sets frequency and filter. */

import { distFile } from '@/server/root';
import type { Filter } from '@/server/wire';
import { cgroupId } from './cgroups';
import { type BpfMap, BpfObject, type ProgramRunTime } from './libbpf';
import { closeFd } from './libc';
import { enableEvent, Flag, onlineCpus, openSoftwareEvent, setPeriod } from './perf-event';
import { CONFIGURATION, CONFIGURATION_BYTES, COUNTERS, FILTER_KINDS, WATCH } from './records';
import { Ring } from './ring';
import type { UnwindMaps } from './unwinder';

const PERF_COUNT_SW_CPU_CLOCK = 0;
const NS_PER_SECOND = 1e9;
const ZERO_KEY = new Uint8Array(4);
/** Of the two objects here. */
const SHARED_MAPS = [
  'events',
  'configurations',
  'watched',
  'unwind_processes',
  'unwind_files',
  'bell',
  'bell_armed',
];

/** Ring bytes per CPU: over a second of samples with new stacks at 999 Hz. */
const RING_BYTES_PER_CPU = 1 << 20;
const RING_BYTES_MIN = 1 << 22;
const RING_BYTES_MAX = 1 << 26;

function ringBytesFor(cpus: number): number {
  const wanted = Math.min(RING_BYTES_MAX, Math.max(RING_BYTES_MIN, cpus * RING_BYTES_PER_CPU));
  return 2 ** Math.ceil(Math.log2(wanted));
}

interface CpuEvent {
  readonly fd: number;
  readonly detach: () => void;
}

export class CpuSampler {
  readonly ring: Ring;
  readonly #processObject: BpfObject;
  readonly #cpuObject: BpfObject;
  readonly #configurations: BpfMap;
  readonly #watched: BpfMap;
  readonly #counters: BpfMap;
  readonly #events = new Map<number, CpuEvent>();
  readonly #configuration = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
  #frequencyHz: number;
  #generation = 1;

  private constructor(processObject: BpfObject, cpuObject: BpfObject, frequencyHz: number) {
    this.#processObject = processObject;
    this.#cpuObject = cpuObject;
    this.#configurations = processObject.map('configurations');
    this.#watched = processObject.map('watched');
    this.#counters = processObject.map('counters', 'perCpu');
    this.ring = new Ring(processObject.map('events'));
    this.#frequencyHz = frequencyHz;
  }

  /**
   * Loads everything; no CPU is sampled before `followCpus`. `ringBytes`: a power of two. Rejects with BpfError, and with
   * what `setFilter` throws.
   */
  static async load(
    frequencyHz: number,
    filter: Filter,
    ringBytes: number = ringBytesFor(onlineCpus().length),
  ): Promise<CpuSampler> {
    const processObject = await BpfObject.load(distFile('bpf/process.bpf.o'), {
      maxEntries: { events: ringBytes },
    });
    let cpuObject: BpfObject | undefined;
    let sampler: CpuSampler | undefined;
    try {
      cpuObject = await BpfObject.load(distFile('bpf/cpu.bpf.o'), {
        shared: [
          ...SHARED_MAPS.map((name) => processObject.map(name)),
          processObject.map('counters', 'perCpu'),
        ],
      });
      sampler = new CpuSampler(processObject, cpuObject, frequencyHz);
      sampler.setFilter(filter);
      processObject.attachAll();
      return sampler;
    } catch (error) {
      sampler?.ring.dispose();
      cpuObject?.dispose();
      processObject.dispose();
      throw error;
    }
  }

  /** What programs of other objects share with these. */
  sharedMaps(): BpfMap[] {
    const names = ['events', 'configurations', 'watched', 'sent_stacks'];
    return [
      ...names.map((name) => this.#cpuObject.map(name)),
      this.#processObject.map('counters', 'perCpu'),
      ...Object.values(this.unwindMaps()),
    ];
  }

  /** Of the bell. */
  bellMaps(): { bell: BpfMap; armed: BpfMap } {
    return { bell: this.#processObject.map('bell'), armed: this.#processObject.map('bell_armed') };
  }

  /** Where the unwind tables are. */
  unwindMaps(): UnwindMaps {
    const map = (name: string): BpfMap => this.#cpuObject.map(`unwind_${name}`);
    return {
      modules: map('modules'),
      pages: map('pages'),
      rows: map('rows'),
      rules: map('rules'),
      segments: map('segments'),
      needed: map('needed'),
      processes: map('processes'),
      files: map('files'),
    };
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  get cpus(): readonly number[] {
    return [...this.#events.keys()];
  }

  /** Samples the CPUs that are online now, and no others. Returns those that came and went. */
  followCpus(): { came: number[]; went: number[] } {
    const online = new Set(onlineCpus());
    const came = [...online].filter((cpu) => !this.#events.has(cpu));
    const went = [...this.#events.keys()].filter((cpu) => !online.has(cpu));
    for (const cpu of came) {
      const fd = openSoftwareEvent(cpu, {
        config: PERF_COUNT_SW_CPU_CLOCK,
        period: this.#periodNs(),
        flags: [Flag.disabled, Flag.excludeIdle],
      });
      this.#events.set(cpu, { fd, detach: this.#cpuObject.attachPerfEvent('sample_cpu', fd) });
      enableEvent(fd);
    }
    for (const cpu of went) this.#closeEvent(cpu);
    return { came, went };
  }

  /** `hz`: 1 to 4,999. */
  setFrequency(hz: number): void {
    this.#frequencyHz = hz;
    for (const { fd } of this.#events.values()) setPeriod(fd, this.#periodNs());
    this.#writeConfiguration();
  }

  /** Throws where a cgroup can't be found. */
  setFilter(filter: Filter): void {
    const cgroup = filter.kind === 'cgroup' ? cgroupId(filter.path) : { id: 0n, level: 0 };
    for (const key of this.#watched.keys()) this.#watched.delete(key);
    if (filter.kind === 'processes' || filter.kind === 'trees') {
      const watch = filter.kind === 'trees' && filter.fromExec ? WATCH.fromExec : WATCH.now;
      for (const pid of filter.pids) {
        this.#watched.update(new Uint8Array(Uint32Array.of(pid).buffer), Uint8Array.of(watch));
      }
    }
    this.#configuration.setUint32(CONFIGURATION.filter, FILTER_KINDS.indexOf(filter.kind), true);
    this.#configuration.setUint32(CONFIGURATION.cgroup_level, cgroup.level, true);
    this.#configuration.setBigUint64(CONFIGURATION.cgroup, cgroup.id, true);
    this.#writeConfiguration();
  }

  /** From now on every stack is sent anew with its next sample. */
  resendStacks(): void {
    this.#generation++;
    this.#writeConfiguration();
  }

  /** The counters since the start, summed over CPUs, by name. */
  counters(): Record<(typeof COUNTERS)[number], number> {
    const sums = Object.fromEntries(COUNTERS.map((name) => [name, 0]));
    const perCpu = new BigUint64Array(
      this.#counters.lookup(ZERO_KEY)?.buffer ?? new ArrayBuffer(0),
    );
    perCpu.forEach((value, i) => {
      sums[COUNTERS[i % COUNTERS.length]] += Number(value);
    });
    return sums as Record<(typeof COUNTERS)[number], number>;
  }

  runTimes(): ProgramRunTime[] {
    return [...this.#cpuObject.runTimes(), ...this.#processObject.runTimes()];
  }

  mapFds(): number[] {
    return [...new Set([...this.#processObject.mapFds(), ...this.#cpuObject.mapFds()])];
  }

  /** Ends sampling; what is in the ring can still be read. */
  stop(): void {
    for (const cpu of [...this.#events.keys()]) this.#closeEvent(cpu);
  }

  dispose(): void {
    this.stop();
    this.ring.dispose();
    this.#cpuObject.dispose();
    this.#processObject.dispose();
  }

  #periodNs(): number {
    return Math.round(NS_PER_SECOND / this.#frequencyHz);
  }

  #writeConfiguration(): void {
    this.#configuration.setUint32(CONFIGURATION.generation, this.#generation, true);
    this.#configuration.setBigUint64(CONFIGURATION.period_ns, BigInt(this.#periodNs()), true);
    this.#configurations.update(ZERO_KEY, new Uint8Array(this.#configuration.buffer));
  }

  #closeEvent(cpu: number): void {
    const event = this.#events.get(cpu);
    if (event === undefined) return;
    this.#events.delete(cpu);
    event.detach();
    closeFd(event.fd);
  }
}
