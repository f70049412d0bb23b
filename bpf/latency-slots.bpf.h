/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A faster way to count for programs that run at every system call and context switch, and that nothing interrupts which
 * counts in the same object: slots per CPU, where the first key of each reading that falls on one has it to itself. What
 * finds its slot taken goes to the hash tables.
 */
#ifndef HEARTH_LATENCY_SLOTS_BPF_H
#define HEARTH_LATENCY_SLOTS_BPF_H

#include "latency.bpf.h"

struct latency_slot_table {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << SLOT_BITS);
	__type(key, __u32);
	__type(value, struct latency_slot);
} latency_slots_a SEC(".maps"), latency_slots_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct latency_slot_table);
} latency_slot_tables SEC(".maps") = {
	.values = {&latency_slots_a},
};

/* As count_latencies. */
static __always_inline void count_latencies_fast(struct latency_key *key, __u64 value, __u64 times)
{
	const __u64 *words = (const __u64 *)key;
	__u32 zero = 0, index;
	void *table = bpf_map_lookup_elem(&latency_slot_tables, &zero);
	struct latency_slot *slot;
	__u64 *owner;

	key->bucket = bucket_of(value);
	if (!table)
		return;
	/* Fibonacci hashing: the high bits of a product are mixed best. */
	index = (words[0] * 0x9e3779b97f4a7c15ULL + words[1] * 0xc2b2ae3d27d4eb4fULL) >> (64 - SLOT_BITS);
	slot = bpf_map_lookup_elem(table, &index);
	if (!slot)
		return;
	owner = (__u64 *)&slot->key;
	if (slot->value.count == 0) {
		slot->key = *key;
	} else if (owner[0] != words[0] || owner[1] != words[1] || owner[2] != words[2]) {
		count_latencies(key, value, times);
		return;
	}
	slot->value.count += times;
	slot->value.sum += value * times;
}

static __always_inline void count_latency_fast(struct latency_key *key, __u64 value)
{
	count_latencies_fast(key, value, 1);
}

#endif
