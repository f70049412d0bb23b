// SPDX-License-Identifier: GPL-2.0
/*
 * Off-CPU: what threads do while they don't run. Two timestamps per switch keep each thread's sums by state exact. A
 * stack is taken of a wait of length d with probability min(1, d/T), and stands for max(d, T): unbiased, and what it
 * costs is bounded by the time waited and not by the number of switches. Nothing here looks into a hash table or writes
 * to the ring for a wait that was not drawn.
 *
 * A wait ends in two parts: blocked, until somebody wakes the thread; then runnable, until it has a CPU. Each is drawn
 * for itself. The blocked part is drawn when it ends, by its waker, who is the current task there. The sums tell apart, of
 * the runnable part, the way to a run queue, which is longer where an idle CPU has to wake up.
 *
 * The blocked part is always counted here in histograms, too, and the runnable part where the latency of the run queue is
 * wanted: each program costs as much by being called as by what it does.
 */
#include "catch-up.bpf.h"
#include "draw.bpf.h"
#include "followed-threads.bpf.h"
#include "late-stack.bpf.h"
#include "off-cpu.bpf.h"
#include "scheduler-account.bpf.h"
#include "stack-room.bpf.h"
#include "task-stack.bpf.h"
#include "thread-places.bpf.h"
#include "unseen-switch.bpf.h"
#include "wait-class.bpf.h"
#include "wait-latency.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline __u64 draw_wait(struct thread *thread, __u64 length_ns, __u64 threshold)
{
	return takes_stacks_late ?
		       draw_weight(random(thread), length_ns, threshold) :
		       draw_early_weight(random(thread), thread->early.probability, length_ns, threshold);
}

struct wait_part {
	enum thread_state state;
	__u64 end_ns;
	__u64 duration_ns;
	__u64 weight_ns;
};

static __always_inline void send_wait(struct task_struct *task, const struct thread *thread,
				      const struct wait_part *part, __u64 kernel, __u64 user, __u64 key)
{
	struct record_wait record = {
		.type = RECORD_WAIT,
		.state = part->state,
		.time_ns = part->end_ns,
		.pid = task->tgid,
		.tid = task->pid,
		.duration_ns = part->duration_ns,
		.weight_ns = part->weight_ns,
		.kernel_stack = kernel,
		.user_stack = user,
		.user_key = key,
	};

	/* Nobody ends a wait for a CPU. */
	if (part->state > STATE_THROTTLED) {
		record.waker_pid = thread->waker >> 32;
		record.waker_tid = thread->waker;
		record.waker_kernel_stack = thread->waker_kernel;
		record.waker_user_stack = thread->waker_user;
		record.waker_user_key = thread->waker_key;
	}
	emit(&record, sizeof(record), LOST_WAIT);
}

/* Sends the parts that were drawn of a wait that has just ended. The thread's kernel stack is still that of the wait. */
static __always_inline void take_wait(struct task_struct *task, struct thread *thread, __u64 now,
				      const struct wait_part *blocked, const struct wait_part *runnable)
{
	const struct configuration *config = configuration();
	__u64 kernel = thread->early.kernel, user = thread->early.user, key = 0;

	if (!config || !wanted_task(task))
		return;
	if (takes_stacks_late) {
		struct scratch *scratch = take_scratch();

		kernel = 0;
		user = 0;
		if (scratch) {
			long bytes = bpf_get_task_stack(task, scratch->stack.addresses,
							MAX_KERNEL_FRAMES * sizeof(__u64), 0);

			kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
			give_back(scratch);
		}
		key = take_user_stack_later(task, thread, now);
	}
	if (blocked->weight_ns)
		send_wait(task, thread, blocked, kernel, user, key);
	if (runnable->weight_ns)
		send_wait(task, thread, runnable, kernel, user, key);
}

/*
 * Takes the stacks of the current task, which is about to be switched out, with the probability with which a wait as long
 * as those before would be drawn.
 */
static __always_inline void take_early_stacks(void *ctx, struct task_struct *task, struct thread *thread, __u64 now)
{
	const struct configuration *config = configuration();
	struct early_stacks *early = &thread->early;
	__u64 threshold = threshold_ns(), probability;
	struct scratch *scratch;
	long bytes;

	forget_early_stacks(thread);
	if (!config || threshold == 0)
		return;
	probability = early_probability(early->expected_ns, threshold);
	if (random(thread) >= probability || !wanted_task(task))
		return;
	scratch = take_scratch();
	if (!scratch)
		return;
	bytes = bpf_get_stack(ctx, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), OWN_FRAMES);
	early->kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
	if (has_user_mode(task))
		early->user = send_user_stack(task, &scratch->stack, &scratch->walk, now, config->generation);
	early->probability = probability;
	give_back(scratch);
}

