/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walks user stacks by unwind tables, and by frame pointers where no table covers the code. Each way in which a walk can
 * end has its own enum stack_end.
 */
#ifndef HEARTH_UNWIND_BPF_H
#define HEARTH_UNWIND_BPF_H

#include "registers.h"
#include "stack.bpf.h"
#include "unwind-segment.bpf.h"
#include "unwind-state.bpf.h"
#include "user-memory.bpf.h"

/* The rule that holds at an address of the walk's module. Returns how the stack ends where there is none, or 0. */
static __always_inline __u32 find_rule(struct walk *walk, __u64 address, struct unwind_rule *rule)
{
	const struct unwind_module *module;
	struct recent_rule *recent;
	__u32 id = walk->state->module, state, page, entry, low, middle, index, key, i;

	if (id >= UNWIND_MODULES)
		return END_NEW_MAPPING;
	/* Only where it changes: other CPUs read the same line. */
	if (!walk->needed->at[id])
		walk->needed->at[id] = 1;
	module = &walk->modules->at[id];
	state = *(volatile const __u32 *)&module->state;
	switch (state & 0xff) {
	case MODULE_READY:
		break;
	case MODULE_PENDING:
	case MODULE_ABSENT:
		return END_TABLE_PENDING;
	case MODULE_EVICTED:
	case MODULE_NO_ROOM:
		return END_TABLE_EVICTED;
	default:
		rule->kind = RULE_NO_ROW;
		return 0;
	}
	recent = &walk->state->recent[((__u32)address * 0x9E3779B1U >> 16 ^ id) & (RECENT_RULES - 1)];
	if (recent->address == address && recent->module == id && recent->state == state) {
		*rule = recent->rule;
		return 0;
	}
	page = (__u32)(address >> 16) - module->base_page;
	if (page >= module->page_count) {
		rule->kind = RULE_NO_ROW;
		return 0;
	}
	entry = module->first_page + page;
	if (entry >= UNWIND_PAGES - 1)
		return END_NO_TABLE;
	walk->state->low = walk->pages->at[entry];
	walk->state->high = walk->pages->at[entry + 1];
	key = (__u32)address << 16 | 0xffff;
	for (i = 0; i < SEARCH_STEPS && halve(walk->state, &middle) && middle < UNWIND_ROWS; i++) {
		if (walk->rows->at[middle] <= key)
			walk->state->low = middle;
		else
			walk->state->high = middle;
	}
	low = walk->state->low;
	if (low >= UNWIND_ROWS)
		return END_NO_TABLE;
	index = walk->rows->at[low] & 0xffff;
	*rule = walk->rules->at[index];
	/* The same state before and after: the rows were this module's all the while. */
	if (*(volatile const __u32 *)&module->state != state)
		return END_TABLE_EVICTED;
	recent->address = address;
	recent->module = id;
	recent->state = state;
	recent->rule = *rule;
	return 0;
}

static __always_inline bool read_user(struct walk *walk, __u64 address, __u64 *value)
{
	return copy_user(walk->task, value, sizeof(*value), address);
}

/* Reads the window at an address, up to the end of its page: what follows may be missing where the address is not. */
static __noinline bool move_window(struct walk *walk, __u64 address)
{
	struct walk_state *state = walk->state;
	__u64 bytes = STACK_PAGE - (address & (STACK_PAGE - 1));

	if (bytes > STACK_WINDOW)
		bytes = STACK_WINDOW;
	state->window_at = address;
	state->window_bytes = bytes;
	if (copy_user(walk->task, state->window, bytes, address))
		return true;
	state->window_bytes = 0;
	return false;
}

/* A word of the stack. */
static __always_inline bool read_stack(struct walk *walk, __u64 address, __u64 *value)
{
	struct walk_state *state = walk->state;
	__u64 offset = address - state->window_at;

	if (address & 7)
		return read_user(walk, address, value);
	if (offset >= state->window_bytes) {
		if (!move_window(walk, address))
			return false;
		offset = 0;
	}
	*value = state->window[offset / sizeof(*value) & (STACK_WINDOW / sizeof(*value) - 1)];
	return true;
}

