/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stacks of latency events: of each event of length d, with probability min(1, d/T), the stacks of who began it; see
 * draw.bpf.h. The event is counted in any case.
 *
 * An event that ends in the task that began it has its stack taken at its end, when its length is known. One that ends
 * elsewhere has it taken when it begins (`begin_with_stacks`): each, as long as they are few, so that the long ones among
 * them have one; of many, some, the more of them the longer those before were.
 */
#ifndef HEARTH_LATENCY_STACKS_BPF_H
#define HEARTH_LATENCY_STACKS_BPF_H

#include "draw.bpf.h"
#include "task-stack.bpf.h"
#include "latency.bpf.h"

/* In a section of its own so that the loader can set it: else all of this is left out, its maps too. */
const volatile __u32 takes_stacks SEC(".rodata.stacks") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_stack_configuration);
} latency_stack_configurations SEC(".maps");

struct latency_scratch {
	int busy;
	struct record_stack stack;
	struct walk_state walk;
	/* Of events that end elsewhere: how long the next one may be, by those before, and how many have begun here lately. */
	__u64 expected_ns;
	__u64 window_ns;
	__u64 begun;
	__u64 begun_before;
};

/* So many of them have stacks in any case: 500 a second on each CPU. */
#define FEW_STACKS 50
#define WINDOW_NS 100000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_scratch);
} latency_scratches SEC(".maps");

static __always_inline struct latency_scratch *latency_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&latency_scratches, &zero);
}

static __always_inline const struct latency_stack_configuration *stack_configuration(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&latency_stack_configurations, &zero);
}

struct latency_stacks {
	__u64 kernel;
	__u64 user;
};

/* The current task's stacks, the kernel's without what belongs to the tracing. `ctx`: NULL for the user stack only. */
static __always_inline void take_stacks(void *ctx, struct task_struct *task, __u64 now, struct latency_stacks *stacks)
{
	const struct configuration *config = configuration();
	struct latency_scratch *scratch = latency_scratch();

	stacks->kernel = stacks->user = 0;
	if (!config || !scratch)
		return;
	if (__sync_fetch_and_add(&scratch->busy, 1)) {
		count(LOST_SCRATCH_BUSY);
	} else {
		if (ctx) {
			long bytes = bpf_get_stack(ctx, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64),
						   OWN_FRAMES);

			stacks->kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
		}
		if (has_user_mode(task) && (!ctx || on_task_stack(ctx, task)))
			stacks->user = send_user_stack(task, &scratch->stack, &scratch->walk, now, config->generation);
	}
	__sync_fetch_and_add(&scratch->busy, -1);
}

/* Everything in `key` but the bucket is set. */
static __always_inline void send_latency(const struct latency_key *key, __u32 tid, __u64 now, __u64 duration_ns,
					 __u64 weight_ns, const struct latency_stacks *stacks)
{
	struct record_latency record = {
		.type = RECORD_LATENCY,
		.tid = tid,
		.time_ns = now,
		.key = *key,
		.duration_ns = duration_ns,
		.weight_ns = weight_ns,
		.kernel_stack = stacks->kernel,
		.user_stack = stacks->user,
	};

	emit(&record, sizeof(record), LOST_LATENCY_SAMPLE);
}

/* What is known from its start of an event that ends elsewhere. */
struct early_latency {
	__u64 probability;	/* with which stacks were taken, in 2^-32; 0 where none were */
	struct latency_stacks stacks;
	__u32 tid;
	__u32 padding;
};

/* The least probability, in 2^-32, with which the event that begins now is to have stacks, by how many begin. */
static __always_inline __u64 probability_by_number(struct latency_scratch *scratch, __u64 now)
{
	__u64 since = now - scratch->window_ns, number;

	if (since >= WINDOW_NS) {
		scratch->begun_before = since < 2 * WINDOW_NS ? scratch->begun : 0;
		scratch->begun = 0;
		scratch->window_ns = now;
	}
	scratch->begun++;
	number = scratch->begun > scratch->begun_before ? scratch->begun : scratch->begun_before;
	return number > FEW_STACKS ? FEW_STACKS * PROBABILITY_ONE / number : PROBABILITY_ONE;
}

/*
 * An event of one of `kinds` (bits) begins in the current task. True where its stacks have been taken, into `early`. To be
 * called before its time begins: it would be longer by what that takes.
 */
static __always_inline bool begin_with_stacks(void *ctx, struct task_struct *task, __u64 kinds,
					      struct early_latency *early)
{
	const struct latency_stack_configuration *config = stack_configuration();
	struct latency_scratch *scratch = latency_scratch();
	__u64 by_number, now;

	if (!config || !scratch || !(config->kinds & kinds) || config->threshold_ns == 0)
		return false;
	now = bpf_ktime_get_ns();
	early->probability = early_probability(scratch->expected_ns, config->threshold_ns);
	by_number = probability_by_number(scratch, now);
	if (by_number > early->probability)
		early->probability = by_number;
	if (bpf_get_prandom_u32() >= early->probability)
		return false;
	early->tid = task->pid;
	early->padding = 0;
	take_stacks(ctx, task, now, &early->stacks);
	return true;
}

/* Such an event has ended, on whatever CPU; `early` is NULL where it has no stacks. */
static __always_inline void end_with_stacks(const struct latency_key *key, const struct early_latency *early, __u64 now,
					    __u64 duration_ns)
{
	const struct latency_stack_configuration *config = stack_configuration();
	struct latency_scratch *scratch = latency_scratch();
	__u64 weight;

	if (!config || !scratch || !(config->kinds & 1ULL << key->kind))
		return;
	scratch->expected_ns = expected_after(scratch->expected_ns, duration_ns);
	if (!early)
		return;
	weight = draw_early_weight(bpf_get_prandom_u32(), early->probability, duration_ns, config->threshold_ns);
	if (weight)
		send_latency(key, early->tid, now, duration_ns, weight, &early->stacks);
}

#endif
