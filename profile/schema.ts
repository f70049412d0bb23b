/**
 * The tables of a profile and their columns: the one definition that the builder, the chunk codec, the merger, the
 * store and the browser share. Every row is append-only and keeps its index for the life of a session; the only
 * columns that may change afterwards are the frames' symbol columns (see `SymbolPatch` in profile.ts).
 */

/** "No such row": no mapping, no parent, no name. */
export const NONE = 0xffffffff;

export type StringIndex = number & { readonly __table?: 'strings' };
export type MappingIndex = number & { readonly __table?: 'mappings' };
export type FrameIndex = number & { readonly __table?: 'frames' };
export type StackIndex = number & { readonly __table?: 'stacks' };
export type ProcessIndex = number & { readonly __table?: 'processes' };
export type ThreadIndex = number & { readonly __table?: 'threads' };
export type SampleTypeIndex = number & { readonly __table?: 'sampleTypes' };

/** What kind of thing an address range is mapped from. */
export const MappingKind = {
  Executable: 0,
  Kernel: 1,
  Jit: 2,
  Vdso: 3,
  Module: 4,
  Unknown: 5,
} as const;
export type MappingKind = (typeof MappingKind)[keyof typeof MappingKind];

/**
 * What kind of code a frame is. `Stop` is no code: it is the root-most frame of a stack that could not be unwound to
 * its root, and its name says why, so that a broken stack is never taken for a whole one. `Wait` and `Waker` are no code
 * either: what a stack of a derived profile waits for, and who ended it.
 */
