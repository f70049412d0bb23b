/* SPDX-License-Identifier: GPL-2.0 */
/* The modules by file: how code is recognized in processes that are too new for the agent to know them. */
#ifndef HEARTH_MODULE_FILES_BPF_H
#define HEARTH_MODULE_FILES_BPF_H

#include "kernel.h"
#include "unwind.h"

/* The agent writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_MODULES);
	__type(key, struct unwind_file);
	__type(value, struct unwind_file_module);
} unwind_files SEC(".maps");

/* NULL for a file that the agent has never seen. */
static __always_inline const struct unwind_file_module *module_of_file(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct unwind_file key = {
		.inode = BPF_CORE_READ(inode, i_ino),
		.size = BPF_CORE_READ(inode, i_size),
		.modified_ns = modified_ns(inode),
		.device = BPF_CORE_READ(inode, i_sb, s_dev),
	};

	return bpf_map_lookup_elem(&unwind_files, &key);
}

#endif
