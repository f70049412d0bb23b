/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of threads that happen so often that to time each may cost more than the user allows. Where the agent says so they
 * are thinned: one in N is timed, drawn by itself when it begins, and counts N times. The others cost as little as can be: no
 * clock, no counting.
 *
 * Long events are never thinned, for they are few, and what people look for: each counts once. Whether an event is long is
 * told by the kernel's tick, also of those that are timed: by their exact length, one that the tick takes for short could
 * count once if timed and not at all if not. With the same measure for both, each event is expected to count once, exactly.
 */
#ifndef HEARTH_LATENCY_THIN_BPF_H
#define HEARTH_LATENCY_THIN_BPF_H

#include "latency.bpf.h"
#include "latency-control.bpf.h"

struct timing {
	__u64 start_ns;		/* where it is timed */
	__u32 start_tick;	/* where not all are timed */
	__u32 times;		/* how often it counts if it is short; NOT_TIMED; 0 where none is under way */
};

/* An event under way, or what is kept for the next one, of one thread. */
struct thread_event {
	__u64 owner;		/* whose it is (`identity`); 0: nobody's */
	__u64 random;
	struct timing timing;
	union {
		struct timing blocked;	/* a thread that is switched out may have been woken already: two at a time */
		struct {
			__u32 tick;	/* in which its last call began */
			__u32 calls;	/* that began in that tick, up to the number from which on they are frequent */
		};
	};
	__u32 number;		/* of a system call, or the state that a thread was switched out with */
	union {
		__u32 was_woken;	/* since it last got a CPU */
		__u32 is_frequent;	/* the call under way */
	};
	__u64 task;		/* whose system call it is: a struct task_struct * */
} __attribute__((aligned(64)));

#define NOT_TIMED ~0U

/*
 * Where most threads have their event: in the place that their hash says, until they end. It is found without a call to the
 * kernel, of which the two of task storage were a quarter of what a system call cost here. Threads that find their place
 * taken have task storage.
 */
#define EVENT_BITS 13

struct thread_event thread_events[1 << EVENT_BITS];

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_event);
} crowded_events SEC(".maps");

/* Some thread has task storage. */
__u32 is_crowded;

/* A number for a pointer of the kernel's that is a thread's own, not 0. To the verifier, only a difference is a number. */
static __always_inline __u64 identity(const void *pointer)
{
	__u64 number = (__u64)pointer - (__u64)&latency_control;

	barrier_var(number);
	return number;
}

static __always_inline struct thread_event *place_of(__u64 owner)
{
	return &thread_events[hash_of(owner, EVENT_BITS)];
}

/* For the next event of a thread (NULL: the current one); NULL where there is no room. */
static __always_inline struct thread_event *event_to_begin(__u64 owner, struct task_struct *task)
{
	struct thread_event *event = place_of(owner);

	if (event->owner == owner)
		return event;
	if (event->owner == 0 && __sync_val_compare_and_swap(&event->owner, 0, owner) == 0)
		return event;
	is_crowded = 1;
	return bpf_task_storage_get(&crowded_events, task ?: bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* A thread's event that may be under way; else NULL. */
static __always_inline struct thread_event *event_to_end(__u64 owner, struct task_struct *task)
{
	struct thread_event *event = place_of(owner);

	if (event->owner == owner)
		return event;
	return is_crowded ? bpf_task_storage_get(&crowded_events, task ?: bpf_get_current_task_btf(), NULL, 0) : NULL;
}

/* A thread ends: its place is free, and what was under way is no event of whoever has it next. */
static __always_inline void free_event(__u64 owner)
{
	struct thread_event *event = place_of(owner);

	if (event->owner != owner)
		return;
	event->timing.times = event->blocked.times = 0;
	event->was_woken = 0;
	event->task = 0;
	__sync_val_compare_and_swap(&event->owner, owner, 0);
}

/* Knuth's linear congruential generator: one for each thread. */
static __always_inline bool is_drawn(struct thread_event *event, __u32 one_in)
{
	if (event->random == 0)
		event->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	event->random = event->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (event->random >> 32) * one_in >> 32 == 0;
}

/* What the clock says; it is read once, and only if need be. */
static __always_inline __u64 read_clock(__u64 *now)
{
	if (*now == 0)
		*now = bpf_ktime_get_ns();
	return *now;
}

/* Clocks of CPUs differ by a little: what was on another one may seem to be yet to come. */
static __always_inline __u64 passed_ns(__u64 from, __u64 to)
{
	return to > from ? to - from : 0;
}

/* How many are timed is kept with the event: the agent may change it before the end. */
static __always_inline void begin_event(struct thread_event *event, struct timing *timing, __u64 *now)
{
	__u32 one_in = latency_control.one_in;

	if (one_in > 1) {
		timing->start_tick = bpf_jiffies64();
		if (!is_drawn(event, one_in)) {
			timing->times = NOT_TIMED;
			return;
		}
	}
	timing->start_ns = read_clock(now);
	/* A thread may be woken by another CPU in the moment in which it is switched out: what is under way has its start. */
	barrier();
	timing->times = one_in;
}

/* How often the event that ends now counts, 0 for not at all; if it does, its length, and the clock has been read. */
static __always_inline __u32 end_event(struct timing *timing, __u64 *now, __u64 *ns)
{
	__u32 times = timing->times;

	if (times == 0)
		return 0;
	timing->times = 0;
	if (times > 1) {
		__u32 ticks = (__u32)bpf_jiffies64() - timing->start_tick;

		if (ticks < latency_control.long_ticks) {
			if (times == NOT_TIMED)
				return 0;
		} else {
			if (times == NOT_TIMED) {
				read_clock(now);
				*ns = (__u64)ticks * latency_control.tick_ns;
				return 1;
			}
			times = 1;
		}
	}
	*ns = passed_ns(timing->start_ns, read_clock(now));
	return times;
}

#endif
