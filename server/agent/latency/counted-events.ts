/** Programs that run each time that the kernel counts a software event: a perf event of period 1 on every online CPU. */
import type { BpfObject } from '../libbpf';
import { closeFd } from '../libc';
import { enableEvent, Flag, onlineCpus, openSoftwareEvent } from '../perf-event';

/** PERF_COUNT_SW_*, by the name of the program. */
export type CountedEventPrograms = Readonly<Record<string, number>>;

export class CountedEvents {
  readonly #object: BpfObject;
  readonly #programs: CountedEventPrograms;
  /** What ends each CPU's events. */
  readonly #cpus = new Map<number, readonly (() => void)[]>();

  constructor(object: BpfObject, programs: CountedEventPrograms) {
    this.#object = object;
    this.#programs = programs;
  }

  /** Runs the programs on the CPUs that are online now, and no others. Throws SystemError and BpfError. */
  followCpus(): void {
    if (Object.keys(this.#programs).length === 0) return;
    const online = new Set(onlineCpus());
    for (const cpu of this.#cpus.keys()) if (!online.has(cpu)) this.#close(cpu);
    for (const cpu of online) if (!this.#cpus.has(cpu)) this.#open(cpu);
  }

  dispose(): void {
    for (const cpu of [...this.#cpus.keys()]) this.#close(cpu);
  }

  #open(cpu: number): void {
    const ends: (() => void)[] = [];
    this.#cpus.set(cpu, ends);
    for (const [program, config] of Object.entries(this.#programs)) {
      const fd = openSoftwareEvent(cpu, { config, period: 1, flags: [Flag.disabled] });
      ends.push(() => closeFd(fd));
      ends.unshift(this.#object.attachPerfEvent(program, fd));
      enableEvent(fd);
    }
  }

  #close(cpu: number): void {
    for (const end of this.#cpus.get(cpu) ?? []) end();
    this.#cpus.delete(cpu);
  }
}
