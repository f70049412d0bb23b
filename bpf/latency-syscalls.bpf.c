// SPDX-License-Identifier: GPL-2.0
/*
 * System calls, from entry to exit: all by number; those that read, write, open and sync regular files, by file system;
 * and those that wait for a futex. One pair of programs for the three, as what costs is to be called at all.
 *
 * Files are those of the call's file descriptor, looked up when it ends. What goes through memory mappings, io_uring or
 * the kernel itself is no system call of these, and is not in here.
 */
#include "latency-slots.bpf.h"
#include "latency-stacks.bpf.h"
#include "latency-thin.bpf.h"
#include "frequent-calls.bpf.h"
#include "open-file.bpf.h"
#include <linux/futex.h>
#include <linux/errno.h>

#if defined(__TARGET_ARCH_x86)
#include <asm/unistd_64.h>
#else
#include <asm-generic/unistd.h>
#endif

char LICENSE[] SEC("license") = "GPL";

/* A call's arguments are still in its registers when it ends, where they need not be kept. */
#if defined(__TARGET_ARCH_x86)

struct pt_regs___latency {
	unsigned long di;
	unsigned long si;
} __attribute__((preserve_access_index));

#define FIRST_ARGUMENT(regs) ((regs)->di)
#define SECOND_ARGUMENT(regs) ((regs)->si)

struct thread_info___latency {
	__u32 status;
} __attribute__((preserve_access_index));

#define TS_COMPAT 2

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs___latency {
	__u64 regs[31];
	__u64 orig_x0;
} __attribute__((preserve_access_index));

#define FIRST_ARGUMENT(regs) ((regs)->orig_x0)
#define SECOND_ARGUMENT(regs) ((regs)->regs[1])

struct thread_info___latency {
	unsigned long flags;
} __attribute__((preserve_access_index));

#define TIF_32BIT 22

#endif

struct task_struct___latency {
	struct thread_info___latency thread_info;
} __attribute__((preserve_access_index));

struct file_system_type {
	const char *name;
} __attribute__((preserve_access_index));

struct super_block___latency {
	struct file_system_type *s_type;
} __attribute__((preserve_access_index));

#define MODE_TYPE_MASK 0170000
#define MODE_REGULAR 0100000

enum call_class {
	CALL_OTHER,
	CALL_READ,
	CALL_WRITE,
	CALL_OPEN,
	CALL_FSYNC,
	CALL_FUTEX,
	CALL_FUTEX_WAIT,
};

#define CALLS 512

const __u8 call_classes[CALLS] SEC(".rodata") = {
	[__NR_read] = CALL_READ,
	[__NR_readv] = CALL_READ,
	[__NR_pread64] = CALL_READ,
	[__NR_preadv] = CALL_READ,
	[__NR_preadv2] = CALL_READ,
	[__NR_write] = CALL_WRITE,
	[__NR_writev] = CALL_WRITE,
	[__NR_pwrite64] = CALL_WRITE,
	[__NR_pwritev] = CALL_WRITE,
	[__NR_pwritev2] = CALL_WRITE,
#ifdef __NR_open
	[__NR_open] = CALL_OPEN,
	[__NR_creat] = CALL_OPEN,
#endif
	[__NR_openat] = CALL_OPEN,
	[__NR_openat2] = CALL_OPEN,
	[__NR_fsync] = CALL_FSYNC,
	[__NR_fdatasync] = CALL_FSYNC,
	[__NR_futex] = CALL_FUTEX,
	[449] = CALL_FUTEX_WAIT, /* futex_waitv */
	[455] = CALL_FUTEX_WAIT, /* futex_wait */
};

static __always_inline bool is_compat_call(struct task_struct *task)
{
	struct task_struct___latency *latency_task = (void *)task;

#if defined(__TARGET_ARCH_x86)
	return latency_task->thread_info.status & TS_COMPAT;
#else
	return latency_task->thread_info.flags >> TIF_32BIT & 1;
#endif
}

static __always_inline __u8 class_of(__u32 number, bool is_compat)
{
	if (is_compat || number >= CALLS)
		return CALL_OTHER;
	barrier_var(number);
	return call_classes[number & (CALLS - 1)];
}

