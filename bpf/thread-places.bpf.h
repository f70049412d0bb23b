/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where most threads are: in the place that the hash of their task says, until their end. It is found without a call to the
 * kernel, of which those to task storage were a sixth of what a context switch cost here. Threads that find their place taken
 * have task storage, until their end, too.
 */
#ifndef HEARTH_THREAD_PLACES_BPF_H
#define HEARTH_THREAD_PLACES_BPF_H

#include "kernel.h"
#include "filter.bpf.h"
#include "off-cpu.bpf.h"

#define PLACE_BITS 13

struct thread_place {
	__u64 owner;		/* whose it is (`identity_of`); 0: nobody's */
	struct thread thread;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << PLACE_BITS);
	__type(key, __u32);
	__type(value, struct thread_place);
} thread_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* A number that is a task's own, not 0, the same in all objects. To the verifier, only a difference is a number. */
static __always_inline __u64 identity_of(struct task_struct *task)
{
	__u64 number = (__u64)task - (__u64)configuration();

	barrier_var(number);
	return number;
}

static __always_inline struct thread_place *place_of(__u64 owner)
{
	__u32 index = hash_of(owner, PLACE_BITS);

	return bpf_map_lookup_elem(&thread_places, &index);
}

/* NULL where the thread is not followed yet. With an ID of 0, another CPU begins to, or ceases, in this moment. */
static __always_inline struct thread *thread_of(struct task_struct *task)
{
	__u64 owner = identity_of(task);
	struct thread_place *place = place_of(owner);

	if (place && place->owner == owner)
		return &place->thread;
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

/* Room for a thread that is not followed yet; NULL where there is none, and no memory, or it may not be asked for here. */
static __always_inline struct thread *room_for(struct task_struct *task, bool may_allocate)
{
	__u64 owner = identity_of(task);
	struct thread_place *place = place_of(owner);

	if (place) {
		__u64 before = __sync_val_compare_and_swap(&place->owner, 0, owner);

		/* Another CPU may have come first. */
		if (before == 0 || before == owner)
			return &place->thread;
	}
	return may_allocate ? bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) : NULL;
}

/* A thread that has task storage has it until its task is no more, and none of this. */
static __always_inline void leave_place(struct task_struct *task)
{
	__u64 owner = identity_of(task);
	struct thread_place *place = place_of(owner);
	struct thread *thread;

	if (!place || place->owner != owner)
		return;
	thread = &place->thread;
	/* Who reads it meanwhile has to see that; whoever has it next begins anew. */
	thread->version++;
	barrier();
	__builtin_memset((void *)thread + sizeof(thread->version), 0, sizeof(*thread) - sizeof(thread->version));
	barrier();
	thread->version++;
	__sync_val_compare_and_swap(&place->owner, owner, 0);
}

#endif
