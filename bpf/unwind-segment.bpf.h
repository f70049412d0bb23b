/* SPDX-License-Identifier: GPL-2.0 */
/* Whose code is at an address: by what the agent knows of the process, and by the kernel where that is not enough. */
#ifndef HEARTH_UNWIND_SEGMENT_BPF_H
#define HEARTH_UNWIND_SEGMENT_BPF_H

#include "mapping.bpf.h"
#include "module-files.bpf.h"
#include "unwind-state.bpf.h"

/*
 * Makes the walk's segment of a mapping that the agent doesn't know: one of a new process, a library that was just
 * loaded, or memory without a file. Returns how the stack ends here, or 0.
 */
static __always_inline __u32 take_mapping(struct walk *walk, __u64 address)
{
	struct walk_state *state = walk->state;
	const struct unwind_file_module *module;
	struct mapping mapping;
	struct file *file;

	if (!find_mapping(walk->task, address, &state->search, &mapping))
		return END_NO_CODE;
	state->segment_start = mapping.start;
	state->segment_end = mapping.end;
	state->module = ANONYMOUS_MODULE;
	file = mapping.file;
	if (!file)
		return 0;
	module = module_of_file(file);
	state->module = module ? module->module : UNKNOWN_MODULE;
	state->segment_bias = mapping.start - mapping.file_offset - (module ? module->shift : 0);
	return 0;
}

#define IS_VERIFIED 1

/*
 * A number that changes whenever a process changes its mappings, and is another in each process: the kernel counts the
 * changes. The lowest bit is free.
 */
static __always_inline __u32 mappings_mark(const struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u32 changes = 0, mark;

	if (bpf_core_field_exists(((struct mm_struct___sequence *)0)->mm_lock_seq))
		changes = BPF_CORE_READ((struct mm_struct___sequence *)mm, mm_lock_seq.sequence);
	else if (bpf_core_field_exists(((struct mm_struct___number *)0)->mm_lock_seq))
		changes = BPF_CORE_READ((struct mm_struct___number *)mm, mm_lock_seq);
	else
		return 0;
	mark = ((__u32)((__u64)mm >> 6) * 0x9E3779B1U + changes) << 1;
	return mark ? mark : 2;
}

/*
 * The agent learns of mappings a moment later, and of those that are gone only by what comes in their place: a library that
 * was unloaded may have another one at its address already. So whenever the process has changed its mappings, the kernel
 * is asked once for each segment. True where the segment is no longer what is there, which is the walk's segment then.
 * Files that the kernel's view doesn't tell (overlays have inodes of their own) are taken to be unchanged.
 */
static __always_inline bool is_replaced(struct walk *walk, struct unwind_segment *segment, __u64 address)
{
	struct walk_state *state = walk->state;
	__u32 mark = state->mappings_mark, checked = segment->checked;

	if (mark == 0 || (checked & ~IS_VERIFIED) == mark || take_mapping(walk, address))
		return false;
	if (state->module == segment->module && state->segment_bias == segment->bias)
		checked = IS_VERIFIED;
	else if (state->module < UNWIND_MODULES || (state->module == UNKNOWN_MODULE && checked & IS_VERIFIED))
		return true;
	else
		checked = 0;
	segment->checked = mark | checked;
	return false;
}

/* Finds the segment that holds an address. Returns how the stack ends here, or 0. */
static __always_inline __u32 find_segment(struct walk *walk, __u64 address)
{
	struct walk_state *state = walk->state;
	struct unwind_segment *segment;
	__u32 low, middle, i;

	if (address >= state->segment_start && address < state->segment_end)
		return 0;
	if (state->segment_count == 0)
		return take_mapping(walk, address);
	state->low = state->first_segment;
	state->high = state->first_segment + state->segment_count;
	for (i = 0; i < SEARCH_STEPS && halve(state, &middle) && middle < UNWIND_SEGMENTS; i++) {
		if (walk->segments->at[middle].start <= address)
			state->low = middle;
		else
			state->high = middle;
	}
	low = state->low;
	if (low >= UNWIND_SEGMENTS)
		return END_NEW_MAPPING;
	segment = &walk->segments->at[low];
	if (address < segment->start || address >= segment->end)
		return take_mapping(walk, address);
	if (is_replaced(walk, segment, address))
		return 0;
	state->segment_start = segment->start;
	state->segment_end = segment->end;
	state->segment_bias = segment->bias;
	state->module = segment->module;
	return 0;
}

#endif