static __always_inline bool is_needed(__u32 active, __u8 class)
{
	if (active & MODE_SYSCALLS)
		return true;
	return class >= CALL_FUTEX ? active & MODE_FUTEXES : class != CALL_OTHER && active & MODE_FILES;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(latency_syscall_enter, struct pt_regs___latency *regs, long number)
{
	struct thread_event *call;
	__u64 now = 0;

	/* Whether it is one of the 32-bit table, where numbers mean other calls, is looked at when it ends. */
	if (number < 0 || !is_needed(latency_control.modes, class_of(number, false)) || !wanted_current())
		return 0;
	/* A thread's registers are always at the same place. */
	call = event_to_begin(identity(regs), NULL);
	if (!call) {
		count_loss(LATENCY_NO_ROOM, 1);
		return 0;
	}
	call->number = number;
	if (call->task == 0)
		call->task = (__u64)bpf_get_current_task_btf();
	begin_call(call, &now);
	return 0;
}

/* The current task, without a call where that is possible: it costs as much as reading the clock. */
static __always_inline struct task_struct *task_of(struct thread_event *call)
{
	return bpf_rdonly_cast ? bpf_rdonly_cast((void *)call->task, bpf_core_type_id_kernel(struct task_struct)) :
				 bpf_get_current_task_btf();
}

/* Leaves the key as it is where the call is none of a regular file. */
static __always_inline void count_file(struct task_struct *task, __u32 fd, __u8 class, long result, __u64 ns,
				       __u32 times, struct latency_key *key)
{
	struct super_block___latency *super_block;
	struct open_file file;

	if (class == CALL_OPEN) {
		if (result < 0)
			return;
		fd = result;
	}
	file = open_file(task, fd);
	if ((file.mode & MODE_TYPE_MASK) != MODE_REGULAR)
		return;
	super_block = (void *)file.super_block;
	key->kind = LATENCY_FILE;
	key->operation = class - CALL_READ;
	bpf_probe_read_kernel_str(key->label, sizeof(key->label), BPF_CORE_READ(super_block, s_type, name));
	count_latencies_fast(key, ns, times);
}

/* Leaves the key as it is where the call does not wait for a futex. */
static __always_inline void count_futex(__u32 operation, __u8 class, long result, __u64 ns, __u32 times,
					struct latency_key *key)
{
	if (class == CALL_FUTEX) {
		operation &= FUTEX_CMD_MASK;
		if (operation == FUTEX_LOCK_PI || operation == 13 /* FUTEX_LOCK_PI2 */)
			key->operation = FUTEX_OPERATION_LOCK_PI;
		else if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET && operation != FUTEX_WAIT_REQUEUE_PI)
			return;
	}
	key->kind = LATENCY_FUTEX;
	/* Between -4095 and -512 are errors that the process never sees: the call is made again. */
	if (result >= 0)
		key->label[0] = FUTEX_WOKEN;
	else if (result == -EAGAIN)
		key->label[0] = FUTEX_VALUE_CHANGED;
	else if (result == -ETIMEDOUT)
		key->label[0] = FUTEX_TIMED_OUT;
	else if (result == -EINTR || result <= -512)
		key->label[0] = FUTEX_INTERRUPTED;
	else
		key->label[0] = FUTEX_FAILED;
	count_latencies_fast(key, ns, times);
}

/* The call that ends now, as one event or two, may be drawn: once for both. */
static __always_inline void sample_call(struct task_struct *task, __u64 now, __u64 ns, __u32 times,
					const struct latency_key *call, const struct latency_key *object)
{
	const struct latency_stack_configuration *config = stack_configuration();
	struct latency_stacks stacks;
	__u64 weight, kinds;

	if (!config)
		return;
	kinds = config->kinds;
	if (!(kinds & (1ULL << call->kind | 1ULL << object->kind)))
		return;
	weight = draw_weight(bpf_get_prandom_u32(), ns, config->threshold_ns);
	if (!weight)
		return;
	weight *= times;
	/* Where a call ends the kernel's part of the stack is the same for all. */
	take_stacks(NULL, task, now, &stacks);
	if (kinds & 1ULL << call->kind)
		send_latency(call, task->pid, now, ns, weight, &stacks);
	if (kinds & 1ULL << object->kind)
		send_latency(object, task->pid, now, ns, weight, &stacks);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(latency_syscall_exit, struct pt_regs___latency *regs, long result)
{
	struct thread_event *call = event_to_end(identity(regs), NULL);
	/* Of kind 0, which no system call is, where there is no such event. */
	struct latency_key syscall = {}, object = {};
	struct task_struct *task;
	__u32 active, times;
	__u64 now = 0, ns;
	bool is_compat;
	__u8 class;

	times = call ? end_call(call, &now, &ns) : 0;
	if (!times)
		return 0;
	active = latency_control.modes;
	task = task_of(call);
	is_compat = is_compat_call(task);
	class = class_of(call->number, is_compat);
	syscall.pid = object.pid = task->tgid;
	if (active & MODE_SYSCALLS) {
		syscall.kind = LATENCY_SYSCALL;
		syscall.operation = is_compat;
		syscall.label[0] = call->number;
		count_latencies_fast(&syscall, ns, times);
	}
	if (active & MODE_FILES && class >= CALL_READ && class <= CALL_FSYNC)
		count_file(task, FIRST_ARGUMENT(regs), class, result, ns, times, &object);
	if (active & MODE_FUTEXES && class >= CALL_FUTEX)
		count_futex(SECOND_ARGUMENT(regs), class, result, ns, times, &object);
	if (takes_stacks)
		sample_call(bpf_get_current_task_btf(), now, ns, times, &syscall, &object);
	return 0;
}

/* A call that never returns, as that to exit, is no call of the thread that has these registers next. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(latency_syscall_last, struct task_struct *task)
{
	__u64 owner = identity((void *)bpf_task_pt_regs(task));

	count_last_calls(task, owner);
	free_event(owner);
	return 0;
}
