/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which mapping of a process holds an address, as often as one asks and in any context: bpf_find_vma works once per
 * interrupt, and the kernel's iterator not at all in one.
 *
 * Mappings are in a maple tree. Nodes are of 256 bytes; an entry that points to one has the node's type in bits 3 to 6. A
 * node's slot i holds what is above pivot i - 1, up to pivot i. Source: mtree_lookup_walk in the kernel's
 * lib/maple_tree.c. It is read without a lock: the kernel replaces nodes, and what is found is checked afterwards.
 */
#ifndef HEARTH_MAPPING_BPF_H
#define HEARTH_MAPPING_BPF_H

#include "kernel.h"

enum maple_type {
	MAPLE_LEAF_64 = 1,
	MAPLE_RANGE_64,
	MAPLE_ARANGE_64,
};

#define MAPLE_NODE_WORDS 32
#define MAPLE_NODE_MASK 255ULL
#define MAPLE_PIVOTS 15
#define MAPLE_ARANGE_PIVOTS 9
/* Ten slots at least in each of them: more than any process has mappings. */
#define MAPLE_LEVELS 8

/* In a map: too large for the stack, and the verifier does not follow what is in it. */
struct mapping_search {
	__u64 address;
	__u64 entry;
	__u64 node[MAPLE_NODE_WORDS];
};

struct mapping {
	__u64 start;
	__u64 end;
	/* Of `start` in the file, in bytes. */
	__u64 file_offset;
	struct file *file;
};

static long descend_mappings(__u32 level, struct mapping_search **context)
{
	struct mapping_search *search = *context;
	__u32 type = search->entry >> 3 & 15;
	__u32 pivots = type == MAPLE_ARANGE_64 ? MAPLE_ARANGE_PIVOTS : MAPLE_PIVOTS;
	__u32 i;

	if (bpf_probe_read_kernel(search->node, sizeof(search->node), (void *)(search->entry & ~MAPLE_NODE_MASK))) {
		search->entry = 0;
		return 1;
	}
	for (i = 0; i < MAPLE_PIVOTS; i++) {
		if (i >= pivots || search->node[1 + i] >= search->address)
			break;
	}
	search->entry = search->node[(1 + pivots + i) & (MAPLE_NODE_WORDS - 1)];
	return type <= MAPLE_LEAF_64;
}

static long find_by_kernel(struct task_struct *task, struct vm_area_struct *vma, struct mapping_search **context)
{
	(*context)->entry = (__u64)vma;
	return 0;
}

/* Finds the mapping with code at an address of the current process. False where there is none, or it can't be told. */
static __always_inline bool find_mapping(struct task_struct *task, __u64 address, struct mapping_search *search,
					 struct mapping *mapping)
{
	struct vm_area_struct *vma;

	search->address = address;
	if (bpf_core_field_exists(((struct mm_struct *)0)->mm_mt)) {
		search->entry = (__u64)BPF_CORE_READ(task, mm, mm_mt.ma_root);
		/* A process with one mapping has no tree. */
		if ((search->entry & 3) == 2)
			bpf_loop(MAPLE_LEVELS, descend_mappings, &search, 0);
	} else {
		search->entry = 0;
		bpf_find_vma(task, address, find_by_kernel, &search, 0);
	}
	/* Entries with these bits stand for something else than a mapping. */
	if (search->entry == 0 || search->entry & 3)
		return false;
	vma = (struct vm_area_struct *)search->entry;
	if (BPF_CORE_READ(vma, vm_mm) != BPF_CORE_READ(task, mm) || !(BPF_CORE_READ(vma, vm_flags) & VM_EXEC))
		return false;
	mapping->start = BPF_CORE_READ(vma, vm_start);
	mapping->end = BPF_CORE_READ(vma, vm_end);
	mapping->file_offset = (__u64)BPF_CORE_READ(vma, vm_pgoff) << PAGE_SHIFT;
	mapping->file = BPF_CORE_READ(vma, vm_file);
	return address >= mapping->start && address < mapping->end;
}

#endif
