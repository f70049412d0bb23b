// SPDX-License-Identifier: GPL-2.0
/*
 * Run queue latency: how long a thread was runnable, but not running, until it got a CPU: from when it was woken, or had
 * to leave a CPU although it could have gone on. By the clock, not by the scheduler's own account (sched_info): that one
 * has no time at all for a thread that is woken and takes the CPU at once.
 */
#include "latency-slots.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Since when a thread waits for a CPU; 0 where it doesn't. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} runnable_since SEC(".maps");

static __always_inline int begin_wait(struct task_struct *task, __u64 now)
{
	__u64 *since;

	if (task->pid == 0 || !wanted_task(task))
		return 0;
	since = bpf_task_storage_get(&runnable_since, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (since)
		*since = now;
	else
		count_lost();
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(latency_runqueue_wakeup, struct task_struct *task)
{
	return begin_wait(task, bpf_ktime_get_ns());
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(latency_runqueue_new, struct task_struct *task)
{
	return begin_wait(task, bpf_ktime_get_ns());
}

SEC("tp_btf/sched_switch")
int BPF_PROG(latency_runqueue_switch, bool preempt, struct task_struct *previous, struct task_struct *next,
	     unsigned int state)
{
	struct latency_key key = {.kind = LATENCY_RUNQUEUE, .pid = next->tgid};
	__u64 now = bpf_ktime_get_ns(), *since;

	if (preempt || state == 0)
		begin_wait(previous, now);
	if (next->pid == 0)
		return 0;
	since = bpf_task_storage_get(&runnable_since, next, NULL, 0);
	/* A wait that began before this program did. */
	if (!since || *since == 0)
		return 0;
	/* The clocks of two CPUs may differ by a little. */
	count_latency_fast(&key, now > *since ? now - *since : 0);
	*since = 0;
	return 0;
}
