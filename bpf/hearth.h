/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records that cross the ring buffer, the counters, and the configuration: what the BPF programs and
 * server/agent/records.ts agree on. A test compares the two by the object files' BTF.
 */
#ifndef HEARTH_H
#define HEARTH_H

#define UNKNOWN_NS (~0ULL)
#define MAX_FRAMES 255
#define MAX_KERNEL_FRAMES 127	/* the kernel's own bound, unless its administrator has raised it */
#define COMM_LEN 16
#define MAX_ARGS 1024
#define MAX_CGROUP_PATH 1024	/* as much as the kernel gives with its tracepoints */

enum record_type {
	RECORD_SAMPLE = 1,
	RECORD_STACK,
	RECORD_FORK,
	RECORD_EXEC,
	RECORD_EXIT,
	RECORD_RENAME,
	RECORD_WAIT,
	RECORD_WAIT_STACK,
	RECORD_THREAD,
	RECORD_LATENCY,	/* in latency.h */
	RECORD_CGROUP,
};

/* What a thread's time is spent on. Order shared with profile/schema.ts. */
enum thread_state {
	STATE_RUNNING,
	STATE_RUNNABLE,		/* in a run queue: could run, but waits for a CPU */
	STATE_THROTTLED,	/* could run, but its cgroup has used up its quota */
	STATE_SLEEP,		/* a timer that it asked for */
	STATE_LOCK,
	STATE_DISK,
	STATE_NETWORK,
	STATE_PIPE,
	STATE_POLL,
	STATE_PAGE_FAULT,
	STATE_OTHER,
	STATE_WAKING,		/* woken, on the way to a run queue: of sums only, a wait for a CPU is one with it */
	STATE_MAX,
};

/* How the walk of a user stack ended. Order and names are shared with server/agent/records.ts. */
enum stack_end {
	END_KERNEL,		/* a kernel stack: the kernel walked it */
	END_COMPLETE,		/* reached the root */
	END_TRUNCATED,		/* as many frames as fit, and more to come */
	END_NO_FRAME_POINTER,	/* no table, and the frame pointer doesn't point further up the stack */
	END_UNKNOWN_CODE,	/* the module's table doesn't cover the address, and there is no frame pointer */
	END_TABLE_PENDING,	/* the module's table is being made */
	END_TABLE_EVICTED,	/* the module's table had to make room for others */
	END_NO_TABLE,		/* the tables are damaged */
	END_UNSUPPORTED,	/* the caller can't be found from what an unwinder without all registers knows */
	END_BAD_READ,		/* stack memory could not be read */
	END_BROKEN,		/* the stack would lead downwards */
	END_NEW_MAPPING,	/* code of a file that the agent has never seen */
	END_NO_CODE,		/* the address is not that of code */
};

/* One sample. The IDs name stacks that came before it in RECORD_STACKs; 0 where there is no such stack. */
struct record_sample {
	__u32 type;
	__u32 cpu;
	__u64 time_ns;
	__u32 pid;
	__u32 tid;
	__u64 period_ns;
	__u64 kernel_stack;
	__u64 user_stack;
};

/*
 * A stack, leaf first. For user stacks `pid` says whose mappings the addresses belong to, and the addresses are those to
 * look up: of the call, not the return address, for a caller. Kernel stacks hold return addresses.
 */
struct record_stack {
	__u32 type;
	__u32 pid;
	__u64 time_ns;
	__u64 id;
	__u16 count;
	__u8 is_user;
	__u8 end;		/* enum stack_end */
	__u32 padding;
	__u64 addresses[MAX_FRAMES];
};

struct record_fork {
	__u32 type;
	__u32 pid;
	__u32 tid;
	__u32 parent_pid;
	__u64 time_ns;
	__u64 start_ns;		/* start_boottime */
	__u64 cgroup;
	char comm[COMM_LEN];
};

/* `args` are the argument strings, NUL after each. */
struct record_exec {
	__u32 type;
	__u32 pid;
	__u64 time_ns;
	__u64 cgroup;
	__u32 mount_namespace;
	__u32 args_bytes;
	char comm[COMM_LEN];
	char args[MAX_ARGS];
};

struct record_exit {
	__u32 type;
	__u32 pid;
	__u32 tid;
	__u32 is_last_thread;
	__u64 time_ns;
};

struct record_rename {
	__u32 type;
	__u32 pid;
	__u32 tid;
	__u32 padding;
	__u64 time_ns;
	char comm[COMM_LEN];
};

