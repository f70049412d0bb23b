/* SPDX-License-Identifier: GPL-2.0 */
/* Room to walk stacks in, for programs that others can come in between. */
#ifndef HEARTH_STACK_ROOM_BPF_H
#define HEARTH_STACK_ROOM_BPF_H

#include "common.bpf.h"
#include "unwind.bpf.h"

/* Room for one stack. Task work can be preempted by another thread's: each takes the first that is free. */
#define SCRATCHES 64
#define SCRATCH_TRIES 16

struct scratch {
	__u32 busy;
	struct record_stack stack;
	struct walk_state walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *take_scratch(void)
{
	__u32 first = bpf_get_smp_processor_id() * 4, i;

	for (i = 0; i < SCRATCH_TRIES; i++) {
		__u32 index = (first + i) % SCRATCHES;
		struct scratch *scratch = bpf_map_lookup_elem(&scratches, &index);

		if (scratch && __sync_val_compare_and_swap(&scratch->busy, 0, 1) == 0)
			return scratch;
	}
	count(LOST_SCRATCH_BUSY);
	return NULL;
}

static __always_inline void give_back(struct scratch *scratch)
{
	__sync_val_compare_and_swap(&scratch->busy, 1, 0);
}

#endif
