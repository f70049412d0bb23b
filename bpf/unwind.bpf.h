/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walks user stacks by unwind tables, and by frame pointers where no table covers the code. Each way in which a walk can
 * end has its own enum stack_end.
 */
#ifndef HEARTH_UNWIND_BPF_H
#define HEARTH_UNWIND_BPF_H

#include "common.bpf.h"
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

/* The modules by file, for processes that are too new for the agent to know them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_MODULES);
	__type(key, struct unwind_file);
	__type(value, struct unwind_file_module);
} unwind_files SEC(".maps");

enum lookup {
	FOUND,
	ANONYMOUS,		/* memory without a file */
	NOT_KNOWN,
};

struct walk {
	struct task_struct *task;
	enum lookup lookup;
	struct record_stack *record;
	const struct unwind_modules *modules;
	const struct unwind_pages *pages;
	const struct unwind_rows *rows;
	const struct unwind_rules *rules;
	const struct unwind_segments *segments;
	struct registers regs;
	/* The process's segments, and the one in which the last frame was. */
	__u32 first_segment;
	__u32 segment_count;
	__u64 segment_start;
	__u64 segment_end;
	__u64 segment_bias;
	__u32 module;
	/* The address is exact: the leaf, or what a signal interrupted. Else it is a return address: the call is before it. */
	__u32 is_exact;
	/* Bounds of the binary search under way. */
	__u32 low;
	__u32 high;
	__u64 key;
};

static long search_segment(__u32 index, struct walk *walk)
{
	__u32 middle = (walk->low + walk->high) / 2;

	if (walk->high - walk->low <= 1 || middle >= UNWIND_SEGMENTS)
		return 1;
	if (walk->segments->at[middle].start <= walk->key)
		walk->low = middle;
	else
		walk->high = middle;
	return 0;
}

/* Makes the walk's segment of a mapping of the running process. */
static long take_mapping(struct task_struct *task, struct vm_area_struct *vma, struct walk *walk)
{
	struct unwind_file key = {};
	const struct unwind_file_module *module;
	struct file *file = vma->vm_file;

	if (!file) {
		walk->lookup = ANONYMOUS;
		return 0;
	}
	key.inode = BPF_CORE_READ(file, f_inode, i_ino);
	key.size = BPF_CORE_READ(file, f_inode, i_size);
	key.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	module = bpf_map_lookup_elem(&unwind_files, &key);
	if (!module)
		return 0;
	walk->segment_start = vma->vm_start;
	walk->segment_end = vma->vm_end;
	walk->segment_bias = vma->vm_start - ((__u64)vma->vm_pgoff << PAGE_SHIFT) - module->shift;
	walk->module = module->module;
	walk->lookup = FOUND;
	return 0;
}

/* Finds the segment that holds an address. */
static __always_inline enum lookup find_segment(struct walk *walk, __u64 address)
{
	const struct unwind_segment *segment;
	__u32 low;

	if (address >= walk->segment_start && address < walk->segment_end)
		return FOUND;
	if (walk->segment_count == 0) {
		walk->lookup = NOT_KNOWN;
		bpf_find_vma(walk->task, address, take_mapping, walk, 0);
		return walk->lookup;
	}
	walk->low = walk->first_segment;
	walk->high = walk->first_segment + walk->segment_count;
	walk->key = address;
	bpf_loop(16, search_segment, walk, 0);
	low = walk->low;
	if (low >= UNWIND_SEGMENTS)
		return NOT_KNOWN;
	segment = &walk->segments->at[low];
	if (address < segment->start || address >= segment->end)
		return ANONYMOUS;
	walk->segment_start = segment->start;
	walk->segment_end = segment->end;
	walk->segment_bias = segment->bias;
	walk->module = segment->module;
	return FOUND;
}

static long search_row(__u32 index, struct walk *walk)
{
	__u32 middle = (walk->low + walk->high) / 2;

	if (walk->high - walk->low <= 1 || middle >= UNWIND_ROWS)
		return 1;
	if (walk->rows->at[middle] <= (__u32)walk->key)
		walk->low = middle;
	else
		walk->high = middle;
	return 0;
}

/* The rule that holds at an address of the walk's module. Returns how the stack ends where there is none, or 0. */
static __always_inline __u32 find_rule(struct walk *walk, __u64 address, struct unwind_rule *rule)
{
	const struct unwind_module *module;
	__u32 id = walk->module, state, page, entry, low, index;

	if (id >= UNWIND_MODULES)
		return END_NO_TABLE;
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
	page = (__u32)(address >> 16) - module->base_page;
	if (page >= module->page_count) {
		rule->kind = RULE_NO_ROW;
		return 0;
	}
	entry = module->first_page + page;
	if (entry >= UNWIND_PAGES - 1)
		return END_NO_TABLE;
	walk->low = walk->pages->at[entry];
	walk->high = walk->pages->at[entry + 1];
	walk->key = (__u32)address << 16 | 0xffff;
	bpf_loop(16, search_row, walk, 0);
	low = walk->low;
	if (low >= UNWIND_ROWS)
		return END_NO_TABLE;
	index = walk->rows->at[low] & 0xffff;
	*rule = walk->rules->at[index];
	/* The same state before and after: the rows were this module's all the while. */
	if (*(volatile const __u32 *)&module->state != state)
		return END_TABLE_EVICTED;
	return 0;
}

static __always_inline bool read_user(__u64 address, __u64 *value)
{
	return bpf_probe_read_user(value, sizeof(*value), (void *)address) == 0;
}

