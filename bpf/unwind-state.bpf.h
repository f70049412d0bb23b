/* SPDX-License-Identifier: GPL-2.0 */
/* What walks of user stacks go by: the agent's tables, and the numbers of the walk under way. */
#ifndef HEARTH_UNWIND_STATE_BPF_H
#define HEARTH_UNWIND_STATE_BPF_H

#include "common.bpf.h"
#include "mapping.bpf.h"
#include "registers.h"

struct unwind_modules {
	struct unwind_module at[UNWIND_MODULES];
};
struct unwind_pages {
	__u32 at[UNWIND_PAGES];
};
struct unwind_rows {
	__u32 at[UNWIND_ROWS];
};
struct unwind_rules {
	struct unwind_rule at[UNWIND_RULES];
};
struct unwind_segments {
	struct unwind_segment at[UNWIND_SEGMENTS];
};

/* Arrays that user space writes through memory of its own: no system call per row. */
#define SHARED_ARRAY(name)                                     \
	struct {                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY);              \
		__uint(map_flags, BPF_F_MMAPABLE);             \
		__uint(max_entries, 1);                        \
		__type(key, __u32);                            \
		__type(value, struct unwind_##name);           \
	} unwind_##name SEC(".maps")

SHARED_ARRAY(modules);
SHARED_ARRAY(pages);
SHARED_ARRAY(rows);
SHARED_ARRAY(rules);
SHARED_ARRAY(segments);

/* Which modules a walk has needed since the agent last looked: it knows by them which tables may go, and must come back. */
struct unwind_needed {
	__u8 at[UNWIND_MODULES];
};
SHARED_ARRAY(needed);

/* Instead of a module: code of a file that the agent has never seen, and code without a file. */
#define UNKNOWN_MODULE UNWIND_MODULES
#define ANONYMOUS_MODULE (UNWIND_MODULES + 1)

/* A power of two. */
#define RECENT_RULES 256

/* A rule that was looked up; good as long as the module's state, which has a generation, is the same. */
struct recent_rule {
	__u64 address;
	__u32 state;
	__u32 module;
	struct unwind_rule rule;
};

/* Bytes, a power of two: several frames of an ordinary size. */
#define STACK_WINDOW 512
/* No page is smaller. */
#define STACK_PAGE 4096

/*
 * The numbers of a walk. In a map (each program has one per CPU) and not on the stack, where the verifier would follow
 * every value that they can take through every frame.
 */
struct walk_state {
	struct registers regs;
	/* Of the addresses so far: see stack_id. */
	__u64 hash;
	/* What the process's mappings are like now; 0 where that can't be told. */
	__u32 mappings_mark;
	/* The process's segments, as far as the agent knows it, and the one in which the last frame was. */
	__u32 first_segment;
	__u32 segment_count;
	__u64 segment_start;
	__u64 segment_end;
	__u64 segment_bias;
	__u32 module;
	/* The address is exact: the leaf, or what a signal interrupted. Else it is a return address: the call is before it. */
	__u32 is_exact;
	/* The frame that ran: all its registers are known. */
	__u32 is_leaf;
	/* The frame pointer of this frame is not known. */
	__u32 fp_is_lost;
	/*
	 * Where the base register of this frame has been saved; BASE_IN_REGISTER: nowhere, the task still has it; BASE_LOST:
	 * not known. It is read when it is needed, which is seldom.
	 */
	__u64 base_at;
	/* A piece of the stack, for the frames that are in it: each read of user memory costs more than the copy. */
	__u64 window_at;
	__u64 window_bytes;
	__u64 window[STACK_WINDOW / sizeof(__u64)];
	/* Bounds of the binary search under way. */
	__u32 low;
	__u32 high;
	struct mapping_search search;
	/* Of the walks before, on this CPU, by a hash of the address: a stack has most of its callers from the last one. */
	struct recent_rule recent[RECENT_RULES];
};

#define BASE_IN_REGISTER 0
#define BASE_LOST 1

struct walk {
	struct task_struct *task;
	struct record_stack *record;
	struct walk_state *state;
	struct unwind_needed *needed;
	const struct unwind_modules *modules;
	const struct unwind_pages *pages;
	const struct unwind_rows *rows;
	const struct unwind_rules *rules;
	struct unwind_segments *segments;
};

/* The steps that a search of any of the arrays takes at most. */
#define SEARCH_STEPS 16

/*
 * The middle of what a binary search has left; false at its end. The bounds are in the walk's state, so that all steps are
 * the same to the verifier. (A callback for each, by bpf_loop, would cost more than the step.)
 */
static __always_inline bool halve(const struct walk_state *state, __u32 *middle)
{
	*middle = (state->low + state->high) / 2;
	return state->high - state->low > 1;
}

#endif