/* A cgroup v2 that was made, or that a process was moved to; of moves in other hierarchies the path alone. */
struct record_cgroup {
	__u32 type;
	__u32 pid;		/* 0 where it was made */
	__u64 time_ns;
	__u64 cgroup;		/* 0 in other hierarchies */
	char path[MAX_CGROUP_PATH];
};

/*
 * A wait that was drawn, when it has ended. It stands for `weight_ns` of waiting. User stacks that can only be taken when
 * their thread returns to user mode come later, in the RECORD_WAIT_STACK of the same thread with the key; 0 for none.
 */
struct record_wait {
	__u32 type;
	__u32 state;		/* enum thread_state */
	__u64 time_ns;
	__u32 pid;
	__u32 tid;
	__u64 duration_ns;
	__u64 weight_ns;
	__u64 kernel_stack;
	__u64 user_stack;
	__u64 user_key;
	__u32 waker_pid;	/* 0 where an interrupt woke it */
	__u32 waker_tid;
	__u64 waker_kernel_stack;
	__u64 waker_user_stack;
	__u64 waker_user_key;
};

struct record_wait_stack {
	__u32 type;
	__u32 pid;
	__u32 tid;
	__u32 padding;
	__u64 time_ns;
	__u64 key;
	__u64 user_stack;
};

/* What a thread's time until `time_ns` was spent on: read by the iterator, and in the ring at its end. */
struct record_thread {
	__u32 type;
	__u32 state;		/* enum thread_state */
	__u64 time_ns;
	__u64 id;		/* no other thread has or had it */
	__u32 pid;
	__u32 tid;
	__u64 since_ns;		/* when the present state began */
	__u64 kernel_stack;	/* of one that has been blocked for longer than a second */
	__u32 waker_pid;	/* who ended its last wait that was drawn */
	__u32 waker_tid;
	__u64 ns[STATE_MAX];
	__u64 count[STATE_MAX];	/* of intervals that have ended */
	/*
	 * By the scheduler's own account, but for what it is known to take wrongly for a queue, or to miss: on a CPU, and runnable or
	 * throttled. UNKNOWN_NS where the kernel has none.
	 */
	__u64 scheduler_run_ns;
	__u64 scheduler_queue_ns;
	/* What these lack (or have too much of: negative) because of the scheduler's clock. */
	__s64 scheduler_run_clock_ns;
	__s64 scheduler_queue_clock_ns;
};

/* A wait that goes on: read by an iterator. */
struct record_open_wait {
	__u32 pid;
	__u32 tid;
	__u32 state;		/* enum thread_state: what it waits for */
	__u32 padding;
	__u64 time_ns;		/* when it was looked at */
	__u64 since_ns;
	__u64 woken_ns;		/* since when it has waited for a CPU; 0 where it is still blocked, or never was */
	__u64 kernel_stack;
	__u64 user_stack;
};

/* Losses and other counts, summed over CPUs by the agent. Order shared with server/agent/records.ts. */
enum counter {
	COUNT_SAMPLES,			/* samples taken, lost ones too */
	LOST_SAMPLE_RING_FULL,
	LOST_STACK_RING_FULL,
	LOST_KERNEL_STACK,
	LOST_USER_STACK,
	LOST_PROCESS_EVENT,
	LOST_MAP_FULL,
	LOST_SCRATCH_BUSY,
	LOST_WAIT,
	LOST_WAIT_STACK,
	LOST_WAKEUP,
	LOST_THREAD,
	LOST_LATENCY_SAMPLE,
	COUNTER_MAX,
};

enum filter_kind {
	FILTER_ALL,
	FILTER_PROCESSES,	/* those in `watched` */
	FILTER_TREES,		/* those in `watched`, and what they fork from now on */
	FILTER_CGROUP,
};

/* Of a process in `watched`. */
enum watch {
	WATCH = 1,
	WATCH_FROM_EXEC,	/* what it is after its next exec, and not what it is now */
};

struct configuration {
	__u32 filter;		/* enum filter_kind */
	__u32 cgroup_level;
	__u64 cgroup;
	/* Stacks that were sent under an older generation are sent again. */
	__u32 generation;
	__u32 padding;
	/* Of the perf events: the kernel tells a program the first period for ever, even after it was changed. */
	__u64 period_ns;
};

struct off_cpu_configuration {
	/* A wait of this length or longer is always taken, a shorter one with a probability in proportion. At most 2^31. */
	__u64 threshold_ns;
};

#endif