/* Steps to the caller by the frame pointer. System V ABI: [fp] is the caller's fp, [fp + 8] the return address. */
static __always_inline __u32 step_by_frame_pointer(struct walk *walk, __u32 failure)
{
	__u64 frame[2], fp = walk->regs.fp;

	if (fp == 0)
		return failure == END_NO_FRAME_POINTER ? END_COMPLETE : failure;
	if (fp < walk->regs.sp || fp & 7)
		return failure;
	if (bpf_probe_read_user(frame, sizeof(frame), (void *)fp))
		return failure;
	walk->regs.sp = fp + sizeof(frame);
	walk->regs.fp = frame[0];
	walk->regs.ip = frame[1];
	return 0;
}

static __always_inline __u32 step_by_rule(struct walk *walk, const struct unwind_rule *rule)
{
	struct registers *regs = &walk->regs;
	__s16 near = (__s16)rule->parameter, far = (__s16)(rule->parameter >> 16);
	__u64 cfa, ip, fp = regs->fp;

	switch (rule->kind) {
	case RULE_CFA_SP:
		cfa = regs->sp + (__s64)rule->parameter;
		break;
	case RULE_CFA_FP:
		cfa = regs->fp + (__s64)rule->parameter;
		break;
	case RULE_CFA_SP_DEREF:
		if (!read_user(regs->sp + (__s64)near, &cfa))
			return END_BAD_READ;
		cfa += (__s64)far;
		break;
	case RULE_CFA_FP_DEREF:
		if (!read_user(regs->fp + (__s64)near, &cfa))
			return END_BAD_READ;
		cfa += (__s64)far;
		break;
	case RULE_PLT:
		cfa = regs->sp + 8 + ((regs->ip & 15) >= (__u32)rule->parameter ? 8 : 0);
		break;
	case RULE_SIGNAL:
		if (!read_user(regs->sp + (__s64)far, &ip) || !read_user(regs->sp + (__s64)rule->fp_offset, &fp) ||
		    !read_user(regs->sp + (__s64)near, &cfa))
			return END_BAD_READ;
		regs->ip = ip;
		regs->sp = cfa;
		regs->fp = fp;
		walk->is_exact = 1;
		return 0;
	default:
		return END_UNSUPPORTED;
	}
	/* In another register: only vfork and the like, in a few instructions. */
	if (rule->recovery >> 4 != RA_BELOW_CFA)
		return END_UNSUPPORTED;
	if (cfa <= regs->sp)
		return END_BROKEN;
	if (!read_user(cfa - 8, &ip))
		return END_BAD_READ;
	switch (rule->recovery & 15) {
	case FP_SAME:
	case FP_UNKNOWN:
		break;
	case FP_AT_CFA:
		if (!read_user(cfa + (__s64)rule->fp_offset, &fp))
			return END_BAD_READ;
		break;
	case FP_AT_FP:
		if (!read_user(regs->fp + (__s64)rule->fp_offset, &fp))
			return END_BAD_READ;
		break;
	case FP_AT_SP:
		if (!read_user(regs->sp + (__s64)rule->fp_offset, &fp))
			return END_BAD_READ;
		break;
	}
	regs->sp = cfa;
	regs->fp = fp;
	regs->ip = ip;
	return 0;
}

/* Steps to the caller. Returns how the stack ends here, or 0. */
static __always_inline __u32 step(struct walk *walk, __u64 address)
{
	struct unwind_rule rule = {};
	__u32 end;

	/* Code that no file is behind is a JIT compiler's: most keep frame pointers. */
	switch (find_segment(walk, address)) {
	case FOUND:
		break;
	case ANONYMOUS:
		return step_by_frame_pointer(walk, END_NO_FRAME_POINTER);
	case NOT_KNOWN:
		return END_NEW_MAPPING;
	}
	end = find_rule(walk, address - walk->segment_bias, &rule);
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
	__u64 address = walk->regs.ip - !walk->is_exact;
	__u32 count = record->count, end;

	if (walk->regs.ip == 0) {
		record->end = END_COMPLETE;
		return 1;
	}
	if (count >= MAX_FRAMES) {
		record->end = END_TRUNCATED;
		return 1;
	}
	record->addresses[count] = address;
	record->count = count + 1;
	walk->is_exact = 0;
	end = step(walk, address);
	if (end == 0)
		return 0;
	record->end = end;
	return 1;
}

/* Fills in the addresses of a user stack, leaf first, and how it ended. */
static __always_inline void walk_user_stack(struct record_stack *record, const struct registers *regs,
					    struct task_struct *task, __u32 pid)
{
	__u32 zero = 0;
	const struct unwind_process *process = bpf_map_lookup_elem(&unwind_processes, &pid);
	struct walk walk = {
		.task = task,
		.record = record,
		.modules = bpf_map_lookup_elem(&unwind_modules, &zero),
		.pages = bpf_map_lookup_elem(&unwind_pages, &zero),
		.rows = bpf_map_lookup_elem(&unwind_rows, &zero),
		.rules = bpf_map_lookup_elem(&unwind_rules, &zero),
		.segments = bpf_map_lookup_elem(&unwind_segments, &zero),
		.regs = *regs,
		.first_segment = process ? process->first : 0,
		.segment_count = process ? process->count : 0,
		.is_exact = 1,
	};

	record->count = 0;
	record->end = END_TRUNCATED;
	if (walk.modules && walk.pages && walk.rows && walk.rules && walk.segments)
		bpf_loop(MAX_FRAMES + 1, walk_frame, &walk, 0);
}

#endif
