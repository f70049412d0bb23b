/* SPDX-License-Identifier: GPL-2.0 */
/* Counts waits in histograms, blocked and for a CPU, as latency-waits.bpf.c does, by the programs of off-CPU profiling. */
#ifndef HEARTH_WAIT_LATENCY_BPF_H
#define HEARTH_WAIT_LATENCY_BPF_H

#include "latency-control.bpf.h"
#include "latency-slots.bpf.h"
#include "off-cpu.bpf.h"

/* All are timed here: it is counting alone that is thinned. */
static __always_inline void count_latency_of(struct thread *thread, struct latency_key *key, __u64 ns)
{
	__u32 times = latency_control.one_in;

	if (!thread || !key)
		return;
	if (ns >= (__u64)latency_control.long_ticks * latency_control.tick_ns)
		times = 1;
	else if (times > 1 && random(thread) * times >> 32)
		return;
	count_latencies_fast(key, ns, times);
}

static __always_inline void count_blocked(struct task_struct *task, struct thread *thread, enum thread_state state, __u64 ns)
{
	struct latency_key key = {.kind = LATENCY_BLOCKED, .pid = task->tgid, .operation = state};

	count_latency_of(thread, &key, ns);
}

static __always_inline void count_runnable(struct task_struct *task, struct thread *thread, __u64 ns)
{
	struct latency_key key = {.kind = LATENCY_RUNQUEUE, .pid = task->tgid};

	count_latency_of(thread, &key, ns);
}

/* Bits by enum latency_mode: which parts of a wait that ends now are to be counted. */
static __always_inline __u32 modes_at(__u64 now, struct task_struct *task)
{
	__u32 modes = latency_control.modes & (MODE_RUNQUEUE | MODE_BLOCKED);

	return modes && counts_at(now) && wanted_task(task) ? modes : 0;
}

#endif
