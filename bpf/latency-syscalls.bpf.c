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
#include <linux/futex.h>
#include <linux/errno.h>

#if defined(__TARGET_ARCH_x86)
#include <asm/unistd_64.h>
#else
#include <asm-generic/unistd.h>
#endif

char LICENSE[] SEC("license") = "GPL";

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
} __attribute__((preserve_access_index));

#define FIRST_ARGUMENT(regs) ((regs)->regs[0])
#define SECOND_ARGUMENT(regs) ((regs)->regs[1])

struct thread_info___latency {
	unsigned long flags;
} __attribute__((preserve_access_index));

#define TIF_32BIT 22

#endif

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct task_struct___latency {
	struct thread_info___latency thread_info;
	struct files_struct *files;
} __attribute__((preserve_access_index));

struct file_system_type {
	const char *name;
} __attribute__((preserve_access_index));

struct super_block___latency {
	struct file_system_type *s_type;
} __attribute__((preserve_access_index));

struct inode___latency {
	unsigned short i_mode;
	struct super_block___latency *i_sb;
} __attribute__((preserve_access_index));

struct file___latency {
	struct inode___latency *f_inode;
} __attribute__((preserve_access_index));

/* Reads through what it returns are loads, not calls, and give 0 where there is nothing. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

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

struct call {
	__u64 start_ns;	/* 0: none is under way */
	__u32 number;
	__u32 is_compat;
	__u64 first;
	__u64 second;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} latency_modes SEC(".maps");

static __always_inline __u32 modes(void)
{
	__u32 zero = 0, *value = bpf_map_lookup_elem(&latency_modes, &zero);

	return value ? *value : 0;
}

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
	struct task_struct *task = bpf_get_current_task_btf();
	bool is_compat = is_compat_call(task);
	struct call *call;

	if (number < 0 || !is_needed(modes(), class_of(number, is_compat)) || !wanted_task(task))
		return 0;
	call = bpf_task_storage_get(&calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		count_lost();
		return 0;
	}
	call->number = number;
	call->is_compat = is_compat;
	call->first = FIRST_ARGUMENT(regs);
	call->second = SECOND_ARGUMENT(regs);
	call->start_ns = bpf_ktime_get_ns();
	return 0;
}

/* Leaves the key as it is where the call is none of a regular file. */
static __always_inline void count_file(struct task_struct *task, const struct call *call, __u8 class, long result,
				       __u64 ns, struct latency_key *key)
{
	struct fdtable *table = ((struct task_struct___latency *)task)->files->fdt;
	__u32 fd = class == CALL_OPEN ? result : call->first;
	struct file **files = table->fd, *file = NULL;
	struct super_block___latency *super_block;
	struct inode___latency *inode;
	unsigned short mode;

	if ((class == CALL_OPEN && result < 0) || fd >= table->max_fds)
		return;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (bpf_rdonly_cast) {
		inode = ((struct file___latency *)bpf_rdonly_cast(file, bpf_core_type_id_kernel(struct file)))->f_inode;
		mode = inode->i_mode;
		super_block = inode->i_sb;
	} else {
		inode = (void *)BPF_CORE_READ(file, f_inode);
		mode = BPF_CORE_READ(inode, i_mode);
		super_block = BPF_CORE_READ(inode, i_sb);
	}
	if ((mode & MODE_TYPE_MASK) != MODE_REGULAR)
		return;
	key->kind = LATENCY_FILE;
	key->operation = class - CALL_READ;
	bpf_probe_read_kernel_str(key->label, sizeof(key->label), BPF_CORE_READ(super_block, s_type, name));
	count_latency_fast(key, ns);
}

/* Leaves the key as it is where the call does not wait for a futex. */
static __always_inline void count_futex(const struct call *call, __u8 class, long result, __u64 ns,
					struct latency_key *key)
{
	__u32 operation = call->second & FUTEX_CMD_MASK;

	if (class == CALL_FUTEX) {
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
	count_latency_fast(key, ns);
}

/* The call that ends now, as one event or two, may be drawn: once for both. */
static __always_inline void sample_call(struct task_struct *task, __u64 now, __u64 ns, const struct latency_key *call,
					const struct latency_key *object)
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
	struct task_struct *task = bpf_get_current_task_btf();
	struct call *call = bpf_task_storage_get(&calls, task, NULL, 0);
	/* Of kind 0, which no system call is, where there is no such event. */
	struct latency_key syscall = {}, object = {};
	__u32 active = modes();
	__u64 now, ns;
	__u8 class;

	if (!call || call->start_ns == 0)
		return 0;
	now = bpf_ktime_get_ns();
	ns = now - call->start_ns;
	call->start_ns = 0;
	class = class_of(call->number, call->is_compat);
	syscall.pid = object.pid = task->tgid;
	if (active & MODE_SYSCALLS) {
		syscall.kind = LATENCY_SYSCALL;
		syscall.operation = call->is_compat;
		syscall.label[0] = call->number;
		count_latency_fast(&syscall, ns);
	}
	if (active & MODE_FILES && class >= CALL_READ && class <= CALL_FSYNC)
		count_file(task, call, class, result, ns, &object);
	if (active & MODE_FUTEXES && class >= CALL_FUTEX)
		count_futex(call, class, result, ns, &object);
	if (takes_stacks)
		sample_call(task, now, ns, &syscall, &object);
	return 0;
}
