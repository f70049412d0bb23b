/* SPDX-License-Identifier: GPL-2.0 */
/* Work that a task does on its way to user mode (Linux 6.18 and later). */
#ifndef HEARTH_TASK_WORK_H
#define HEARTH_TASK_WORK_H

#include "kernel.h"

/* The kernel knows it by its name. */
struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));

/* Whole, because the types are compared with the kernel's. */
struct bpf_map {
	__u32 id;
} __attribute__((preserve_access_index));

typedef int (*bpf_task_work_callback_t)(struct bpf_map *map, void *key, void *value);

extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *work, void *map__map,
					      bpf_task_work_callback_t callback, void *aux__prog) __ksym __weak;

#endif
