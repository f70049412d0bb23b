/**
 * Executable mappings as they are made, from perf's own records (PERF_RECORD_MMAP2): the kernel gives the path as the
 * process sees it and the file's build ID, so that a process that is gone when its samples are read still has its
 * mappings. A BPF program could not read either at this point on every kernel. Also that there is other code in the kernel
 * (PERF_RECORD_KSYMBOL: BPF programs and trampolines).
 */
import { closeFd, MappedMemory, PAGE_BYTES } from './libc';
import { Flag, onlineCpus, openSoftwareEvent } from './perf-event';

/** All times are CLOCK_MONOTONIC, in ns. */
export type MmapEvent =
  | {
      readonly kind: 'mmap';
      readonly timeNs: number;
      readonly pid: number;
      readonly start: number;
      readonly end: number;
      /** Of `start` in the file, in bytes. */
      readonly fileOffset: number;
      /** Lower-case hex; '' where the kernel found none. */
      readonly buildId: string;
      /** As the process sees it; "[vdso]", "//anon" for memory without a file. */
      readonly path: string;
    }
  /** The process runs another program now: its old mappings are gone. */
  | { readonly kind: 'exec'; readonly timeNs: number; readonly pid: number };

const PERF_COUNT_SW_DUMMY = 9;
const SAMPLE_TID = 1 << 1;
const SAMPLE_TIME = 1 << 2;
const CLOCK_MONOTONIC = 1;

const RECORD_LOST = 2;
const RECORD_COMM = 3;
const RECORD_MMAP2 = 10;
const RECORD_KSYMBOL = 17;
const READ = new Set([RECORD_LOST, RECORD_COMM, RECORD_MMAP2, RECORD_KSYMBOL]);
const MISC_COMM_EXEC = 1 << 13;
const MISC_BUILD_ID = 1 << 14;

/**
 * A CPU starts 1,500 short programs a second at most, with some 1.2 KB of records each (forks and exits come, too, wanted or not):
 * what comes between two readings fits. With the page before it, this is what perf lets everybody have (`perf_event_mlock_kb`).
 */
const RING_BYTES = 1 << 19;
const RING_BYTES_MIN = 1 << 17;
const ALL_RINGS_BYTES_MAX = 1 << 26;

function ringBytesFor(cpus: number): number {
  let bytes = RING_BYTES;
  while (bytes > RING_BYTES_MIN && bytes * cpus > ALL_RINGS_BYTES_MAX) bytes /= 2;
  return bytes;
}

const DATA_HEAD = 1024 / 8;
const DATA_TAIL = 1032 / 8;

interface CpuRing {
  readonly fd: number;
  readonly memory: MappedMemory;
  readonly positions: BigUint64Array;
  readonly bytes: Uint8Array;
}

export interface MmapEventReceiver {
  /** How many records the kernel could not write. */
  lost(count: number): void;
  /** Code of the kernel's has come or gone, or may have. */
  kernelChanged(): void;
}

export class MmapEvents {
  readonly #rings = new Map<number, CpuRing>();
  readonly #receiver: MmapEventReceiver;
  readonly #ringBytes = ringBytesFor(onlineCpus().length);
  #newer: MmapEvent[] = [];

  constructor(receiver: MmapEventReceiver) {
    this.#receiver = receiver;
  }

  /** Follows what runs on a CPU. */
  open(cpu: number): void {
    if (this.#rings.has(cpu)) return;
    const { mmap, comm, sampleIdAll, mmap2, commExec, useClockId, ksymbol, buildId } = Flag;
    const fd = openSoftwareEvent(cpu, {
      config: PERF_COUNT_SW_DUMMY,
      sampleType: SAMPLE_TID | SAMPLE_TIME,
      clockId: CLOCK_MONOTONIC,
      flags: [mmap, comm, sampleIdAll, mmap2, commExec, useClockId, ksymbol, buildId],
    });
    let memory: MappedMemory;
    try {
      memory = new MappedMemory(fd, PAGE_BYTES + this.#ringBytes, 0, true);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    this.#rings.set(cpu, {
      fd,
      memory,
      positions: new BigUint64Array(memory.buffer, 0, PAGE_BYTES / 8),
      bytes: new Uint8Array(memory.buffer, PAGE_BYTES, this.#ringBytes),
    });
    this.#receiver.kernelChanged();
  }

  close(cpu: number): void {
    const ring = this.#rings.get(cpu);
    if (ring === undefined) return;
    this.#rings.delete(cpu);
    ring.memory.dispose();
    closeFd(ring.fd);
  }

  /**
   * What happened on all CPUs until `untilNs` (CLOCK_MONOTONIC, not later than now), in order of time. What is newer is
   * kept for the next call: of that, some may be in a ring that was read before, and a process's exec must not come
   * after the mappings that it made on another CPU.
   */
  drain(untilNs: number): MmapEvent[] {
    const events = this.#newer;
    for (const ring of this.#rings.values()) this.#drainCpu(ring, events);
    events.sort((a, b) => a.timeNs - b.timeNs);
    const end = events.findIndex(({ timeNs }) => timeNs > untilNs);
    this.#newer = end < 0 ? [] : events.splice(end);
    return events;
  }

  dispose(): void {
    for (const cpu of [...this.#rings.keys()]) this.close(cpu);
  }

  #drainCpu({ positions, bytes }: CpuRing, events: MmapEvent[]): void {
    const head = Number(Atomics.load(positions, DATA_HEAD));
    let tail = Number(positions[DATA_TAIL]);
    if (head === tail) return;
    while (tail < head) {
      const at = tail % bytes.length;
      // A record's header never wraps: records are multiples of 8, and so is the ring.
      const size = bytes[at + 6] | (bytes[at + 7] << 8);
      if (size < 8) break;
      tail += size;
      if (!READ.has(bytes[at])) continue;
      const record = new Uint8Array(size);
      const first = bytes.subarray(at, Math.min(at + size, bytes.length));
      record.set(first);
      if (first.length < size) record.set(bytes.subarray(0, size - first.length), first.length);
      const event = this.#parse(new DataView(record.buffer), record);
      if (event !== undefined) events.push(event);
    }
    Atomics.store(positions, DATA_TAIL, BigInt(head));
  }

  #parse(view: DataView, record: Uint8Array): MmapEvent | undefined {
    const type = view.getUint32(0, true);
    const misc = view.getUint16(4, true);
    const u64 = (offset: number): number =>
      view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
    // sample_id_all appends pid, tid (u32 each) and the time (u64) to every record.
    const timeNs = u64(record.length - 8);
    switch (type) {
      case RECORD_LOST:
        this.#receiver.lost(u64(16));
        this.#receiver.kernelChanged();
        return undefined;
      case RECORD_KSYMBOL:
        this.#receiver.kernelChanged();
        return undefined;
      case RECORD_COMM:
        return (misc & MISC_COMM_EXEC) === 0
          ? undefined
          : { kind: 'exec', timeNs, pid: view.getUint32(8, true) };
      case RECORD_MMAP2: {
        const start = u64(16);
        const buildIdBytes = (misc & MISC_BUILD_ID) === 0 ? 0 : Math.min(record[40], 20);
        const PATH = 72;
        const pathEnd = record.indexOf(0, PATH);
        return {
          kind: 'mmap',
          timeNs,
          pid: view.getUint32(8, true),
          start,
          end: start + u64(24),
          fileOffset: u64(32),
          buildId: Buffer.from(record.buffer, 44, buildIdBytes).toString('hex'),
          path: Buffer.from(record.buffer, PATH, pathEnd - PATH).toString(),
        };
      }
      default:
        return undefined;
    }
  }
}
