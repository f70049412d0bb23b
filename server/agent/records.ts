/**
 * The layouts of bpf/hearth.h on this side: offsets in bytes, and the orders of its enums. records.test.ts compares them
 * with the BTF of the compiled objects.
 */
export const RecordType = {
  Sample: 1,
  Stack: 2,
  Fork: 3,
  Exec: 4,
  Exit: 5,
  Rename: 6,
  Wait: 7,
  WaitStack: 8,
  Thread: 9,
  Latency: 10,
  Cgroup: 11,
} as const;

export const SAMPLE = {
  type: 0,
  cpu: 4,
  time_ns: 8,
  pid: 16,
  tid: 20,
  period_ns: 24,
  kernel_stack: 32,
  user_stack: 40,
} as const;

export const STACK = {
  type: 0,
  pid: 4,
  time_ns: 8,
  id: 16,
  count: 24,
  is_user: 26,
  end: 27,
  addresses: 32,
} as const;

export const FORK = {
  type: 0,
  pid: 4,
  tid: 8,
  parent_pid: 12,
  time_ns: 16,
  start_ns: 24,
  cgroup: 32,
  comm: 40,
} as const;

export const EXEC = {
  type: 0,
  pid: 4,
  time_ns: 8,
  cgroup: 16,
  mount_namespace: 24,
  args_bytes: 28,
  comm: 32,
  args: 48,
} as const;

export const EXIT = { type: 0, pid: 4, tid: 8, is_last_thread: 12, time_ns: 16 } as const;
export const RENAME = { type: 0, pid: 4, tid: 8, time_ns: 16, comm: 24 } as const;

export const CGROUP = { type: 0, pid: 4, time_ns: 8, cgroup: 16, path: 24 } as const;

export const WAIT = {
  type: 0,
  state: 4,
  time_ns: 8,
  pid: 16,
  tid: 20,
  duration_ns: 24,
  weight_ns: 32,
  kernel_stack: 40,
  user_stack: 48,
  user_key: 56,
  waker_pid: 64,
  waker_tid: 68,
  waker_kernel_stack: 72,
  waker_user_stack: 80,
  waker_user_key: 88,
} as const;

export const WAIT_STACK = {
  type: 0,
  pid: 4,
  tid: 8,
  time_ns: 16,
  key: 24,
  user_stack: 32,
} as const;

export const THREAD = {
  type: 0,
  state: 4,
  time_ns: 8,
  id: 16,
  pid: 24,
  tid: 28,
  since_ns: 32,
  kernel_stack: 40,
  waker_pid: 48,
  waker_tid: 52,
  ns: 56,
  count: 152,
  scheduler_run_ns: 248,
  scheduler_queue_ns: 256,
  scheduler_run_clock_ns: 264,
  scheduler_queue_clock_ns: 272,
} as const;
export const THREAD_BYTES = 280;

export const OPEN_WAIT = {
  pid: 0,
  tid: 4,
  state: 8,
  time_ns: 16,
  since_ns: 24,
  woken_ns: 32,
  kernel_stack: 40,
  user_stack: 48,
} as const;
export const OPEN_WAIT_BYTES = 56;

/** `struct off_cpu_configuration`: one number, the threshold in ns. */
export const OFF_CPU_CONFIGURATION = { threshold_ns: 0 } as const;
export const OFF_CPU_CONFIGURATION_BYTES = 8;

export const CONFIGURATION = {
  filter: 0,
  cgroup_level: 4,
  cgroup: 8,
  generation: 16,
  period_ns: 24,
} as const;
export const CONFIGURATION_BYTES = 32;

export const COMM_BYTES = 16;
export const CGROUP_PATH_BYTES = 1024;
export const MAX_FRAMES = 255;

/** Order of `enum filter_kind`. */
export const FILTER_KINDS = ['all', 'processes', 'trees', 'cgroup'] as const;

/** `enum watch`. */
export const WATCH = { now: 1, fromExec: 2 } as const;

/** Order of `enum counter`; the losses are named as in profile/status.ts. */
export const COUNTERS = [
  'samples',
  'sample-ring-full',
  'stack-ring-full',
  'kernel-stack-failed',
  'user-stack-failed',
  'process-event-ring-full',
  'map-full',
  'scratch-busy',
  'wait-ring-full',
  'wait-stack-failed',
  'wakeup-missed',
  'thread-unknown',
  'latency-sample-ring-full',
] as const;

/**
 * Order of `enum stack_end`: the name of the frame that stands at the root of a stack that ended so, before "for MODULE"
 * where `namesModule`; `text` is '' for whole stacks.
 */
export const STACK_ENDS: readonly { readonly text: string; readonly namesModule: boolean }[] = [
  { text: '', namesModule: false },
  { text: '', namesModule: false },
  { text: 'truncated: as deep as Hearth can follow', namesModule: false },
  { text: 'unwinding stopped: no frame pointer', namesModule: true },
  { text: 'unwinding stopped: code without unwind information', namesModule: true },
  { text: 'unwinding stopped: unwind table still being made', namesModule: true },
  { text: 'unwinding stopped: no room for the unwind table', namesModule: true },
  { text: 'unwinding stopped: damaged unwind table', namesModule: true },
  { text: 'unwinding stopped: unwind information not supported', namesModule: true },
  { text: 'unwinding stopped: stack memory not readable', namesModule: true },
  { text: 'unwinding stopped: broken stack', namesModule: true },
  { text: 'unwinding stopped: newly mapped code', namesModule: true },
  { text: 'unwinding stopped: broken stack, its caller is not code', namesModule: false },
];
