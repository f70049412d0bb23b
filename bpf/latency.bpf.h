/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms by process and label, shared by all latency programs. There are two tables: the programs write to the one
 * that `latency_tables` names, while the agent reads and empties the other. The kernel ends an update of a map of maps
 * only when no program uses the old one any more, so that what the agent reads is complete, and nothing comes twice.
 */
#ifndef HEARTH_LATENCY_BPF_H
#define HEARTH_LATENCY_BPF_H

#include "kernel.h"
#include "filter.bpf.h"
#include "latency.h"

/* Only buckets that have something in them take room. */
struct latency_table {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct latency_key);
	__type(value, struct latency_value);
} latency_a SEC(".maps"), latency_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct latency_table);
} latency_tables SEC(".maps") = {
	.values = {&latency_a},
};

/*
 * Where events are counted without their process that found no room in the tables: hundreds of processes that share a CPU can
 * fill these in a second, and tables for all of them would take too much memory, and too long to read.
 */
struct latency_rest_table {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct latency_key);
	__type(value, struct latency_value);
} latency_rest_a SEC(".maps"), latency_rest_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct latency_rest_table);
} latency_rest_tables SEC(".maps") = {
	.values = {&latency_rest_a},
};

/* Events that are in no histogram, by enum latency_loss: also those that found no room there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LATENCY_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} latency_lost SEC(".maps");

static __always_inline void count_loss(__u32 why, __u64 times)
{
	__u64 *lost = bpf_map_lookup_elem(&latency_lost, &why);

	if (lost)
		__sync_fetch_and_add(lost, times);
}

/* Position of the highest bit that is set, of a value below 2^64 and above 0. */
static __always_inline __u32 highest_bit(__u64 value)
{
	__u32 bit = 0;

	if (value >> 32) {
		value >>= 32;
		bit += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bit += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bit += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bit += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bit += 2;
	}
	return bit + (value >> 1);
}

static __always_inline __u16 bucket_of(__u64 value)
{
	__u32 shift;

	if (value < 1 << SUB_BUCKET_BITS)
		return value;
	if (value >> VALUE_BITS)
		return LAST_BUCKET;
	shift = highest_bit(value) - SUB_BUCKET_BITS;
	return (shift << SUB_BUCKET_BITS) + (value >> shift);
}

/* False where there is no room. */
static __always_inline bool count_in(void *table, const struct latency_key *key, __u64 value, __u64 times)
{
	struct latency_value first = {.count = times, .sum = value * times}, *known;

	known = bpf_map_lookup_elem(table, key);
	if (!known) {
		if (!bpf_map_update_elem(table, key, &first, BPF_NOEXIST))
			return true;
		/* Another CPU may have come first. */
		known = bpf_map_lookup_elem(table, key);
		if (!known)
			return false;
	}
	/* The value is this CPU's own, but an interrupt may come in between. */
	__sync_fetch_and_add(&known->count, times);
	__sync_fetch_and_add(&known->sum, value * times);
	return true;
}

/* Counts one event of `value` nanoseconds or bytes, which stands for so many. Everything in `key` but the bucket is set. */
static __always_inline void count_latencies(struct latency_key *key, __u64 value, __u64 times)
{
	__u32 zero = 0;
	void *table = bpf_map_lookup_elem(&latency_tables, &zero), *rest;
	struct latency_key of_none;

	key->bucket = bucket_of(value);
	if (!table || count_in(table, key, value, times))
		return;
	/* The caller still needs the process: for another number, or to send the event with its stacks. */
	of_none = *key;
	of_none.pid = 0;
	rest = bpf_map_lookup_elem(&latency_rest_tables, &zero);
	if (!rest || !count_in(rest, &of_none, value, times))
		count_loss(LATENCY_NO_ROOM, times);
}

static __always_inline void count_latency(struct latency_key *key, __u64 value)
{
	count_latencies(key, value, 1);
}

#endif
