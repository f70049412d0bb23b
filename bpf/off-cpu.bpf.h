/* SPDX-License-Identifier: GPL-2.0 */
/* What off-CPU profiling keeps of each thread: shared by the programs that follow threads and the one that reads who still waits. */
#ifndef HEARTH_OFF_CPU_BPF_H
#define HEARTH_OFF_CPU_BPF_H

#include "kernel.h"
#include "filter.bpf.h"
#include "hearth.h"

/* Before classification: blocked on something, not seen yet, gone. */
#define STATE_BLOCKED STATE_MAX
#define STATE_DEAD (STATE_MAX + 1)

/* A stack that was taken at switch-out, before it was known how long the wait would be. */
struct early_stacks {
	__u64 probability;	/* in 2^-32; 0 where none was taken */
	__u64 kernel;
	__u64 user;
	__u64 expected_ns;	/* of the next wait, by those before */
};

struct thread {
	__u32 version;		/* odd while the sums are being changed */
	__u32 state;		/* enum thread_state, or STATE_BLOCKED, STATE_DEAD */
	__u64 since_ns;		/* when the state began */
	__u64 ran_ns;		/* when it last got a CPU */
	__u64 woken_ns;		/* when it was last woken */
	__u64 waker;		/* pid and tid of who ended the last wait that was drawn; 0 for an interrupt */
	__u64 blocked_weight_ns;	/* the blocked part of this wait was drawn, and stands for this */
	__u32 prev_state;
	__u32 slot;		/* that holds the task work under way */
	__u64 key;		/* of the user stack that is still to be taken; 0 for none */
	__u64 waker_key;
	__u64 waker_kernel;
	__u64 waker_user;
	__u64 random;
	__u64 id;
	__u64 long_block_since_ns;	/* the block that `long_block_stack` belongs to */
	__u64 long_block_stack;
	__u32 long_block_generation;	/* under which it was sent */
	__u32 long_block_state;	/* enum thread_state */
	__u32 wanted;		/* passed the filter when it was last looked at */
	__u64 ns[STATE_MAX];
	__u64 count[STATE_MAX];
	struct early_stacks early;
};

/*
 * Where most threads are: in the place that the hash of their task says, until their end. It is found without a call to the
 * kernel, of which those to task storage were a sixth of what a context switch cost here. Threads that find their place taken
 * have task storage, until their end, too.
 */
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
	/* Fibonacci hashing. */
	__u32 index = owner * 0x9e3779b97f4a7c15ULL >> (64 - PLACE_BITS);

	return bpf_map_lookup_elem(&thread_places, &index);
}

/* NULL where the thread is not followed yet. */
static __always_inline struct thread *thread_of(struct task_struct *task)
{
	__u64 owner = identity_of(task);
	struct thread_place *place = place_of(owner);

	if (place && place->owner == owner)
		return &place->thread;
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

/* CPUs' clocks differ by a little: what was on another one may seem to be yet to come. */
static __always_inline __u64 elapsed_ns(__u64 from, __u64 to)
{
	return to > from ? to - from : 0;
}

#endif
