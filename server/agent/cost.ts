/** What this process and its BPF programs cost, measured over the time since the last reading. */
import { readFileSync } from 'node:fs';
import type { CollectorStatus, Measured, ProcessCost } from '@/profile/status';
import type { ProgramRunTime } from './libbpf';

const NS_PER_US = 1000;

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

/** Run time of BPF programs between calls. */
export class ProgramMeter {
  #last = new Map<string, ProgramRunTime>();
  #at = process.hrtime.bigint();

  read(programs: readonly ProgramRunTime[]): Pick<CollectorStatus, 'bpfCpu' | 'bpfPrograms'> {
    const now = process.hrtime.bigint();
    const elapsedNs = Number(now - this.#at);
    this.#at = now;
    let total = 0;
    const bpfPrograms: Record<string, { cpu: number; nsPerRun: number; runs: number }> = {};
    for (const program of programs) {
      const last = this.#last.get(program.name);
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
      this.#last.set(program.name, program);
    }
    return { bpfCpu: { value: total / elapsedNs }, bpfPrograms };
  }
}

/** Kernel memory of maps, as their file descriptors' fdinfo tells. */
export function mapBytes(fds: readonly number[]): Measured {
  let bytes = 0;
  for (const fd of fds) {
    const match = /^memlock:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
    if (match === null) return { notMeasured: 'this kernel does not tell the memory of BPF maps' };
    bytes += Number(match[1]);
  }
  return { value: bytes };
}
