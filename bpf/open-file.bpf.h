/* SPDX-License-Identifier: GPL-2.0 */
/* The file behind a file descriptor. */
#ifndef HEARTH_OPEN_FILE_BPF_H
#define HEARTH_OPEN_FILE_BPF_H

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct___files {
	struct files_struct *files;
};

struct inode___open {
	unsigned short i_mode;
	struct super_block *i_sb;
};

struct file___open {
	struct inode___open *f_inode;
};

struct llist_node {
	struct llist_node *next;
};

#pragma clang attribute pop

/* Reads through what it returns are loads, not calls, and give 0 where there is nothing. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

struct open_file {
	unsigned short mode;	/* 0 where there is no such file */
	struct super_block *super_block;
};

/* The task is the current one, or blocked. */
static __always_inline struct open_file open_file(struct task_struct *task, __u32 descriptor)
{
	struct fdtable *table = ((struct task_struct___files *)task)->files->fdt;
	struct open_file found = {};
	struct inode___open *inode;
	struct file *file = NULL;

	if (descriptor >= table->max_fds)
		return found;
	if (bpf_rdonly_cast) {
		/* There is no structure with a pointer to a file alone: any with a pointer does. */
		file = (void *)((struct llist_node *)bpf_rdonly_cast(table->fd + descriptor,
								      bpf_core_type_id_kernel(struct llist_node)))
			       ->next;
		inode = ((struct file___open *)bpf_rdonly_cast(file, bpf_core_type_id_kernel(struct file)))->f_inode;
		found.mode = inode->i_mode;
		found.super_block = inode->i_sb;
	} else {
		bpf_probe_read_kernel(&file, sizeof(file), table->fd + descriptor);
		inode = (void *)BPF_CORE_READ(file, f_inode);
		found.mode = BPF_CORE_READ(inode, i_mode);
		found.super_block = BPF_CORE_READ(inode, i_sb);
	}
	return found;
}

#endif
