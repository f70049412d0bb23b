/* SPDX-License-Identifier: GPL-2.0 */
/* Makes good for switches that were not seen: by the scheduler's account, a thread's time goes to what it did meanwhile. */
#ifndef HEARTH_CATCH_UP_BPF_H
#define HEARTH_CATCH_UP_BPF_H

#include "common.bpf.h"
#include "filter.bpf.h"
#include "off-cpu.bpf.h"
#include "task-stack.bpf.h"
#include "unseen-switch.bpf.h"
#include "wait-class.bpf.h"
#include "wait-latency.bpf.h"

/* Counts what went wrong with a thread that the filter lets through: what happens to others is nobody's loss. */
static __noinline void count_missed(struct task_struct *task, enum counter lost)
{
	if (wanted_task(task))
		count(lost);
}

/*
 * What a thread was blocked on that has been elsewhere since. That is known only where somebody has looked meanwhile; else, most
 * threads wait for the same again.
 */
static __always_inline enum thread_state past_blocked_state(struct task_struct *task, const struct thread *thread)
{
	if (thread->looked_at_since_ns >= thread->ran_ns)
		return thread->looked_at_state;
	if (has_user_mode(task) && in_system_call(task))
		return blocked_state(task, thread->prev_state);
	return STATE_OTHER;
}

/*
 * Takes note of a block whose beginning was not seen while it can be looked at: when the thread is seen next, it may be in it no
 * more. Returns when it began.
 */
static __always_inline __u64 begin_unseen_block(struct task_struct *task, struct thread *thread, __u64 now)
{
	__u64 since = thread->since_ns;

	state_since_gone(task, thread, &since, now);
	thread->looked_at_generation = 0;
	thread->looked_at_state = blocked_state(task, 0);
	thread->looked_at_since_ns = since;
	thread->blocked_weight_ns = 0;
	forget_early_stacks(thread);
	return since;
}

/*
 * Ends a block that nobody has seen end, of a thread that got a CPU then and had been in run queues for so long (UNKNOWN_NS for
 * unknown); nothing can be drawn of it.
 */
static __always_inline void end_unseen_block(struct task_struct *task, struct thread *thread, __u64 end, __u64 queued)
{
	__u64 since = thread->since_ns, woken = thread->woken_ns;
	__u32 state = past_blocked_state(task, thread);

	if (woken < since || woken > end)
		woken = queued == UNKNOWN_NS ? end : since + elapsed_ns(queued, end - since);
	add_time(thread, state, woken - since);
	if (modes_at(end, task) & MODE_BLOCKED)
		count_blocked(task, thread, state, woken - since);
	thread->since_ns = woken;
	thread->state = STATE_RUNNABLE;
}

/*
 * Makes good for a switch-out that was not seen, before which the thread ran for so long, and until when it had been in run
 * queues for so long (UNKNOWN_NS for unknown): if it was away for longer, it was blocked, whether somebody saw it be woken or not.
 */
static __always_inline void catch_up_with_going(struct thread *thread, __u64 ran, __u64 until, __u64 queued)
{
	__u64 since = thread->since_ns, went = went_at(since, ran, until);

	add_time(thread, STATE_RUNNING, elapsed_ns(since, went));
	thread->since_ns = went;
	thread->prev_state = 0;
	forget_early_stacks(thread);
	if (woken_between(thread, went, until)) {
		thread->state = STATE_BLOCKED;
	} else if (queued != UNKNOWN_NS && queued + AWAY_NS < until - went) {
		thread->state = STATE_BLOCKED;
		thread->woken_ns = 0;
	} else {
		thread->state = STATE_RUNNABLE;
	}
}

/* Makes good for a switch-in that was not seen, of a thread that goes now. */
static __always_inline void catch_up_with_coming(struct task_struct *task, struct thread *thread, __u64 came, __u64 queued)
{
	if (thread->state == STATE_BLOCKED)
		end_unseen_block(task, thread, came, queued);
	add_time(thread, thread->state, elapsed_ns(thread->since_ns, came));
	thread->since_ns = thread->ran_ns = came;
}

/* The same of one that comes now, and was last seen to come, or has run since it was last seen to go. */
static __noinline void catch_up_until_coming(struct task_struct *task, struct thread *thread, __u64 now,
						  __u64 queue_sum_ns)
{
	__u64 queued = queued_ns(thread, queue_sum_ns);
	/* It went once, and is still where it waited. */
	bool is_there = thread->state == STATE_RUNNING && arrivals(task) == thread->arrivals + 1;

	count_missed(task, LOST_THREAD);
	thread->clock_lag_ns = 0;
	catch_up_with_going(thread, elapsed_ns(thread->run_sum_ns, run_sum(task)), now, queued);
	/* Where it still is, whoever woke it has drawn that, or it is drawn now. */
	if (thread->state == STATE_BLOCKED &&
	    (thread->woken_ns ? thread->looked_at_since_ns != thread->since_ns : !is_there))
		end_unseen_block(task, thread, now, queued);
	if (thread->state != STATE_BLOCKED || !is_there)
		thread->queue_sum_ns = UNKNOWN_NS;
}

/* The same of one that goes now, and was last seen to go, or has gone and come since it was last seen to come. */
static __noinline void catch_up_until_going(struct task_struct *task, struct thread *thread, __u64 now)
{
	__u64 ran = ran_unseen(task, thread), came = came_at(task, thread, thread->since_ns, now);
	__u64 queued = queued_ns(thread, queue_sum(task));

	count_missed(task, LOST_THREAD);
	thread->clock_lag_ns = 0;
	if (ran || thread->state == STATE_RUNNING)
		catch_up_with_going(thread, ran, came, queued);
	catch_up_with_coming(task, thread, came, queued);
}

#endif
