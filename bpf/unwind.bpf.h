/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walks user stacks by unwind tables, and by frame pointers where no table covers the code. Each way in which a walk can
 * end has its own enum stack_end.
 */
#ifndef HEARTH_UNWIND_BPF_H
#define HEARTH_UNWIND_BPF_H

#include "common.bpf.h"
#include "stack.bpf.h"
#include "mapping.bpf.h"
#include "module-files.bpf.h"
#include "registers.h"
#include "user-memory.bpf.h"

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
