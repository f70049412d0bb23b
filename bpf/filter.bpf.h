/* SPDX-License-Identifier: GPL-2.0 */
/* The configuration and the filter: the loader gives every object the same maps, so that all of them let the same through. */
#ifndef HEARTH_FILTER_BPF_H
#define HEARTH_FILTER_BPF_H

#include "kernel.h"
#include "hearth.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct configuration);
} configurations SEC(".maps");

/* The processes that FILTER_PROCESSES and FILTER_TREES let through. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

static __always_inline const struct configuration *configuration(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&configurations, &zero);
}

#endif
