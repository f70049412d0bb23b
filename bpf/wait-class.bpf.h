/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a blocked thread waits for, by the system call that it is in, and by the kind of file where that says more. Cheap
 * enough for every block: no stack is looked at.
 */
#ifndef HEARTH_WAIT_CLASS_BPF_H
#define HEARTH_WAIT_CLASS_BPF_H

#include "kernel.h"
#include "hearth.h"
#include "open-file.bpf.h"
#include <asm/unistd.h>

#define TASK_RUNNING 0
#define TASK_STOPPED_OR_TRACED 0xc
#define TASK_DEAD 0x80
#define TASK_NEW 0x800

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFIFO 0010000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cfs_rq___wait {
	int throttle_count;
};

struct sched_entity___wait {
	struct cfs_rq___wait *cfs_rq;
};

struct task_struct___wait {
	unsigned int in_iowait : 1;
	bool throttled;			/* Linux 6.18 and later */
	struct sched_entity___wait se;
};

#pragma clang attribute pop

#if defined(__TARGET_ARCH_x86)

struct pt_regs___wait {
	long orig_ax;
	unsigned long di;
} __attribute__((preserve_access_index));

/* Number of the system call that the task is in, negative for none: a page fault, an interrupt. */
static __always_inline long system_call(const struct pt_regs___wait *regs)
{
	return regs->orig_ax;
}

static __always_inline __u32 first_argument(const struct pt_regs___wait *regs)
{
	return regs->di;
}

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs___wait {
	__u64 orig_x0;
	int syscallno;
} __attribute__((preserve_access_index));

static __always_inline long system_call(const struct pt_regs___wait *regs)
{
	return regs->syscallno;
}

static __always_inline __u32 first_argument(const struct pt_regs___wait *regs)
{
	return regs->orig_x0;
}

#endif

#define SYSTEM_CALLS 512
/* Its first argument is the file that it waits for. */
#define STATE_BY_FILE STATE_MAX

/* 0 for those that wait for something else. */
const __u8 state_of_system_call[SYSTEM_CALLS] SEC(".rodata") = {
	[__NR_nanosleep] = STATE_SLEEP,
	[__NR_clock_nanosleep] = STATE_SLEEP,
	[__NR_futex] = STATE_LOCK,
	[449 /* futex_waitv */] = STATE_LOCK,
	[455 /* futex_wait */] = STATE_LOCK,
	[__NR_flock] = STATE_LOCK,
	[__NR_fcntl] = STATE_LOCK,
	[__NR_semop] = STATE_LOCK,
	[__NR_semtimedop] = STATE_LOCK,
	[__NR_connect] = STATE_NETWORK,
	[__NR_accept] = STATE_NETWORK,
	[__NR_accept4] = STATE_NETWORK,
	[__NR_sendto] = STATE_NETWORK,
	[__NR_recvfrom] = STATE_NETWORK,
	[__NR_sendmsg] = STATE_NETWORK,
	[__NR_recvmsg] = STATE_NETWORK,
	[__NR_sendmmsg] = STATE_NETWORK,
	[__NR_recvmmsg] = STATE_NETWORK,
	[__NR_shutdown] = STATE_NETWORK,
	[__NR_epoll_pwait] = STATE_POLL,
	[441 /* epoll_pwait2 */] = STATE_POLL,
	[__NR_ppoll] = STATE_POLL,
	[__NR_pselect6] = STATE_POLL,
	[426 /* io_uring_enter */] = STATE_POLL,
#ifdef __NR_poll
	[__NR_poll] = STATE_POLL,
	[__NR_select] = STATE_POLL,
	[__NR_epoll_wait] = STATE_POLL,
#endif
	[__NR_io_getevents] = STATE_DISK,
	[__NR_fsync] = STATE_DISK,
	[__NR_fdatasync] = STATE_DISK,
	[__NR_sync] = STATE_DISK,
	[__NR_syncfs] = STATE_DISK,
	[__NR_sync_file_range] = STATE_DISK,
	[__NR_msync] = STATE_DISK,
	[__NR_read] = STATE_BY_FILE,
	[__NR_write] = STATE_BY_FILE,
	[__NR_readv] = STATE_BY_FILE,
	[__NR_writev] = STATE_BY_FILE,
	[__NR_pread64] = STATE_BY_FILE,
	[__NR_pwrite64] = STATE_BY_FILE,
	[__NR_preadv] = STATE_BY_FILE,
	[__NR_pwritev] = STATE_BY_FILE,
	[__NR_preadv2] = STATE_BY_FILE,
	[__NR_pwritev2] = STATE_BY_FILE,
	[__NR_splice] = STATE_BY_FILE,
	[__NR_sendfile] = STATE_BY_FILE,
	[__NR_tee] = STATE_BY_FILE,
	[__NR_vmsplice] = STATE_BY_FILE,
	[__NR_getdents64] = STATE_BY_FILE,
};

static __always_inline enum thread_state state_by_file(struct task_struct *task, __u32 descriptor)
{
	switch (open_file(task, descriptor).mode & S_IFMT) {
	case S_IFSOCK:
		return STATE_NETWORK;
	case S_IFIFO:
		return STATE_PIPE;
	case S_IFREG:
	case S_IFDIR:
	case S_IFBLK:
		return STATE_DISK;
	}
	return STATE_OTHER;
}

/* Else a task that has user mode is there, or an exception or interrupt brought it to the kernel. */
static __always_inline bool in_system_call(struct task_struct *task)
{
	return system_call((void *)bpf_task_pt_regs(task)) >= 0;
}

/* What the task is blocked on; it was switched out with `prev_state`. */
static __always_inline enum thread_state blocked_state(struct task_struct *task, __u32 prev_state)
{
	const struct task_struct___wait *waiting = (void *)task;
	const struct pt_regs___wait *regs;
	bool in_iowait = BPF_CORE_READ_BITFIELD(waiting, in_iowait);
	enum thread_state state;
	long number;

	if (task->flags & PF_KTHREAD)
		return in_iowait ? STATE_DISK : STATE_OTHER;
	regs = (void *)bpf_task_pt_regs(task);
	number = system_call(regs);
	if (number < 0)
		return prev_state & TASK_STOPPED_OR_TRACED ? STATE_OTHER : STATE_PAGE_FAULT;
	if (in_iowait)
		return STATE_DISK;
	if (number >= SYSTEM_CALLS)
		return STATE_OTHER;
	state = state_of_system_call[number & (SYSTEM_CALLS - 1)];
	if (state == STATE_BY_FILE)
		return state_by_file(task, first_argument(regs));
	return state ? state : STATE_OTHER;
}

/* The task could go on, but its cgroup has no quota left. It was just switched out. */
static __always_inline bool is_throttled(struct task_struct *task)
{
	const struct task_struct___wait *waiting = (void *)task;

	if (bpf_core_field_exists(waiting->throttled))
		return waiting->throttled;
	return bpf_core_field_exists(waiting->se.cfs_rq->throttle_count) && waiting->se.cfs_rq->throttle_count > 0;
}

#endif