/* Steps to the caller by the frame pointer. System V ABI: [fp] is the caller's fp, [fp + 8] the return address. */
static __always_inline __u32 step_by_frame_pointer(struct walk *walk, __u32 failure)
{
	__u64 fp = walk->state->regs.fp, caller_fp, ip;

	if (walk->state->fp_is_lost)
		return failure;
	if (fp == 0)
		return failure == END_NO_FRAME_POINTER ? END_COMPLETE : failure;
	if (fp < walk->state->regs.sp || fp & 7)
		return failure;
	if (!read_stack(walk, fp, &caller_fp) || !read_stack(walk, fp + 8, &ip))
		return failure;
	walk->state->base_at = BASE_LOST;
	walk->state->regs.sp = fp + 16;
	walk->state->regs.fp = caller_fp;
	walk->state->regs.ip = ip;
	return 0;
}

/* A register of this frame, by its DWARF number: one of the leaf's, or the base register. */
static __always_inline bool frame_register(struct walk *walk, __u32 number, __u64 *value)
{
	__u64 base_at = walk->state->base_at;

	if (!walk->state->is_leaf && (number != BASE_REGISTER || base_at == BASE_LOST))
		return false;
	if (!walk->state->is_leaf && base_at != BASE_IN_REGISTER)
		return read_user(walk, base_at, value);
	return saved_register(walk->task, number, value);
}

static __always_inline __u32 step_by_rule(struct walk *walk, const struct unwind_rule *rule)
{
	struct registers *regs = &walk->state->regs;
	__s16 near = (__s16)rule->parameter, far = (__s16)(rule->parameter >> 16);
	__u64 cfa, ip = 0, fp = regs->fp, fp_at, base_at = walk->state->base_at;
	bool needs_fp = false, fp_is_saved = true;

	switch (rule->kind) {
	case RULE_CFA_SP:
		cfa = regs->sp + (__s64)rule->parameter;
		break;
	case RULE_CFA_FP:
		cfa = regs->fp + (__s64)rule->parameter;
		needs_fp = true;
		break;
	case RULE_CFA_REGISTER:
		if (!frame_register(walk, rule->parameter & 0xff, &cfa))
			return END_UNSUPPORTED;
		cfa += (__s64)(rule->parameter >> 8);
		break;
	case RULE_CFA_SP_BASE:
		cfa = regs->sp + (__s64)near;
		base_at = cfa + (__s64)far;
		break;
	case RULE_CFA_FP_BASE:
		cfa = regs->fp + (__s64)near;
		base_at = cfa + (__s64)far;
		needs_fp = true;
		break;
	case RULE_CFA_SP_DEREF:
		if (!read_stack(walk, regs->sp + (__s64)near, &cfa))
			return END_BAD_READ;
		cfa += (__s64)far;
		break;
	case RULE_CFA_FP_DEREF:
		if (!read_stack(walk, regs->fp + (__s64)near, &cfa))
			return END_BAD_READ;
		cfa += (__s64)far;
		needs_fp = true;
		break;
	case RULE_PLT:
		cfa = regs->sp + 8 + ((regs->ip & 15) >= (__u32)rule->parameter ? 8 : 0);
		break;
	case RULE_SIGNAL:
		base_at = regs->sp + (__s64)rule->fp_offset;
		if (!read_user(walk, regs->sp + (__s64)far, &ip) || !read_user(walk, base_at, &fp) ||
		    !read_user(walk, regs->sp + (__s64)near, &cfa))
			return END_BAD_READ;
		regs->ip = ip;
		regs->sp = cfa;
		regs->fp = fp;
		walk->state->is_exact = 1;
		walk->state->fp_is_lost = 0;
		walk->state->base_at = rule->recovery & KNOWS_BASE ? base_at + SIGNAL_BASE_FROM_FP : BASE_LOST;
		return 0;
	default:
		return END_UNSUPPORTED;
	}
	if (needs_fp && walk->state->fp_is_lost)
		return END_UNSUPPORTED;
	if (rule->recovery >> 4 == RA_REGISTER) {
		/* vfork, which has nothing on the stack that its child could destroy, and the end of longjmp. */
		if (!walk->state->is_leaf || !saved_register(walk->task, rule->fp_offset, &ip))
			return END_UNSUPPORTED;
		if (cfa < regs->sp)
			return END_BROKEN;
	} else if (rule->recovery >> 4 != RA_BELOW_CFA) {
		return END_UNSUPPORTED;
	} else if (cfa <= regs->sp) {
		return END_BROKEN;
	}
	switch (rule->recovery & 7) {
	case FP_AT_CFA:
		fp_at = cfa + (__s64)rule->fp_offset;
		break;
	case FP_AT_FP:
		fp_at = regs->fp + (__s64)rule->fp_offset;
		break;
	case FP_AT_SP:
		fp_at = regs->sp + (__s64)rule->fp_offset;
		break;
	case FP_UNKNOWN:
		walk->state->fp_is_lost = 1;
		/* fall through */
	default:
		fp_is_saved = false;
	}
	/* It is below the return address, mostly: one window holds both. */
	if (fp_is_saved && !read_stack(walk, fp_at, &fp))
		return END_BAD_READ;
	if (rule->recovery >> 4 == RA_BELOW_CFA && !read_stack(walk, cfa - 8, &ip))
		return END_BAD_READ;
	walk->state->base_at = rule->recovery & KNOWS_BASE ? base_at : BASE_LOST;
	regs->sp = cfa;
	regs->fp = fp;
	regs->ip = ip;
	return 0;
}

