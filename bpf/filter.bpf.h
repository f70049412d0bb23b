/* SPDX-License-Identifier: GPL-2.0 */
/* The configuration and the filter: the loader gives every object the same maps, so that all of them let the same through. */
#ifndef HEARTH_FILTER_BPF_H
#define HEARTH_FILTER_BPF_H

#include "kernel.h"
#include "hearth.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct configuration);
} configurations SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct cgroup___filter {
	int level;
	struct cgroup *ancestors[];	/* Linux 6.1 and later */
};

struct cgroup___before_6_1 {
	int level;
	__u64 ancestor_ids[];
};
#pragma clang attribute pop

/* The processes that FILTER_PROCESSES and FILTER_TREES let through: enum watch. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

static __always_inline const struct configuration *configuration(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&configurations, &zero);
}

static __always_inline bool in_cgroup(struct task_struct *task, const struct configuration *config)
{
	struct cgroup___filter *cgroup = (void *)BPF_CORE_READ(task, cgroups, dfl_cgrp);
	__u32 level = config->cgroup_level;
	struct cgroup *ancestor = NULL;
	__u64 id = 0;

	if (BPF_CORE_READ(cgroup, level) < (int)level)
		return false;
	if (bpf_core_field_exists(cgroup->ancestors)) {
		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup___filter, ancestors) +
					      level * sizeof(ancestor));
		id = BPF_CORE_READ(ancestor, kn, id);
	} else {
		bpf_probe_read_kernel(&id, sizeof(id),
				      (void *)cgroup +
					      bpf_core_field_offset(struct cgroup___before_6_1, ancestor_ids) +
					      level * sizeof(id));
	}
	return id == config->cgroup;
}

static __always_inline bool is_watched(__u32 pid)
{
	const __u8 *watch = bpf_map_lookup_elem(&watched, &pid);

	return watch && *watch == WATCH;
}

/* Whether the filter lets a task's events through; it need not be the one that runs. */
static __always_inline bool wanted_task(struct task_struct *task)
{
	const struct configuration *config = configuration();

	if (!config)
		return false;
	switch (config->filter) {
	case FILTER_ALL:
		return true;
	case FILTER_PROCESSES:
	case FILTER_TREES:
		return is_watched(task->tgid);
	case FILTER_CGROUP:
		return in_cgroup(task, config);
	}
	return false;
}

/* The same of the current task, which is not asked for where all are let through. */
static __always_inline bool wanted_current(void)
{
	const struct configuration *config = configuration();

	return config && (config->filter == FILTER_ALL || wanted_task(bpf_get_current_task_btf()));
}

#endif
