/* SPDX-License-Identifier: GPL-2.0 */
/* The user stacks of waits, taken on the way to user mode (Linux 6.18). */
#ifndef HEARTH_LATE_STACK_BPF_H
#define HEARTH_LATE_STACK_BPF_H

#include "off-cpu.bpf.h"
#include "stack-room.bpf.h"
#include "task-stack.bpf.h"
#include "thread-places.bpf.h"
#include "task-work.h"

/* Task work under way. A slot is its owner's until the work has been done. */
#define SLOTS 16384
#define SLOT_TRIES 8

struct slot {
	struct bpf_task_work work;
	__u64 owner;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/*
 * Runs as the thread whose stack is wanted, just before it is in user mode again: once for all waits that were drawn since
 * it left. (Signal handlers come after it.)
 */
static int take_user_stack(struct bpf_map *map, void *key, void *value)
{
	const struct configuration *config = configuration();
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *thread = thread_of(task);
	struct slot *slot = value;
	struct record_wait_stack record = {
		.type = RECORD_WAIT_STACK,
		.pid = task->tgid,
		.tid = task->pid,
		.time_ns = bpf_ktime_get_ns(),
	};

	if (thread && config) {
		record.key = thread->key;
		thread->key = 0;
		/* A thread that is being ended has no memory any more. */
		if (has_user_mode(task)) {
			struct scratch *scratch = take_scratch();

			if (scratch) {
				record.user_stack = send_user_stack(task, &scratch->stack, &scratch->walk,
								    record.time_ns, config->generation);
				give_back(scratch);
			}
		}
		emit(&record, sizeof(record), LOST_WAIT_STACK);
	}
	slot->owner = 0;
	return 0;
}

/* The key under which the user stack of the thread will come; 0 where it has none, or no slot is free. */
static __always_inline __u64 take_user_stack_later(struct task_struct *task, struct thread *thread, __u64 now)
{
	__u32 hash = task->pid * 0x9E3779B1u, i;

	if (!has_user_mode(task) || !bpf_task_work_schedule_resume_impl)
		return 0;
	if (thread->key)
		return thread->key;
	for (i = 0; i < SLOT_TRIES; i++) {
		__u32 index = ((hash >> 16) + i) % SLOTS;
		struct slot *slot = bpf_map_lookup_elem(&slots, &index);

		if (!slot || __sync_val_compare_and_swap(&slot->owner, 0, now))
			continue;
		/* Before it is scheduled: where the thread is the current one, it may be done at once. */
		thread->key = now;
		thread->slot = index;
		if (bpf_task_work_schedule_resume_impl(task, &slot->work, &slots, take_user_stack, NULL) == 0)
			return now;
		thread->key = 0;
		slot->owner = 0;
	}
	count(LOST_WAIT_STACK);
	return 0;
}

/* A thread that has died between its wait and user mode leaves its slot. */
static __always_inline void leave_slot(struct thread *thread)
{
	__u32 index = thread->slot;
	struct slot *slot;

	if (!thread->key)
		return;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (slot && slot->owner == thread->key)
		slot->owner = 0;
	thread->key = 0;
}

#endif
