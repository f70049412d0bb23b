// SPDX-License-Identifier: GPL-2.0
/*
 * Run queue latency: how long a thread was runnable, but not running, each time that it got a CPU. It is read from the
 * scheduler's own account (sched_info, built into distributions' kernels), so it needs no program at each wakeup, and
 * adds up to what /proc/PID/schedstat says. The account has a wait when it has ended; it is counted when the thread
 * leaves the CPU again, as one wait even where the thread was moved between CPUs in the middle of it.
 */
#include "latency-slots.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct sched_info___latency {
	unsigned long pcount;
	unsigned long long run_delay;
} __attribute__((preserve_access_index));

struct task_struct___latency {
	struct sched_info___latency sched_info;
} __attribute__((preserve_access_index));

struct account {
	__u64 delay_ns;
	__u8 is_known;
};

/* A thread's time in run queues until it last left a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct account);
} accounts SEC(".maps");

SEC("tp_btf/sched_switch")
int BPF_PROG(latency_runqueue, bool preempt, struct task_struct *task)
{
	struct task_struct___latency *scheduled = (void *)task;
	struct latency_key key = {.kind = LATENCY_RUNQUEUE, .pid = task->tgid};
	__u64 delay_ns = scheduled->sched_info.run_delay, before_ns;
	struct account *account;
	bool is_whole;

	if (task->pid == 0 || !wanted_task(task))
		return 0;
	account = bpf_task_storage_get(&accounts, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!account) {
		count_lost();
		return 0;
	}
	/* Of a thread that ran before this program did, the last wait can't be told from those before it. */
	is_whole = account->is_known || scheduled->sched_info.pcount == 1;
	before_ns = account->delay_ns;
	account->delay_ns = delay_ns;
	account->is_known = true;
	if (is_whole)
		count_latency_fast(&key, delay_ns - before_ns);
	return 0;
}
