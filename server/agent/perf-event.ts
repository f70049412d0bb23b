/** perf events: opening them, one per CPU, and the attributes that Hearth uses. Source: perf_event_open(2), <linux/perf_event.h>. */
import { readFileSync } from 'node:fs';
import { ioctl, perfEventOpen } from './libc';

const ATTRIBUTE_BYTES = 128;
const TYPE_SOFTWARE = 1;

const OFFSET = {
  type: 0,
  size: 4,
  config: 8,
  period: 16,
  sampleType: 24,
  flags: 40,
  clockId: 92,
} as const;

/** Bits of the attributes' flag word. */
export const Flag = {
  disabled: 0,
  excludeIdle: 7,
  mmap: 8,
  comm: 9,
  sampleIdAll: 18,
  mmap2: 23,
  commExec: 24,
  useClockId: 25,
  ksymbol: 29,
  buildId: 34,
} as const;

export interface SoftwareEvent {
  /** PERF_COUNT_SW_*. */
  readonly config: number;
  readonly period?: number;
  readonly sampleType?: number;
  readonly clockId?: number;
  readonly flags: readonly number[];
}

const ALL_PROCESSES = -1;

/** Opens a software event on one CPU, for all processes. Throws SystemError. */
export function openSoftwareEvent(cpu: number, event: SoftwareEvent): number {
  const attributes = new Uint8Array(ATTRIBUTE_BYTES);
  const view = new DataView(attributes.buffer);
  view.setUint32(OFFSET.type, TYPE_SOFTWARE, true);
  view.setUint32(OFFSET.size, ATTRIBUTE_BYTES, true);
  view.setBigUint64(OFFSET.config, BigInt(event.config), true);
  view.setBigUint64(OFFSET.period, BigInt(event.period ?? 0), true);
  view.setBigUint64(OFFSET.sampleType, BigInt(event.sampleType ?? 0), true);
  view.setBigUint64(
    OFFSET.flags,
    event.flags.reduce((bits, flag) => bits | (1n << BigInt(flag)), 0n),
    true,
  );
  view.setUint32(OFFSET.clockId, event.clockId ?? 0, true);
  return perfEventOpen(attributes, ALL_PROCESSES, cpu);
}

/** Changes the period of a running event. */
export function setPeriod(fd: number, period: number): void {
  const PERF_EVENT_IOC_PERIOD = 0x40082404;
  const argument = new Uint8Array(8);
  new DataView(argument.buffer).setBigUint64(0, BigInt(period), true);
  ioctl(fd, PERF_EVENT_IOC_PERIOD, argument);
}

export function enableEvent(fd: number): void {
  const PERF_EVENT_IOC_ENABLE = 0x2400;
  ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

/** The CPUs that are online now, ascending. */
export function onlineCpus(): number[] {
  return parseCpuList(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}

/** "0-3,8" → [0, 1, 2, 3, 8]. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((range) => range !== '')
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}
