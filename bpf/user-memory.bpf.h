/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the memory of the task whose stack is walked. It is the current one, unless a program, which must be one that may
 * sleep, says before that it WALKS_OTHER_TASKS.
 */
#ifndef HEARTH_USER_MEMORY_BPF_H
#define HEARTH_USER_MEMORY_BPF_H

#include "kernel.h"

#ifdef WALKS_OTHER_TASKS

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
typedef struct {
	long counter;
} atomic_long_t;

struct rw_semaphore {
	atomic_long_t count;
};

struct mm_struct___lock {
	struct rw_semaphore mmap_lock;
};
#pragma clang attribute pop

/* Of a semaphore's count: a writer has it, or somebody waits for it (kernel/locking/rwsem.c). */
#define RWSEM_BUSY 7

/* Not where it would have to wait for a thread that changes its mappings: that may be stuck, and the agent would be, too. */
static __always_inline bool copy_user(struct task_struct *task, void *copy, __u32 bytes, __u64 address)
{
	struct mm_struct___lock *mm = (void *)BPF_CORE_READ(task, mm);

	if (bpf_core_field_exists(mm->mmap_lock.count) && BPF_CORE_READ(mm, mmap_lock.count.counter) & RWSEM_BUSY)
		return false;
	return bpf_copy_from_user_task(copy, bytes, (void *)address, task, 0) == 0;
}

#else

static __always_inline bool copy_user(struct task_struct *task, void *copy, __u32 bytes, __u64 address)
{
	return bpf_probe_read_user(copy, bytes, (void *)address) == 0;
}

#endif

#endif
