/** What the kernel accounts to processes. */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system, of a process with all its threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** CPU seconds to the nanosecond, from the scheduler's own sums over the threads that live. */
export function scheduledSeconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map(
      (tid) =>
        Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    )
    .reduce((sum, seconds) => sum + seconds, 0);
}

/** Resident bytes of a process's own making: without the files that it maps, which are mostly its program, shared by all that run it. */
export function ownBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0);
  return (kib('Pss_Anon') + kib('Pss_Shmem')) * 1024;
}

/** Resident bytes. */
export const residentBytes = (pid: number): number => statusBytes(pid, 'VmRSS');

/** The most that were resident at any moment of its life. */
export const mostResidentBytes = (pid: number): number => statusBytes(pid, 'VmHWM');

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
}
