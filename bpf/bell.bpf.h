/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls the agent, which otherwise reads on a timer, where code runs that it has never seen: until it has read the file, no
 * stack that leads there is whole, and many programs live no longer than a period of the timer.
 */
#ifndef HEARTH_BELL_BPF_H
#define HEARTH_BELL_BPF_H

#include "kernel.h"

/* The agent waits for it to hold something. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

/* 1 where the bell may be rung: the agent sets it, and so says how often it lets itself be called. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bell_armed SEC(".maps");

static __always_inline void ring_bell(void)
{
	__u32 zero = 0, *armed = bpf_map_lookup_elem(&bell_armed, &zero);

	if (armed && *armed && __sync_lock_test_and_set(armed, 0))
		bpf_ringbuf_output(&bell, &zero, sizeof(zero), BPF_RB_FORCE_WAKEUP);
}

#endif
