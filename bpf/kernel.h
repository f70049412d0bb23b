/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few fields of kernel structures that Hearth reads. The loader relocates each access to where the running kernel
 * has the field (CO-RE), so no vmlinux.h of one kernel is needed to compile.
 */
#ifndef HEARTH_KERNEL_H
#define HEARTH_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct super_block {
	__u32 s_dev;
};

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

struct inode {
	unsigned long i_ino;
	long long i_size;
	struct super_block *i_sb;
	long long i_mtime_sec;		/* Linux 6.11 and later */
	__u32 i_mtime_nsec;
};

struct inode___v6_7 {
	struct timespec64 __i_mtime;
};

struct inode___before_6_7 {
	struct timespec64 i_mtime;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct;

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	unsigned long vm_flags;
	struct file *vm_file;
	struct mm_struct *vm_mm;
};

struct maple_tree {
	void *ma_root;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long exec_vm;
	struct file *exe_file;
	struct maple_tree mm_mt;	/* Linux 6.1 and later */
};

typedef struct {
	unsigned int sequence;
} seqcount_t;

/* Linux 6.14 and later, and from 6.4 on. */
struct mm_struct___sequence {
	seqcount_t mm_lock_seq;
};
struct mm_struct___number {
	int mm_lock_seq;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct signal_struct {
	atomic_t live;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id;	/* 0: cgroup v2 */
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	unsigned int in_execve : 1;
	__u64 start_boottime;
	char comm[16];
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

/* Of iterators over tasks. */
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* When the file's contents were last changed. */
static __always_inline __u64 modified_ns(struct inode *inode)
{
	const struct inode___before_6_7 *oldest = (void *)inode;
	const struct inode___v6_7 *older = (void *)inode;
	__u64 seconds, ns;

	if (bpf_core_field_exists(inode->i_mtime_sec)) {
		seconds = BPF_CORE_READ(inode, i_mtime_sec);
		ns = BPF_CORE_READ(inode, i_mtime_nsec);
	} else if (bpf_core_field_exists(older->__i_mtime)) {
		seconds = BPF_CORE_READ(older, __i_mtime.tv_sec);
		ns = BPF_CORE_READ(older, __i_mtime.tv_nsec);
	} else {
		seconds = BPF_CORE_READ(oldest, i_mtime.tv_sec);
		ns = BPF_CORE_READ(oldest, i_mtime.tv_nsec);
	}
	return seconds * 1000000000ull + ns;
}

#define PF_KTHREAD 0x00200000
#define VM_EXEC 0x4
#define PAGE_SHIFT 12

/* Fibonacci hashing: the high bits of a product are mixed best. */
static __always_inline __u32 hash_of(__u64 number, __u32 bits)
{
	return number * 0x9e3779b97f4a7c15ULL >> (64 - bits);
}

#endif