export const FrameKind = { Kernel: 0, Native: 1, Jit: 2, Stop: 3, Wait: 4, Waker: 5 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/**
 * What a thread's time is spent on. `Runnable` waits for a CPU, `Throttled` for its cgroup's next quota of CPU time; those
 * from `Sleep` to `Other` are blocked: `Sleep` on a timer that the thread asked for, `Lock` on a futex or another lock, `Disk`
 * on files and block devices, `Network` on sockets, `Poll` on several files at once. `Waking` is the way from the wakeup to a
 * run queue, in the times of threads only: a wait for a CPU is `Runnable` from the wakeup on. Order of bpf/hearth.h.
 */
export const ThreadState = {
  Running: 0,
  Runnable: 1,
  Throttled: 2,
  Sleep: 3,
  Lock: 4,
  Disk: 5,
  Network: 6,
  Pipe: 7,
  Poll: 8,
  PageFault: 9,
  Other: 10,
  Waking: 11,
} as const;
export type ThreadState = (typeof ThreadState)[keyof typeof ThreadState];

export const BLOCKED_STATES: readonly ThreadState[] = Object.values(ThreadState).filter(
  (state) => state >= ThreadState.Sleep && state <= ThreadState.Other,
);

/** For people; by ThreadState. */
export const STATE_NAMES: readonly string[] = [
  'running',
  'waiting for a CPU',
  'throttled',
  'sleep',
  'lock',
  'disk',
  'network',
  'pipe',
  'poll',
  'page fault',
  'other',
  'waking up',
];

/** Names of frames of kind Wait, by ThreadState. */
export const WAIT_NAMES: readonly string[] = STATE_NAMES.map((name, state) =>
  state <= ThreadState.Throttled ? `[${name}]` : `[waiting: ${name}]`,
);

export type ColumnType = 'u8' | 'u16' | 'u32' | 'f64';

/**
 * Columns by table. `f64` holds integers exactly up to 2^53: times in nanoseconds of CLOCK_MONOTONIC, file offsets,
 * weights. Every column named like another table's singular is an index into it, or `NONE`.
 */
export const SCHEMA = {
  /** What a sample's weight means: ("cpu", "nanoseconds"), ("samples", "count"). */
  sampleTypes: { name: 'u32', unit: 'u32' },
  /** buildId: lower-case hex, or NONE. path: as seen by the process. */
  mappings: { buildId: 'u32', path: 'u32', kind: 'u8' },
  /**
   * One place in the code. `offset` is the offset in the mapping's file (kernel: from _text; JIT: the address), -1
   * where there is none (imported names). For a caller, it is that of the call, not of the return address.
   * `functionName`, `file`, `line`, `inlinedInto` are the symbol columns: NONE (line 0) until symbolized.
   * `inlinedInto` is the frame of the function into which this one was inlined at this address; the outermost,
   * physical function has NONE. A stack holds only the innermost; readers expand the chain.
   */
  frames: {
    functionName: 'u32',
    file: 'u32',
    line: 'u32',
    inlinedInto: 'u32',
    mapping: 'u32',
    offset: 'f64',
    kind: 'u8',
  },
  /** A prefix tree: `parent` is the caller's stack, NONE at the root, and always a smaller index than the row's own. */
  stacks: { parent: 'u32', frame: 'u32' },
  /**
   * One program image that ran in a process: an exec, a new name or another cgroup makes a new row with the same pid.
   * `container`: its name, or NONE. `startNs`: when the process started (CLOCK_BOOTTIME). `cgroup`: the path of its cgroup v2,
   * below the root of the hierarchy ('/'), or NONE where it is not known.
   */
  processes: {
    pid: 'u32',
    parentPid: 'u32',
    name: 'u32',
    commandLine: 'u32',
    container: 'u32',
    startNs: 'f64',
    cgroup: 'u32',
  },
  threads: { tid: 'u32', process: 'u32', name: 'u32' },
  /** `stack` is NONE for a sample whose stack was lost. `cpu` is 0xffff where unknown. */
  samples: {
    timeNs: 'f64',
    weight: 'f64',
    thread: 'u32',
    stack: 'u32',
    sampleType: 'u8',
    cpu: 'u16',
  },
  /**
   * Waits that were drawn, by the thread that waited; `timeNs` is when the wait ended, `durationNs` how long it was, and
   * `weight` (ns) what it stands for: weight / durationNs waits like it. `waitClass` is a ThreadState, never Running or Waking.
   * `wakerThread` and `wakerStack`: who ended it, from where; NONE where nobody did or it is not known (an interrupt has
   * a stack, but no thread).
   */
  waits: {
    timeNs: 'f64',
    weight: 'f64',
    durationNs: 'f64',
    thread: 'u32',
    stack: 'u32',
    waitClass: 'u8',
    wakerThread: 'u32',
    wakerStack: 'u32',
  },
  /**
   * What threads' time was spent on, all of it, to the nanosecond: rows of the same thread and `timeNs` are one slice that
   * ends then, is as long as their sum, and follows the thread's slice before. They are next to each other. `state` is a ThreadState; `count` how many
   * intervals of it ended in the slice. `schedulerNs`: of Running, and of Runnable together with Throttled, what the scheduler's
   * own account (schedstat, less sleeps that it takes for a queue, and with the waits that it misses) says for the slice, 0 for all other states; -1 where it is not known. `schedulerClockNs`: what this lacks
   * because of the scheduler's clock, as measured at each switch; negative where it has too much.
   */
  threadTimes: {
    timeNs: 'f64',
    thread: 'u32',
    state: 'u8',
    ns: 'f64',
    count: 'u32',
    schedulerNs: 'f64',
    schedulerClockNs: 'f64',
  },
  /**
   * Latencies, counted in the kernel: events of one process in one bucket (latency/buckets.ts), in the interval that starts at
   * `timeNs` and is `durationNs` long: about a second, more where the machine was too busy to read them (0: not known). `source` and `label` are strings: what was measured (latency/sources.ts), and of what. `process`
   * is NONE where it is not known. `sum` adds up the values themselves: nanoseconds, or what `unitOf(label)` says. Where
   * `oneIn` is more than 1, one in so many events was timed, or in fewer, and counted for all of them.
   */
  latencies: {
    timeNs: 'f64',
    source: 'u32',
    label: 'u32',
    process: 'u32',
    bucket: 'u16',
    count: 'f64',
    sum: 'f64',
    oneIn: 'u16',
    durationNs: 'f64',
  },
  /**
   * Single events of latency sources that were drawn, with the stack of who began them; `timeNs` is when the event ended,
   * `durationNs` how long it was, and `weight` (ns) what it stands for: weight / durationNs events like it. `source` and
   * `label` as in `latencies`.
   */
  latencySamples: {
    timeNs: 'f64',
    weight: 'f64',
    durationNs: 'f64',
    thread: 'u32',
    stack: 'u32',
    source: 'u32',
    label: 'u32',
  },
} as const satisfies Record<string, Record<string, ColumnType>>;

export type TableName = keyof typeof SCHEMA;
export const TABLE_NAMES = Object.keys(SCHEMA) as readonly TableName[];

/** Tables of what happened, each row once: a chunk holds those of its slice, and nothing points to them. */
export const EVENT_TABLES = [
  'samples',
  'waits',
  'threadTimes',
  'latencies',
  'latencySamples',
] as const;
export type EventTable = (typeof EVENT_TABLES)[number];
export const isEventTable = (name: TableName): name is EventTable =>
  (EVENT_TABLES as readonly TableName[]).includes(name);

export type Row<T extends TableName> = { readonly [C in keyof (typeof SCHEMA)[T]]: number };

export type ColumnArray<T extends ColumnType> = T extends 'u8'
  ? Uint8Array
  : T extends 'u16'
    ? Uint16Array
    : T extends 'u32'
      ? Uint32Array
      : Float64Array;

export type Columns<T extends TableName> = {
  readonly [C in keyof (typeof SCHEMA)[T]]: ColumnArray<(typeof SCHEMA)[T][C] & ColumnType>;
};

export const COLUMN_BYTES: Readonly<Record<ColumnType, number>> = { u8: 1, u16: 2, u32: 4, f64: 8 };

/** A zeroed column of `length` values, or a view of `length` values in `buffer` at `byteOffset` (aligned). */
export function columnArray(type: ColumnType, length: number): ColumnArray<ColumnType>;
export function columnArray(
  type: ColumnType,
  length: number,
  buffer: ArrayBufferLike,
  byteOffset: number,
): ColumnArray<ColumnType>;
export function columnArray(
  type: ColumnType,
  length: number,
  buffer: ArrayBufferLike = new ArrayBuffer(length * COLUMN_BYTES[type]),
  byteOffset = 0,
): ColumnArray<ColumnType> {
  switch (type) {
    case 'u8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'u16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'u32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'f64':
      return new Float64Array(buffer, byteOffset, length);
  }
}

const EMPTY = Object.fromEntries(
  TABLE_NAMES.map((name) => [
    name,
    Object.fromEntries(
      Object.entries(SCHEMA[name]).map(([column, type]) => [column, columnArray(type, 0)]),
    ),
  ]),
);

/** Columns without rows, the same ones each time: most tables have nothing new in most chunks. */
export function emptyColumns<T extends TableName>(name: T): Columns<T> {
  return EMPTY[name] as unknown as Columns<T>;
}
