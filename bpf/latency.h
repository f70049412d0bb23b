/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the latency programs count, as server/agent/latency/layout.ts reads it. A test compares the two by the objects'
 * BTF.
 */
#ifndef HEARTH_LATENCY_H
#define HEARTH_LATENCY_H

/*
 * Log-linear buckets: below 16, a value is its own bucket; from there on each power of two has 16 buckets of equal width,
 * so that no value is further from the middle of its bucket than 3.2 %. The last bucket holds all from 2^37 (137 s) on.
 */
#define SUB_BUCKET_BITS 4
#define VALUE_BITS 37

enum latency_limit {
	LAST_BUCKET = (VALUE_BITS - SUB_BUCKET_BITS + 1) << SUB_BUCKET_BITS,
};

/* What was measured. Order shared with server/agent/latency/layout.ts. */
enum latency_kind {
	LATENCY_RUNQUEUE,
	LATENCY_SYSCALL,	/* label: number; operation: 1 for the 32-bit table */
	LATENCY_FILE,		/* label: name of the file system; operation: enum file_operation */
	LATENCY_FUTEX,		/* label: enum futex_outcome; operation: enum futex_operation */
	LATENCY_BLOCK_QUEUED,	/* label: major << 20 | minor; operation: enum req_op */
	LATENCY_BLOCK_SERVICE,
	LATENCY_TCP_CONNECT,	/* label: the peer's IPv6 address; IPv4 is mapped (RFC 4291, 2.5.5.2) */
	LATENCY_TCP_ROUND_TRIP,
	LATENCY_TCP_SENT,	/* in bytes, as are the next two */
	LATENCY_TCP_RECEIVED,
	LATENCY_TCP_RETRANSMITTED,
	LATENCY_FAULT,		/* label: enum fault_outcome, whether in the kernel; operation: enum fault_access */
	LATENCY_DNS,		/* label: the server's address as above; operation: the answer's RCODE, or DNS_NO_ANSWER */
	LATENCY_BLOCKED,	/* operation: enum thread_state */
	LATENCY_KINDS,
};

enum file_operation {
	FILE_READ,
	FILE_WRITE,
	FILE_OPEN,
	FILE_FSYNC,
	FILE_OPERATIONS,
};

enum futex_operation {
	FUTEX_OPERATION_WAIT,
	FUTEX_OPERATION_LOCK_PI,
	FUTEX_OPERATIONS,
};

enum futex_outcome {
	FUTEX_WOKEN,
	FUTEX_VALUE_CHANGED,	/* it did not wait */
	FUTEX_TIMED_OUT,
	FUTEX_INTERRUPTED,
	FUTEX_FAILED,
	FUTEX_OUTCOMES,
};

enum fault_access {
	FAULT_READ,
	FAULT_WRITE,
	FAULT_WRITE_PROTECTED,	/* the page was there, but not writable: shared until then, or not written since it was clean */
	FAULT_EXECUTE,
	FAULT_ACCESSES,
};

enum fault_outcome {
	FAULT_MINOR,
	FAULT_MAJOR,		/* it had to be read from a device, or to wait for somebody who did */
	FAULT_SIGNAL,
	FAULT_OUTCOMES,
};

/* Beside the answers' own RCODEs, which are less than 16. */
#define DNS_NO_ANSWER 16

/* Bits of `modes` in struct latency_control: what is to be counted by programs that can count several things. */
enum latency_mode {
	MODE_SYSCALLS = 1,
	MODE_FILES = 2,
	MODE_FUTEXES = 4,
	MODE_RUNQUEUE = 8,
	MODE_BLOCKED = 16,
};

/* What the agent tells running programs that are thinned. */
struct latency_control {
	__u32 one_in;		/* so many short events one is timed; 1: all */
	__u32 modes;		/* bits by enum latency_mode */
	__u32 tick_ns;		/* how long the kernel's tick is */
	__u32 long_ticks;	/* from so many on an event is long */
	/* System calls alone: of those that a thread begins in one tick beyond so many, one in so many is timed. */
	__u32 calls_in_tick;
	__u32 one_call_in;
	/* Waits alone, blocked or for a CPU: those that end between the two are counted. */
	__u64 from_ns;
	__u64 until_ns;
};

/* Why an event is in no histogram. Order shared with server/agent/latency/latency-tables.ts. */
enum latency_loss {
	LATENCY_NO_ROOM,
	LATENCY_UNSEEN,		/* its end was not seen */
	LATENCY_LOSSES,
};

struct latency_key {
	__u32 pid;		/* 0: not known */
	__u16 bucket;
	__u8 kind;		/* enum latency_kind */
	__u8 operation;
	__u64 label[2];
};

struct latency_value {
	__u64 count;
	__u64 sum;		/* nanoseconds or bytes */
};

/*
 * An event that was drawn, when it has ended, with the stacks of who began it. It stands for `weight_ns` of time. The IDs name
 * stacks that came before it; 0 where there is no such stack.
 */
struct record_latency {
	__u32 type;
	__u32 tid;
	__u64 time_ns;
	struct latency_key key;
	__u64 duration_ns;
	__u64 weight_ns;
	__u64 kernel_stack;
	__u64 user_stack;
};

struct latency_stack_configuration {
	/* An event of this length or longer is always taken, a shorter one with a probability in proportion. At most 2^31. */
	__u64 threshold_ns;
	__u64 kinds;		/* those whose events get stacks: bits by enum latency_kind */
};

#define SLOT_BITS 10

struct latency_slot {
	struct latency_key key;
	struct latency_value value;
};

#endif