static __always_inline void switch_out(void *ctx, struct task_struct *task, bool preempted, __u32 prev_state, __u64 now,
				       struct scheduler_time time)
{
	struct thread *thread = known(task, STATE_RUNNING);

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	thread->version++;
	barrier();
	if (thread->state != STATE_RUNNING || was_away(task, thread, now))
		catch_up_until_going(task, thread, now);
	add_time(thread, STATE_RUNNING, elapsed_ns(thread->since_ns, now));
	take_clock_going(task, thread, time, now);
	thread->since_ns = now;
	thread->prev_state = prev_state;
	thread->run_sum_ns = run_sum(task);
	thread->queue_sum_ns = queue_sum(task);
	if (preempted || prev_state == TASK_RUNNING) {
		thread->state = is_throttled(task) ? STATE_THROTTLED : STATE_RUNNABLE;
	} else if (prev_state & TASK_DEAD) {
		thread->state = STATE_DEAD;
		leave_slot(thread);
		if (thread->wanted || wanted_task(task)) {
			struct record_thread record;

			fill_record(&record, task, thread, now);
			emit(&record, sizeof(record), LOST_THREAD);
		}
	} else {
		thread->blocked_weight_ns = 0;
		/* Another CPU may wake it in this moment. */
		barrier();
		thread->state = STATE_BLOCKED;
	}
	barrier();
	thread->version++;
	if (!takes_stacks_late && thread->state != STATE_DEAD)
		take_early_stacks(ctx, task, thread, now);
}

static __always_inline void switch_in(struct task_struct *task, __u64 now, struct scheduler_time time)
{
	struct thread *thread = known(task, STATE_RUNNABLE);
	struct wait_part blocked = {}, runnable = {.state = STATE_RUNNABLE, .end_ns = now};
	__u64 threshold = threshold_ns();
	bool was_blocked = false, is_queued_anew = false, is_known = true;	/* since when it was runnable */
	__u64 since, queued, queue_sum_ns = queue_sum_until(task, time), waking = 0;
	__u32 modes;

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	thread->version++;
	barrier();
	if (thread->state == STATE_RUNNING || run_sum(task) > thread->run_sum_ns)
		catch_up_until_coming(task, thread, now, queue_sum_ns);
	since = thread->since_ns;
	if (since > now)
		since = now;
	queued = queued_ns(thread, queue_sum_ns);
	/* Woken, or new. */
	if (thread->state == STATE_BLOCKED || !thread->clock_lag_ns)
		is_queued_anew = true;
	if (thread->state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;

		/* By a CPU whose clock is ahead of this one's, or in this moment by a second waker. */
		if (woken > now)
			woken = now;

		blocked.weight_ns = thread->blocked_weight_ns;
		if (woken < since) {
			if (woken >= thread->ran_ns) {
				/* Woken on another CPU in the moment in which it was switched out. */
				woken = since;
			} else {
				/* Not seen. The scheduler knows when it came to a run queue. */
				woken = queued == UNKNOWN_NS ? now : since + elapsed_ns(queued, now - since);
				thread->waker = thread->waker_key = thread->waker_kernel = thread->waker_user = 0;
				blocked.weight_ns = draw_wait(thread, woken - since, threshold);
				count_missed(task, LOST_WAKEUP);
				is_known = false;
			}
		}
		blocked.state = blocked_state(task, thread->prev_state);
		blocked.end_ns = woken;
		blocked.duration_ns = woken - since;
		add_time(thread, blocked.state, blocked.duration_ns);
		was_blocked = true;
		runnable.duration_ns = now - woken;
	} else {
		if (thread->state == STATE_THROTTLED)
			runnable.state = STATE_THROTTLED;
		runnable.duration_ns = now - since;
	}
	if (is_queued_anew) {
		if (queued < runnable.duration_ns)
			waking = runnable.duration_ns - queued;
		else if (is_known)
			leave_out_sleep(thread, queued, runnable.duration_ns);
		add_time(thread, STATE_WAKING, waking);
		come_by_clock(task, thread, time, now);
	} else {
		take_clock_coming(task, thread, time, now);
		if (thread->prev_state != TASK_RUNNING)
			put_in_missed(thread, queued, runnable.duration_ns);
	}
	add_time(thread, runnable.state, runnable.duration_ns - waking);
	thread->state = STATE_RUNNING;
	thread->since_ns = now;
	thread->ran_ns = now;
	thread->run_sum_ns = run_sum(task);
	thread->queue_sum_ns = queue_sum_ns;
	thread->arrivals = arrivals(task);
	barrier();
	thread->version++;
	runnable.weight_ns = draw_wait(thread, runnable.duration_ns, threshold);
	modes = modes_at(now, task);
	if (was_blocked && modes & MODE_BLOCKED)
		count_blocked(task, thread, blocked.state, blocked.duration_ns);
	if (is_known && modes & MODE_RUNQUEUE)
		count_runnable(task, thread, runnable.duration_ns);
	if (!takes_stacks_late)
		thread->early.expected_ns = expected_after(thread->early.expected_ns, now - since);
	if (blocked.weight_ns | runnable.weight_ns)
		take_wait(task, thread, now, &blocked, &runnable);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct *prev, struct task_struct *next, __u32 prev_state)
{
	struct scheduler_time time = scheduler_time(prev);
	__u64 now = bpf_ktime_get_ns();

	/* The idle tasks, one per CPU, have pid 0. */
	if (prev->pid)
		switch_out(ctx, prev, preempted, prev_state, now, time);
	if (next->pid)
		switch_in(next, now, time);
	return 0;
}

