/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Some virtual machines hide the switches of some threads from BPF, and with them who goes or comes there. What the scheduler
 * accounts to a thread tells all the same when it went: how long it ran since it was last seen to get a CPU, and how often it
 * got one.
 */
#ifndef HEARTH_UNSEEN_SWITCH_BPF_H
#define HEARTH_UNSEEN_SWITCH_BPF_H

#include "kernel.h"
#include "hearth.h"
#include "off-cpu.bpf.h"
#include "scheduler-account.bpf.h"
#include "wait-class.bpf.h"

/* More than a switch takes, and than the clocks differ by. */
#define AWAY_NS 1000000ULL

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___state {
	unsigned int __state;
	int on_cpu;
};
#pragma clang attribute pop

/* By the scheduler, in this moment. */
static __always_inline enum thread_state present_state(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	if (seen->on_cpu)
		return STATE_RUNNING;
	return seen->__state == TASK_RUNNING ? STATE_RUNNABLE : STATE_BLOCKED;
}

/* Whether somebody woke a thread that went at this time. */
static __always_inline bool woken_between(const struct thread *thread, __u64 went, __u64 now)
{
	__u64 woken = *(volatile const __u64 *)&thread->woken_ns;

	return woken >= went && woken <= now;
}

/* For how long a thread had run unseen when it came to the CPU that it has now, or had last. */
static __always_inline __u64 ran_unseen(struct task_struct *task, const struct thread *thread)
{
	return run_sum_at_arrival(task, thread) - thread->run_sum_ns;
}

/* Whether a thread that goes now has gone and come before, since it was last seen to come. Steal is no reason. */
static __always_inline bool was_away(struct task_struct *task, const struct thread *thread, __u64 now)
{
	/* The first is all that it takes for most. That a thread got a CPU is not accounted yet while that is seen. */
	return prior_run_sum(task) != thread->run_sum_ns &&
	       elapsed_ns(thread->since_ns, now) > elapsed_ns(thread->run_sum_ns, run_sum(task)) + AWAY_NS &&
	       arrivals(task) > thread->arrivals + 1;
}

/* Whether a thread that has no CPU had one since it was last seen to go, or was last seen to come. */
static __always_inline bool has_gone(struct task_struct *task, const struct thread *thread, __u32 state, __u64 since, __u64 now)
{
	/* It is not accounted yet that it has a CPU while it comes. */
	return present_state(task) != STATE_RUNNING && elapsed_ns(since, now) > AWAY_NS &&
	       (state == STATE_RUNNING || run_sum(task) > thread->run_sum_ns);
}

/* When it went, of whose state that began at `since` nothing else is known: as if it had run first. */
static __always_inline __u64 went_at(__u64 since, __u64 ran, __u64 now)
{
	__u64 went = since + ran;

	return went < now ? went : now;
}

/* What a thread that `has_gone` does; `since` becomes when it went. */
static __always_inline enum thread_state state_since_gone(struct task_struct *task, const struct thread *thread, __u64 *since,
							  __u64 now)
{
	*since = went_at(*since, elapsed_ns(thread->run_sum_ns, run_sum(task)), now);
	return woken_between(thread, *since, now) ? STATE_BLOCKED : present_state(task);
}

/* When a thread came to the CPU that it has, which was last seen to wait, since then. */
static __always_inline __u64 came_at(struct task_struct *task, const struct thread *thread, __u64 since, __u64 now)
{
	__u64 came = now - (run_sum(task) - run_sum_at_arrival(task, thread));

	return came < since || came > now ? since : came;
}

#endif
