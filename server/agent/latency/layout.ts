/** The layouts of bpf/latency.h on this side. layout.test.ts compares them with the BTF of a compiled object. */

export const LATENCY_KEY = { pid: 0, bucket: 4, kind: 6, operation: 7, label: 8 } as const;
export const LATENCY_KEY_BYTES = 24;
export const LATENCY_LABEL_BYTES = 16;
export const LATENCY_VALUE = { count: 0, sum: 8 } as const;
export const LATENCY_VALUE_BYTES = 16;
export const LATENCY_SLOT = { key: 0, value: 24 } as const;
export const LATENCY_SLOT_BYTES = 40;

/** `key` is a struct latency_key. */
export const LATENCY_RECORD = {
  type: 0,
  tid: 4,
  time_ns: 8,
  key: 16,
  duration_ns: 40,
  weight_ns: 48,
  kernel_stack: 56,
  user_stack: 64,
} as const;
export const LATENCY_RECORD_BYTES = 72;

export const LATENCY_STACK_CONFIGURATION = { threshold_ns: 0, kinds: 8 } as const;
export const LATENCY_STACK_CONFIGURATION_BYTES = 16;

/** Order of `enum latency_kind`. */
export const LATENCY_KINDS = [
  'runqueue',
  'syscall',
  'file',
  'futex',
  'block-queued',
  'block-service',
  'tcp-connect',
  'tcp-round-trip',
  'tcp-sent',
  'tcp-received',
  'tcp-retransmitted',
  'fault',
  'dns',
  'blocked',
] as const;
export type LatencyKind = (typeof LATENCY_KINDS)[number];

/** Order of `enum file_operation`. */
export const FILE_OPERATIONS = ['read', 'write', 'open', 'fsync'] as const;

/** Order of `enum futex_operation`. */
export const FUTEX_OPERATIONS = ['wait', 'lock (priority inheritance)'] as const;

/** Order of `enum futex_outcome`. */
export const FUTEX_OUTCOMES = [
  'woken',
  'value had changed',
  'timed out',
  'interrupted',
  'failed',
] as const;

/** Order of `enum fault_access`. */
export const FAULT_ACCESSES = ['read', 'write', 'write-protected', 'execute'] as const;

/** Order of `enum fault_outcome`. */
export const FAULT_OUTCOMES = ['minor', 'major', 'ended in a signal'] as const;

/** DNS_NO_ANSWER. */
export const DNS_NO_ANSWER = 16;

export const LATENCY_CONTROL = {
  one_in: 0,
  modes: 4,
  tick_ns: 8,
  long_ticks: 12,
  calls_in_tick: 16,
  one_call_in: 20,
  from_ns: 24,
  until_ns: 32,
} as const;
export const LATENCY_CONTROL_BYTES = 40;

/** Bits of its `modes`, by source. */
export const LATENCY_MODES = { syscalls: 1, fs: 2, futex: 4, runqueue: 8, waits: 16 } as const;
