/* SPDX-License-Identifier: GPL-2.0 */
/* Naming stacks, and sending each once. */
#ifndef HEARTH_STACK_BPF_H
#define HEARTH_STACK_BPF_H

#include "common.bpf.h"

/*
 * Which stacks the agent has, by ID: the generation under which each was sent. An entry that is evicted costs only a
 * second copy of its stack in the ring.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u32);
} sent_stacks SEC(".maps");

static __always_inline __u64 rotate_left(__u64 value, __u32 bits)
{
	return value << bits | value >> (64 - bits);
}

/* One round of xxHash64 over an 8-byte lane (Yann Collet, https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
static __always_inline __u64 hash_address(__u64 hash, __u64 address)
{
	hash ^= rotate_left(address * 0xC2B2AE3D27D4EB4FULL, 31) * 0x9E3779B185EBCA87ULL;
	return rotate_left(hash, 27) * 0x9E3779B185EBCA87ULL + 0x85EBCA77C2B2AE63ULL;
}

/*
 * The stack's ID: a 64-bit hash of its addresses, so that two of a million stacks share one with a probability of
 * 3e-8. `hash`: of the addresses, begun with 0. `salt` tells apart equal addresses that mean different code. Never 0.
 */
static __always_inline __u64 stack_id(const struct record_stack *record, __u64 hash, __u64 salt)
{
	hash = hash_address(hash, salt + record->count * 0x27D4EB2F165667C5ULL + record->end);
	hash ^= hash >> 33;
	hash *= 0xC2B2AE3D27D4EB4FULL;
	hash ^= hash >> 29;
	hash *= 0x165667B19E3779F9ULL;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

struct hash_walk {
	const struct record_stack *record;
	__u64 hash;
};

static long hash_next(__u32 index, struct hash_walk *walk)
{
	if (index >= MAX_FRAMES)
		return 1;
	walk->hash = hash_address(walk->hash, walk->record->addresses[index]);
	return 0;
}

/* For a stack that the kernel has walked. */
static __always_inline __u64 hash_addresses(const struct record_stack *record)
{
	struct hash_walk walk = {.record = record};

	bpf_loop(record->count, hash_next, &walk, 0);
	return walk.hash;
}

/* Sends the stack unless the agent has it. The sample counts in any case: its ID says that the stack is missing. */
static __always_inline void send_stack_once(struct record_stack *record, __u32 generation)
{
	__u32 *sent = bpf_map_lookup_elem(&sent_stacks, &record->id);
	__u32 frames = record->count;

	if (sent && *sent == generation)
		return;
	if (frames > MAX_FRAMES)
		return;
	/* Marked only after it was sent: a stack that found the ring full comes again with its next sample. */
	if (emit(record, offsetof(struct record_stack, addresses) + frames * sizeof(__u64), LOST_STACK_RING_FULL) &&
	    bpf_map_update_elem(&sent_stacks, &record->id, &generation, BPF_ANY))
		count(LOST_MAP_FULL);
}

/* Names the kernel stack that was read into `record`, and sends it if it is new. 0 where there is none. */
static __always_inline __u64 send_kernel_stack(struct record_stack *record, long bytes, __u64 time_ns, __u32 generation)
{
	if (bytes <= 0) {
		count(LOST_KERNEL_STACK);
		return 0;
	}
	record->type = RECORD_STACK;
	record->pid = 0;
	record->time_ns = time_ns;
	record->is_user = 0;
	record->count = (__u32)bytes / sizeof(__u64);
	record->end = record->count == MAX_KERNEL_FRAMES ? END_TRUNCATED : END_KERNEL;
	record->id = stack_id(record, hash_addresses(record), 0);
	send_stack_once(record, generation);
	return record->id;
}

#endif