/*
 * In an interrupt the current task is only where it happened to come, and wakes nobody. Interrupts have stacks of their
 * own, but those that come in user mode, in no system call, begin on the task's. (The kernel's count of interrupts can't
 * be had where kallsyms leaves out variables.)
 */
static __always_inline bool in_interrupt(void *ctx, struct task_struct *current)
{
	return !on_task_stack(ctx, current) ||
	       (has_user_mode(current) && system_call((void *)bpf_task_pt_regs(current)) < 0);
}

/* The blocked part was drawn: who ended it, and from where? */
static __always_inline void take_waker(void *ctx, struct thread *thread, __u64 now)
{
	const struct configuration *config = configuration();
	struct task_struct *waker = bpf_get_current_task_btf();
	struct scratch *scratch;

	thread->waker = in_interrupt(ctx, waker) ? 0 : bpf_get_current_pid_tgid();
	thread->waker_key = thread->waker_kernel = thread->waker_user = 0;
	if (!config)
		return;
	scratch = take_scratch();
	if (scratch) {
		long bytes = bpf_get_stack(ctx, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64),
					   OWN_FRAMES);

		thread->waker_kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
		if (!takes_stacks_late && thread->waker && has_user_mode(waker))
			thread->waker_user = send_user_stack(waker, &scratch->stack, &scratch->walk, now,
							     config->generation);
		give_back(scratch);
	}
	if (takes_stacks_late && thread->waker) {
		struct thread *own = thread_of(waker);

		if (own)
			thread->waker_key = take_user_stack_later(waker, own, now);
	}
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct thread *thread = thread_of(task);
	__u64 now, since, weight;

	if (!thread)
		return 0;
	now = bpf_ktime_get_ns();
	since = thread->since_ns;
	if (thread->state != STATE_BLOCKED || thread->woken_ns >= since) {
		if (has_gone(task, thread, thread->state, since, now)) {
			since = begin_unseen_block(task, thread, now);
		} else {
			/* Else woken already. */
			if (thread->state != STATE_BLOCKED)
				thread->woken_ns = now;
			return 0;
		}
	}
	thread->woken_ns = now;
	weight = draw_wait(thread, elapsed_ns(since, now), threshold_ns());
	if (weight && wanted_task(task)) {
		take_waker(ctx, thread, now);
		thread->blocked_weight_ns = weight;
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_new_thread, struct task_struct *parent, struct task_struct *child)
{
	struct thread *thread;

	/* Of a task that was at this address before, whose end was not seen. */
	leave_place(child);
	thread = follow(child, STATE_RUNNABLE, true);
	/* At its end, the filter may have forgotten its process already. */
	if (thread)
		thread->wanted = wanted_task(child);
	return 0;
}

/* Only now will nothing happen to the thread any more, but that the reading of all threads may still come by. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_thread_free, struct task_struct *task)
{
	leave_place(task);
	return 0;
}

#include "read-threads.bpf.h"
