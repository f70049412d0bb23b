/* SPDX-License-Identifier: GPL-2.0 */
/* What off-CPU profiling keeps of each thread: shared by the programs that follow threads and the one that reads who still waits. */
#ifndef HEARTH_OFF_CPU_BPF_H
#define HEARTH_OFF_CPU_BPF_H

#include "kernel.h"
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
	__u32 version;		/* odd while it is being changed; the only thing that stays when its room becomes another's */
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
	__u64 queue_sum_ns;	/* by the scheduler, in run queues until it was last seen to go or come; UNKNOWN_NS for unknown */
	__u64 run_sum_ns;	/* by the scheduler, on CPUs until it was last seen to go or come */
	__u64 arrivals;		/* how often it had got one by the scheduler, when it was last seen to come */
	__u64 clock_lag_ns;	/* of its CPU's scheduler, when it was last seen to come or go; 0 for unknown */
	__u64 clock_cpu;	/* where it was seen to come */
	/* What that clock left out of the scheduler's sums, or had twice (negative). */
	__s64 run_clock_ns;
	__s64 queue_clock_ns;
	__u64 id;		/* 0 until all is set at the beginning */
	/* What was found out of a block while it went on. */
	__u64 looked_at_since_ns;	/* which: when it began */
	__u64 looked_at_stack;
	__u32 looked_at_generation;	/* under which the stack was sent; 0 for none */
	__u32 looked_at_state;	/* enum thread_state */
	__u32 wanted;		/* passed the filter when it was last looked at */
	__u32 begun;		/* some CPU sets it */
	__u64 ns[STATE_MAX];
	__u64 count[STATE_MAX];
	/* What the scheduler had accounted to it when it was begun to be followed. */
	__u64 run_before_ns;
	__u64 queue_before_ns;
	__u64 queue_missed_ns;	/* in run queues, but not by its account */
	struct early_stacks early;
};

static __always_inline void forget_early_stacks(struct thread *thread)
{
	thread->early.probability = thread->early.kernel = thread->early.user = 0;
}

static __always_inline void add_time(struct thread *thread, __u32 state, __u64 ns)
{
	/* For the verifier: the compiler takes it to be so. */
	barrier_var(state);
	if (state >= STATE_MAX)
		return;
	thread->ns[state] += ns;
	thread->count[state] += 1;
}

/* CPUs' clocks differ by a little: what was on another one may seem to be yet to come. */
static __always_inline __u64 elapsed_ns(__u64 from, __u64 to)
{
	return to > from ? to - from : 0;
}

/* 32 random bits: Knuth's linear congruential generator. A call to the kernel's own costs more than the rest of a draw. */
static __always_inline __u64 random(struct thread *thread)
{
	thread->random = thread->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return thread->random >> 32;
}

#endif
