/**
 * The processes' mappings as BPF searches them (bpf/unwind.h): ranges of one shared array, and a hash map from pid to
 * range. A range is never changed in place: a new one is written, then the pid is pointed at it, and the old one is used
 * again only after no program can be reading it any more.
 */
/** A segment as the array holds it: address in the module = ip - bias. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly bias: number;
  readonly module: number;
}

/** The hash map in the kernel. */
export interface ProcessMap {
  update(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): boolean;
}

interface Range {
  readonly first: number;
  readonly count: number;
  readonly modules: readonly number[];
}

type Room = Omit<Range, 'modules'>;

const SEGMENT_BYTES = 32;
const HIGH = 2 ** 32;
/** A forked child's copy of its parent's range is learned of by its fork event, a tick later at most. */
const GRACE_MS = 3000;

export class SegmentPool {
  readonly #u32: Uint32Array;
  readonly #processes: ProcessMap;
  readonly #ranges = new Map<number, Range>();
  readonly #onRelease: (modules: readonly number[]) => void;
  /** Processes that use a range, by its first segment. */
  readonly #users = new Map<number, number>();
  /** Free ranges, by first segment, never adjacent. */
  #free: Room[];
  #retired: { readonly range: Range; readonly atMs: number }[] = [];

  /** `memory`: the array that BPF reads. `onRelease`: no program can find these modules by a range that was used. */
  constructor(
    memory: ArrayBuffer,
    processes: ProcessMap,
    onRelease: (modules: readonly number[]) => void,
  ) {
    this.#onRelease = onRelease;
    this.#u32 = new Uint32Array(memory);
    this.#processes = processes;
    this.#free = [{ first: 0, count: Math.floor(memory.byteLength / SEGMENT_BYTES) }];
  }

  /** Sets a process's segments, which must be sorted and not overlap. False where there is no room. */
  set(pid: number, segments: readonly Segment[]): boolean {
    this.#reclaim();
    if (segments.length === 0) {
      this.delete(pid);
      return true;
    }
    const room = this.#allocate(segments.length);
    if (room === undefined) return false;
    const range: Range = { ...room, modules: segments.map(({ module }) => module) };
    segments.forEach((segment, i) => {
      this.#write(range.first + i, segment);
    });
    this.#processes.update(
      pidKey(pid),
      new Uint8Array(Uint32Array.of(range.first, range.count).buffer),
    );
    this.#use(pid, range);
    return true;
  }

  /** A fork has copied the parent's range in the kernel. */
  copy(parentPid: number, pid: number): void {
    const range = this.#ranges.get(parentPid);
    if (range !== undefined) this.#use(pid, range);
  }

  delete(pid: number): void {
    this.#processes.delete(pidKey(pid));
    this.#unuse(pid);
  }

  #use(pid: number, range: Range): void {
    this.#users.set(range.first, (this.#users.get(range.first) ?? 0) + 1);
    this.#unuse(pid);
    this.#ranges.set(pid, range);
  }

  #unuse(pid: number): void {
    const range = this.#ranges.get(pid);
    if (range === undefined) return;
    this.#ranges.delete(pid);
    const users = (this.#users.get(range.first) ?? 1) - 1;
    this.#users.set(range.first, users);
    if (users === 0) this.#retired.push({ range, atMs: Date.now() });
  }

  #reclaim(): void {
    const before = Date.now() - GRACE_MS;
    while (this.#retired.length > 0 && this.#retired[0].atMs < before) {
      const { range } = this.#retired.shift() as { range: Range };
      // A fork that was learned of late may use it again.
      if (this.#users.get(range.first) === 0) this.#release(range);
    }
  }

  /** First fit. */
  #allocate(count: number): Room | undefined {
    const index = this.#free.findIndex((range) => range.count >= count);
    if (index < 0) return undefined;
    const { first, count: room } = this.#free[index];
    if (room === count) this.#free.splice(index, 1);
    else this.#free[index] = { first: first + count, count: room - count };
    return { first, count };
  }

  #release(range: Range): void {
    this.#users.delete(range.first);
    this.#onRelease(range.modules);
    const index = this.#free.findIndex(({ first }) => first > range.first);
    const at = index < 0 ? this.#free.length : index;
    let { first, count } = range;
    const before = this.#free[at - 1];
    const after = this.#free[at];
    const joinsBefore = before !== undefined && before.first + before.count === first;
    const joinsAfter = after !== undefined && first + count === after.first;
    if (joinsBefore) {
      first = before.first;
      count += before.count;
    }
    if (joinsAfter) count += after.count;
    this.#free.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsAfter), {
      first,
      count,
    });
  }

  #write(index: number, { start, end, bias, module }: Segment): void {
    const at = index * (SEGMENT_BYTES / 4);
    [start, end, bias].forEach((value, i) => {
      this.#u32[at + i * 2] = value % HIGH;
      this.#u32[at + i * 2 + 1] = Math.floor(value / HIGH);
    });
    this.#u32[at + 6] = module;
    this.#u32[at + 7] = 0; // not checked by BPF yet
  }
}

const pidKey = (pid: number): Uint8Array => new Uint8Array(Uint32Array.of(pid).buffer);
