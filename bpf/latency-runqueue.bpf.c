// SPDX-License-Identifier: GPL-2.0
/*
 * Run queue latency: how long a thread was runnable, but not running, until it got a CPU: from when it was woken, or had
 * to leave a CPU although it could have gone on. By the clock, not by the scheduler's own account (sched_info): that one
 * has no time at all for a thread that is woken and takes the CPU at once. From sched_waking, as in off-CPU profiling, and
 * not from sched_wakeup: another CPU may have to be woken itself in between.
 *
 * While off-CPU profiling is on, its programs count these latencies (`count_runqueue`), and those here are not there.
 */
#include "latency-slots.bpf.h"
#include "latency-thin.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int begin_wait(struct task_struct *task, __u64 *now)
{
	struct thread_event *wait;

	if (!wanted_task(task))
		return 0;
	wait = event_to_begin(identity(task), task);
	if (wait)
		begin_event(wait, now);
	else
		count_lost(1);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(latency_runqueue_waking, struct task_struct *task)
{
	__u64 now = 0;

	return begin_wait(task, &now);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(latency_runqueue_new, struct task_struct *task)
{
	__u64 now = 0;

	return begin_wait(task, &now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(latency_runqueue_switch, bool preempt, struct task_struct *previous, struct task_struct *next,
	     unsigned int state)
{
	struct latency_key key = {.kind = LATENCY_RUNQUEUE};
	struct thread_event *wait;
	__u64 now = 0, ns;
	__u32 times;

	/* The idle task, which has no pid, never waits. */
	if ((preempt || state == 0) && previous->pid != 0)
		begin_wait(previous, &now);
	if (next->pid == 0)
		return 0;
	/* None is under way where the wait began before this program did. */
	wait = event_to_end(identity(next), next);
	times = wait ? end_event(wait, &now, &ns) : 0;
	if (times && counts_at(now)) {
		key.pid = next->tgid;
		count_latencies_fast(&key, ns, times);
	}
	return 0;
}

/* Only now will nothing happen to the thread any more. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(latency_runqueue_free, struct task_struct *task)
{
	free_event(identity(task));
	return 0;
}
