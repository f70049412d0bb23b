/* SPDX-License-Identifier: GPL-2.0 */
/* Which threads off-CPU profiling follows, from when on, and what is told of each. */
#ifndef HEARTH_FOLLOWED_THREADS_BPF_H
#define HEARTH_FOLLOWED_THREADS_BPF_H

#include "off-cpu.bpf.h"
#include "scheduler-account.bpf.h"
#include "thread-places.bpf.h"

/*
 * User stacks are taken on the way to user mode; else (before Linux 6.18) when the thread is switched out. In sections of
 * their own so that the loader can set them.
 */
const volatile __u32 takes_stacks_late SEC(".rodata.late") = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct off_cpu_configuration);
} off_cpu_configurations SEC(".maps");

__u64 last_thread_id;

static __always_inline __u64 threshold_ns(void)
{
	__u32 zero = 0;
	const struct off_cpu_configuration *config = bpf_map_lookup_elem(&off_cpu_configurations, &zero);

	return config ? config->threshold_ns : 0;
}

/*
 * Begins to follow a thread, if it isn't followed yet; NULL where there is no room, or another CPU begins to in this moment:
 * the reading of all threads comes by while they are switched.
 */
static __always_inline struct thread *follow(struct task_struct *task, enum thread_state state, bool may_allocate)
{
	struct thread *thread = thread_of(task) ?: room_for(task, may_allocate);

	if (!thread || thread->id)
		return thread;
	if (__sync_val_compare_and_swap(&thread->begun, 0, 1))
		return NULL;
	thread->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	thread->state = state;
	thread->since_ns = thread->ran_ns = bpf_ktime_get_ns();
	begin_account(task, thread);
	/* Stacks of its first five waits are taken, however short: else the first long one would stand for 64, or for none. */
	if (!takes_stacks_late)
		thread->early.expected_ns = 2 * threshold_ns();
	barrier();
	thread->id = __sync_fetch_and_add(&last_thread_id, 1) + 1;
	return thread;
}

/*
 * What is known of a thread in the scheduler, where memory may only be asked for in kernels that have their own for BPF. It
 * is there already, unless many threads began faster than the kernel could make room for them.
 */
static __always_inline struct thread *known(struct task_struct *task, enum thread_state state)
{
	struct thread *thread = thread_of(task);

	if (!thread)
		return follow(task, state, takes_stacks_late);
	return thread->id ? thread : NULL;
}

static __always_inline void fill_record(struct record_thread *record, struct task_struct *task, struct thread *thread,
					__u64 now)
{
	record->type = RECORD_THREAD;
	record->state = thread->state;
	record->time_ns = now;
	record->id = thread->id;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->since_ns = thread->since_ns;
	record->kernel_stack = 0;
	record->waker_pid = thread->waker >> 32;
	record->waker_tid = thread->waker;
	__builtin_memcpy(record->ns, thread->ns, sizeof(record->ns));
	__builtin_memcpy(record->count, thread->count, sizeof(record->count));
	fill_account(record, task, thread);
}

#endif
