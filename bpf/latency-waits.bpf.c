// SPDX-License-Identifier: GPL-2.0
/*
 * How long threads wait, in the two parts that a wait has: blocked, until somebody wakes the thread; then runnable, but not
 * running, until it gets a CPU, which is also where one is that had to leave a CPU although it could have gone on. By the
 * clock, not by the scheduler's own account (sched_info): that one has no time at all for a thread that is woken and takes
 * the CPU at once. From sched_waking, as in off-CPU profiling, and not from sched_wakeup: another CPU may have to be woken
 * itself in between.
 *
 * While off-CPU profiling is on, its programs count these latencies (wait-latency.bpf.h), and those here are not there.
 */
#include "latency-slots.bpf.h"
#include "latency-thin.bpf.h"
#include "wait-class.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline bool counts(enum latency_mode mode)
{
	return latency_control.modes & mode;
}

static __always_inline void begin_runnable(struct thread_event *wait, __u64 *now)
{
	if (counts(MODE_RUNQUEUE))
		begin_event(wait, &wait->timing, now);
}

static __always_inline void end_blocked(struct task_struct *task, struct thread_event *wait, __u64 *now)
{
	struct latency_key key = {.kind = LATENCY_BLOCKED};
	__u64 ns;
	__u32 times = end_event(&wait->blocked, now, &ns);

	if (!times || !counts(MODE_BLOCKED) || !counts_at(*now))
		return;
	key.pid = task->tgid;
	key.operation = blocked_state(task, wait->number);
	count_latencies_fast(&key, ns, times);
}

/* Of a thread that the filter lets through; NULL for others, and where there is no room. */
static __always_inline struct thread_event *wanted_wait(struct task_struct *task)
{
	struct thread_event *wait;

	if (!wanted_task(task))
		return NULL;
	wait = event_to_begin(identity(task), task);
	if (!wait)
		count_loss(LATENCY_NO_ROOM, 1);
	return wait;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(latency_wait_waking, struct task_struct *task)
{
	struct thread_event *wait = wanted_wait(task);
	__u64 now = 0;

	if (!wait)
		return 0;
	wait->was_woken = 1;
	end_blocked(task, wait, &now);
	begin_runnable(wait, &now);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(latency_wait_new, struct task_struct *task)
{
	struct thread_event *wait = wanted_wait(task);
	__u64 now = 0;

	if (wait)
		begin_runnable(wait, &now);
	return 0;
}

static __always_inline void switch_out(struct task_struct *task, bool is_runnable, unsigned int state, __u64 *now)
{
	struct thread_event *wait;

	if (!is_runnable && (state & TASK_DEAD || !counts(MODE_BLOCKED)))
		return;
	wait = wanted_wait(task);
	if (!wait)
		return;
	if (is_runnable) {
		begin_runnable(wait, now);
	} else {
		wait->number = state;
		begin_event(wait, &wait->blocked, now);
	}
}

static __always_inline void switch_in(struct task_struct *task, __u64 *now)
{
	struct latency_key key = {.kind = LATENCY_RUNQUEUE};
	/* None is under way where the wait began before this program did. */
	struct thread_event *wait = event_to_end(identity(task), task);
	__u32 times;
	__u64 ns;

	if (!wait)
		return;
	if (wait->blocked.times) {
		/* Woken on another CPU in the moment in which it was switched out; or its end was not seen. */
		if (wait->was_woken) {
			wait->blocked.start_ns = read_clock(now);
			end_blocked(task, wait, now);
		} else {
			wait->blocked.times = 0;
			if (counts_at(read_clock(now)))
				count_loss(LATENCY_UNSEEN, 1);
		}
	}
	wait->was_woken = 0;
	times = end_event(&wait->timing, now, &ns);
	if (times && counts(MODE_RUNQUEUE) && counts_at(*now)) {
		key.pid = task->tgid;
		count_latencies_fast(&key, ns, times);
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(latency_wait_switch, bool preempt, struct task_struct *previous, struct task_struct *next,
	     unsigned int state)
{
	__u64 now = 0;

	/* The idle tasks, which have no pid, never wait. */
	if (previous->pid != 0)
		switch_out(previous, preempt || state == TASK_RUNNING, state, &now);
	if (next->pid != 0)
		switch_in(next, &now);
	return 0;
}

/* Only now will nothing happen to the thread any more. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(latency_wait_free, struct task_struct *task)
{
	free_event(identity(task));
	return 0;
}
