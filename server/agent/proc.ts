/** What /proc says of processes that ran before Hearth did. Readers answer undefined for a process that is gone. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessRecord {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  readonly commandLine: string;
  /** CPU time since its start, in clock ticks. */
  readonly cpuTicks: number;
  /** CLOCK_BOOTTIME. */
  readonly startNs: number;
}

export interface MapsLine {
  readonly start: number;
  readonly end: number;
  readonly fileOffset: number;
  readonly device: number;
  readonly inode: number;
  readonly path: string;
}

const NS_PER_TICK = 1e7; // USER_HZ is 100 on every Linux that Hearth knows

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

export function readProcess(pid: number): ProcessRecord | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name is in parentheses, and may hold some itself.
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  return {
    pid,
    parentPid: Number(fields[1]),
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    commandLine: joinArguments(read(`/proc/${pid}/cmdline`) ?? ''),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    startNs: Number(fields[19]) * NS_PER_TICK,
  };
}

/** Arguments that are each ended by NUL, as one line. */
export function joinArguments(text: string): string {
  return text.replace(/\0+$/, '').replaceAll('\0', ' ');
}

export function readThreadName(pid: number, tid: number): string | undefined {
  return read(`/proc/${pid}/task/${tid}/comm`)?.trimEnd();
}

/** The process's executable mappings; empty for kernel threads and for what is gone. */
export function readExecutableMappings(pid: number): MapsLine[] {
  const lines: MapsLine[] = [];
  for (const line of (read(`/proc/${pid}/maps`) ?? '').split('\n')) {
    const match =
      /^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$/.exec(line);
    if (match === null) continue;
    const [, start, end, offset, major, minor, inode, path] = match;
    lines.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      fileOffset: Number.parseInt(offset, 16),
      device: statDevice(Number.parseInt(major, 16), Number.parseInt(minor, 16)),
      inode: Number(inode),
      path,
    });
  }
  return lines;
}

/** A device number as stat(2) gives it: glibc's makedev. */
function statDevice(major: number, minor: number): number {
  return (
    (major & 0xfff) * 256 +
    (minor & 0xff) +
    (minor >>> 8) * 2 ** 20 +
    Math.floor(major / 4096) * 2 ** 44
  );
}

/** The process's ID in its own PID namespace: by this number perf maps are named. */
export function namespacePid(pid: number): number {
  const line = /^NSpid:\s*(.*)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return line === undefined ? pid : Number(line.split(/\s+/).at(-1));
}

/** Inode of the process's mount namespace, undefined where it is gone. */
export function mountNamespace(pid: number): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/mnt`))?.[1]);
  } catch {
    return undefined;
  }
}
