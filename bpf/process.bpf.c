// SPDX-License-Identifier: GPL-2.0
/*
 * Follows processes: fork, exec, exit, rename, and from cgroup to cgroup, so that a process that lives for 20 ms still has a
 * name, a command line and a cgroup when its samples are read. (Its mappings come from perf's own records: see server/agent/mmap-events.ts.)
 */
#include "bell.bpf.h"
#include "common.bpf.h"
#include "module-files.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The record is too large for the stack. Task context may be preempted: another exec can come in between on its CPU. */
struct scratch {
	int busy;
	struct record_exec exec;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	const struct configuration *config = configuration();
	__u32 parent_pid = parent->tgid, pid = child->tgid;
	struct record_fork record = {
		.type = RECORD_FORK,
		.pid = pid,
		.tid = child->pid,
		.parent_pid = parent_pid,
		.time_ns = bpf_ktime_get_ns(),
		.start_ns = BPF_CORE_READ(child, group_leader, start_boottime),
		.cgroup = cgroup_of(child),
	};

	bpf_probe_read_kernel(record.comm, sizeof(record.comm), child->comm);
	if (pid != parent_pid) {
		/* A child starts with its parent's mappings: its first sample may come before the agent knows of it. */
		struct unwind_process *process = bpf_map_lookup_elem(&unwind_processes, &parent_pid);

		if (process && bpf_map_update_elem(&unwind_processes, &pid, process, BPF_ANY))
			count(LOST_MAP_FULL);
	}
	if (config && config->filter == FILTER_TREES && pid != parent_pid && is_watched(parent_pid)) {
		__u8 watch = WATCH;

		if (bpf_map_update_elem(&watched, &pid, &watch, BPF_ANY))
			count(LOST_MAP_FULL);
	}
	emit(&record, sizeof(record), LOST_PROCESS_EVENT);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 zero = 0, pid = task->tgid;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	__u64 start = task->mm->arg_start, bytes = task->mm->arg_end - start;
	__u8 *watch = bpf_map_lookup_elem(&watched, &pid);
	struct record_exec *record;

	if (watch)
		*watch = WATCH;
	bpf_map_delete_elem(&unwind_processes, &pid);
	if (!module_of_file(task->mm->exe_file))
		ring_bell();
	if (!scratch)
		return 0;
	if (__sync_fetch_and_add(&scratch->busy, 1)) {
		count(LOST_PROCESS_EVENT);
		goto out;
	}
	record = &scratch->exec;
	record->type = RECORD_EXEC;
	record->pid = pid;
	record->time_ns = bpf_ktime_get_ns();
	record->cgroup = cgroup_of(task);
	record->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	if (bytes > MAX_ARGS)
		bytes = MAX_ARGS;
	/* The new program's arguments were just written: their page is there. */
	if (bpf_probe_read_user(record->args, bytes, (void *)start))
		bytes = 0;
	record->args_bytes = bytes;
	emit(record, offsetof(struct record_exec, args) + bytes, LOST_PROCESS_EVENT);
out:
	__sync_fetch_and_add(&scratch->busy, -1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct record_exit record = {
		.type = RECORD_EXIT,
		.pid = pid,
		.tid = task->pid,
		.is_last_thread = BPF_CORE_READ(task, signal, live.counter) == 0,
		.time_ns = bpf_ktime_get_ns(),
	};

	emit(&record, sizeof(record), LOST_PROCESS_EVENT);
	return 0;
}

/* Only now does nothing run as this process any more: until then its exit is still sampled and let through. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *task)
{
	__u32 pid = task->pid;

	if (task->pid != task->tgid)
		return 0;
	bpf_map_delete_elem(&watched, &pid);
	bpf_map_delete_elem(&unwind_processes, &pid);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *comm)
{
	struct record_rename record = {
		.type = RECORD_RENAME,
		.pid = task->tgid,
		.tid = task->pid,
		.time_ns = bpf_ktime_get_ns(),
	};

	bpf_probe_read_kernel_str(record.comm, sizeof(record.comm), comm);
	emit(&record, sizeof(record), LOST_PROCESS_EVENT);
	return 0;
}

/* `pid`: 0 where the cgroup was made, else that of a process that was moved to it. */
static __always_inline void emit_cgroup(struct cgroup *cgroup, bool is_v2, const char *path, __u32 pid)
{
	struct record_cgroup *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		count(LOST_PROCESS_EVENT);
		return;
	}
	record->type = RECORD_CGROUP;
	record->pid = pid;
	record->time_ns = bpf_ktime_get_ns();
	record->cgroup = is_v2 ? cgroup->kn->id : 0;
	if (bpf_probe_read_kernel_str(record->path, sizeof(record->path), path) < 0)
		record->path[0] = 0;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup, struct cgroup *cgroup, const char *path)
{
	if (cgroup->root->hierarchy_id == 0)
		emit_cgroup(cgroup, true, path, 0);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_move, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	/* Threads may be in other cgroups than their process, which is where its first one is. */
	if (task->pid == task->tgid)
		emit_cgroup(cgroup, cgroup->root->hierarchy_id == 0, path, task->tgid);
	return 0;
}
