/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls of threads that do hardly anything but call: beyond so many in one tick of the kernel's, one in N is timed.
 * All are counted: one that was drawn counts for itself, and for those of the same thread and number since the last one that
 * was drawn. That is N on the average, and depends on nothing but the draws, so that histograms are unbiased. As everywhere,
 * calls that are long by the tick count once each, drawn or not.
 */
#ifndef HEARTH_FREQUENT_CALLS_BPF_H
#define HEARTH_FREQUENT_CALLS_BPF_H

#include "latency-slots.bpf.h"
#include "latency-thin.bpf.h"

/* Of one number, of one thread: those that are still to be counted. */
struct frequent_call {
	__u16 owner;		/* the number and 1; 0: nobody's */
	__u16 waiting;
	__u32 ns;		/* how long the last one took that was drawn */
};

#define FREQUENT_BITS 3

struct frequent_calls {
	struct frequent_call calls[1 << FREQUENT_BITS];
} __attribute__((aligned(64)));

/* Of threads that have their place in `thread_events`. */
struct frequent_calls frequent_calls[1 << EVENT_BITS];

/* A thread's room for calls of a number; NULL where it has none. It may be another number's. */
static __always_inline struct frequent_call *frequent_call(struct thread_event *call)
{
	__u32 place = hash_of(call->owner, EVENT_BITS), number = call->number;

	/* That of a thread with task storage is nobody's. */
	if (call->owner == 0)
		return NULL;
	return &frequent_calls[place].calls[(number ^ number >> FREQUENT_BITS) & ((1 << FREQUENT_BITS) - 1)];
}

/* Whether there are so many in this tick. */
static __always_inline bool is_frequent(struct thread_event *call, __u32 tick)
{
	if (call->tick != tick) {
		call->tick = tick;
		call->calls = 0;
	}
	if (call->calls >= latency_control.calls_in_tick)
		return true;
	call->calls++;
	return false;
}

static __always_inline void begin_call(struct thread_event *call, __u64 *now)
{
	__u32 one_in = latency_control.one_in, tick = bpf_jiffies64();
	struct frequent_call *frequent = NULL;
	__u16 owner = call->number + 1;

	call->is_frequent = 0;
	if (is_frequent(call, tick))
		frequent = frequent_call(call);
	/* One whose room another number's calls are waiting in is timed as those that are not frequent. */
	if (!frequent || (frequent->owner != owner && frequent->waiting)) {
		begin_event(call, &call->timing, now);
		return;
	}
	call->is_frequent = 1;
	call->timing.start_tick = tick;
	call->timing.times = 1;
	if (one_in < latency_control.one_call_in)
		one_in = latency_control.one_call_in;
	if (frequent->owner != owner) {
		/* The first one, which is always timed, stands for itself. */
		frequent->owner = owner;
	} else if (!is_drawn(call, one_in)) {
		frequent->waiting++;
		call->timing.times = NOT_TIMED;
		return;
	}
	call->timing.start_ns = read_clock(now);
}

/* As end_event. */
static __always_inline __u32 end_call(struct thread_event *call, __u64 *now, __u64 *ns)
{
	bool was_timed = call->timing.times != NOT_TIMED;
	__u32 times = end_event(&call->timing, now, ns);
	struct frequent_call *frequent;

	if (!times || !call->is_frequent)
		return times;
	frequent = frequent_call(call);
	if (!frequent)
		return times;
	if (!was_timed) {
		/* Long: it counts for itself. */
		frequent->waiting--;
	} else if ((__u32)bpf_jiffies64() - call->timing.start_tick < latency_control.long_ticks) {
		times += frequent->waiting;
		frequent->waiting = 0;
		frequent->ns = *ns;
	}
	return times;
}

/* The current thread ends. Calls that are still to be counted are taken to be as long as the last one that was drawn. */
static __always_inline void count_last_calls(struct task_struct *task, __u64 owner)
{
	struct frequent_call *calls = frequent_calls[hash_of(owner, EVENT_BITS)].calls, *last;
	struct latency_key key = {.pid = task->tgid, .kind = LATENCY_SYSCALL};
	struct thread_event *call = place_of(owner);
	int i;

	if (call->owner != owner)
		return;
	/* One that never returns is none. */
	last = call->is_frequent && call->timing.times == NOT_TIMED ? frequent_call(call) : NULL;
	if (last)
		last->waiting--;
	for (i = 0; i < 1 << FREQUENT_BITS; i++) {
		if (calls[i].waiting && latency_control.modes & MODE_SYSCALLS) {
			key.label[0] = calls[i].owner - 1;
			count_latencies_fast(&key, calls[i].ns, calls[i].waiting);
		}
		calls[i] = (struct frequent_call){};
	}
}

#endif
