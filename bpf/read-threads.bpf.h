/* SPDX-License-Identifier: GPL-2.0 */
/* The program that tells what the time of all threads was spent on, up to the present: also of those that nothing happens to. */
#ifndef HEARTH_READ_THREADS_BPF_H
#define HEARTH_READ_THREADS_BPF_H

#include "catch-up.bpf.h"
#include "followed-threads.bpf.h"
#include "stack-room.bpf.h"
#include "task-stack.bpf.h"
#include "unseen-switch.bpf.h"

#define LONG_BLOCK_NS 1000000000ULL

static __always_inline bool is_dead(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	return seen->__state & TASK_DEAD;
}

/* Nobody has been told of it yet: `on_new_thread` will begin to follow it. */
static __always_inline bool is_new(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	return seen->__state & TASK_NEW;
}

/* The kernel stack of a thread that has been blocked for long: read once for each block. */
static __always_inline __u64 long_block_stack(struct task_struct *task, struct thread *thread, __u64 since, __u64 now)
{
	const struct configuration *config = configuration();
	struct scratch *scratch;

	if (!config)
		return 0;
	if (thread->looked_at_since_ns == since && thread->looked_at_generation == config->generation)
		return thread->looked_at_stack;
	scratch = take_scratch();
	if (!scratch)
		return 0;
	thread->looked_at_stack =
		send_kernel_stack(&scratch->stack,
				  bpf_get_task_stack(task, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), 0),
				  now, config->generation);
	thread->looked_at_since_ns = since;
	thread->looked_at_generation = config->generation;
	give_back(scratch);
	return thread->looked_at_stack;
}

static __always_inline void add_elapsed(struct record_thread *record, __u32 state, __u64 ns)
{
	barrier_var(state);
	if (state < STATE_MAX)
		record->ns[state] += ns;
}

/* Adds what a thread has done since it was last seen to go or come. */
static __always_inline void fill_present(struct record_thread *record, struct task_struct *task, struct thread *thread)
{
	__u64 now = record->time_ns, since = record->since_ns, until = now;
	bool is_unseen = record->state != STATE_RUNNING && present_state(task) == STATE_RUNNING &&
			 elapsed_ns(since, now) > AWAY_NS;

	if (is_unseen)
		until = came_at(task, thread, since, now);
	if (record->state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;

		record->state = is_unseen ? past_blocked_state(task, thread) : blocked_state(task, thread->prev_state);
		if (woken >= since && woken <= until) {
			add_elapsed(record, record->state, woken - since);
			record->since_ns = woken;
			record->state = is_unseen || is_queued(task) ? STATE_RUNNABLE : STATE_WAKING;
		} else if (!is_unseen && elapsed_ns(since, now) > LONG_BLOCK_NS) {
			record->kernel_stack = long_block_stack(task, thread, since, now);
			if (thread->looked_at_since_ns == since)
				thread->looked_at_state = record->state;
		}
	}
	if (record->state == STATE_RUNNABLE && !thread->clock_lag_ns) {
		/* New: whoever made it has not woken it yet, or needed some time for it. */
		__u64 queued = queued_ns(thread, queue_sum_until(task, scheduler_time(task)));
		__u64 runnable = elapsed_ns(since, until);

		if (queued < runnable) {
			add_elapsed(record, STATE_WAKING, runnable - queued);
			record->since_ns += runnable - queued;
		}
	}
	add_elapsed(record, record->state, elapsed_ns(record->since_ns, until));
	if (is_unseen) {
		add_elapsed(record, STATE_RUNNING, now - until);
		record->since_ns = until;
		record->state = STATE_RUNNING;
	} else {
		add_present(record, elapsed_ns(record->since_ns, now));
	}
}

/* Writes what each thread's time was spent on until now. */
SEC("iter/task")
int read_threads(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	const struct configuration *config = configuration();
	struct record_thread record;
	struct thread *thread;
	__u64 now, since;
	__u32 version, i;

	if (!task || !config || task->pid == 0 || is_new(task))
		return 0;
	thread = is_dead(task) ? thread_of(task) : follow(task, present_state(task), true);
	if (!thread)
		return 0;
	thread->wanted = wanted_task(task);
	if (!thread->wanted)
		return 0;
	for (i = 0; i < 4; i++) {
		version = *(volatile __u32 *)&thread->version;
		barrier();
		now = bpf_ktime_get_ns();
		fill_record(&record, task, thread, now);
		if (has_gone(task, thread, record.state, record.since_ns, now)) {
			since = record.since_ns;
			record.state = state_since_gone(task, thread, &record.since_ns, now);
			record.ns[STATE_RUNNING] += elapsed_ns(since, record.since_ns);
			fill_account(&record, task, thread);
		}
		barrier();
		if (!(version & 1) && version == *(volatile __u32 *)&thread->version)
			break;
	}
	/* It is being begun, or switched all the time: then with the next reading. Or gone, and its room may be another's. */
	if (i == 4 || record.state == STATE_DEAD || record.id == 0 || thread_of(task) != thread)
		return 0;
	fill_present(&record, task, thread);
	bpf_seq_write(seq, &record, sizeof(record));
	return 0;
}

#endif