/* Steps to the caller. Returns how the stack ends here, or 0. */
static __always_inline __u32 step(struct walk *walk, __u64 address)
{
	struct unwind_rule rule = {};
	__u32 end = find_segment(walk, address);

	if (end)
		return end;
	/* Code that no file is behind is a JIT compiler's: most keep frame pointers. */
	if (walk->state->module == ANONYMOUS_MODULE)
		return step_by_frame_pointer(walk, END_NO_FRAME_POINTER);
	end = find_rule(walk, address - walk->state->segment_bias, &rule);
	if (end)
		return end;
	switch (rule.kind) {
	case RULE_END:
		return END_COMPLETE;
	case RULE_NO_ROW:
		return step_by_frame_pointer(walk, END_UNKNOWN_CODE);
	case RULE_FRAME_POINTER:
		return step_by_frame_pointer(walk, END_NO_FRAME_POINTER);
	}
	return step_by_rule(walk, &rule);
}

/* Records one frame, and steps to its caller. */
static long walk_frame(__u32 index, struct walk *walk)
{
	struct record_stack *record = walk->record;
	__u64 address = walk->state->regs.ip - !walk->state->is_exact;
	__u32 count = record->count, end;

	if (walk->state->regs.ip == 0) {
		record->end = END_COMPLETE;
		return 1;
	}
	if (count >= MAX_FRAMES) {
		record->end = END_TRUNCATED;
		return 1;
	}
	record->addresses[count] = address;
	record->count = count + 1;
	walk->state->hash = hash_address(walk->state->hash, address);
	walk->state->is_exact = 0;
	end = step(walk, address);
	walk->state->is_leaf = 0;
	if (end == 0)
		return 0;
	record->end = end;
	return 1;
}

/* Fills in the addresses of a user stack, leaf first, their hash (in the state), and how it ended. `state` is this program's on this CPU. */
static __always_inline void walk_user_stack(struct record_stack *record, const struct registers *regs,
					    struct task_struct *task, __u32 pid, struct walk_state *state)
{
	__u32 zero = 0;
	const struct unwind_process *process = bpf_map_lookup_elem(&unwind_processes, &pid);
	struct walk walk = {
		.task = task,
		.record = record,
		.state = state,
		.needed = bpf_map_lookup_elem(&unwind_needed, &zero),
		.modules = bpf_map_lookup_elem(&unwind_modules, &zero),
		.pages = bpf_map_lookup_elem(&unwind_pages, &zero),
		.rows = bpf_map_lookup_elem(&unwind_rows, &zero),
		.rules = bpf_map_lookup_elem(&unwind_rules, &zero),
		.segments = bpf_map_lookup_elem(&unwind_segments, &zero),
	};

	state->regs = *regs;
	state->hash = 0;
	state->segment_start = state->segment_end = 0;
	state->mappings_mark = mappings_mark(task);
	state->window_at = state->window_bytes = 0;
	state->is_exact = state->is_leaf = 1;
	state->fp_is_lost = 0;
	state->base_at = BASE_IN_REGISTER;
	state->first_segment = process ? process->first : 0;
	state->segment_count = process ? process->count : 0;
	record->count = 0;
	record->end = END_TRUNCATED;
	if (walk.modules && walk.pages && walk.rows && walk.rules && walk.segments && walk.needed)
		bpf_loop(MAX_FRAMES + 1, walk_frame, &walk, 0);
}

#endif
