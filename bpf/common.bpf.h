/* SPDX-License-Identifier: GPL-2.0 */
/* Maps and small functions that all programs share. The loader gives every object the same maps. */
#ifndef HEARTH_COMMON_BPF_H
#define HEARTH_COMMON_BPF_H

#include "kernel.h"
#include "filter.bpf.h"
#include "hearth.h"
#include "unwind.h"

/* Samples, stacks and process events in one ring, so that the agent reads them in the order in which they happened. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* set by the loader */
} events SEC(".maps");

struct counters {
	__u64 at[COUNTER_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Where unwinding finds a process's mappings, by pid. The agent writes it; fork copies it, exec deletes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps");

static __always_inline void count(enum counter counter)
{
	__u32 zero = 0;
	struct counters *values = bpf_map_lookup_elem(&counters, &zero);

	if (values)
		values->at[counter] += 1;
}

/* Submits without waking anybody: the agent reads the ring on a timer. False, and counted, where the ring is full. */
static __always_inline bool emit(void *record, __u64 size, enum counter lost)
{
	if (bpf_ringbuf_output(&events, record, size, BPF_RB_NO_WAKEUP)) {
		count(lost);
		return false;
	}
	return true;
}

#endif
