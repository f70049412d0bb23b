// SPDX-License-Identifier: GPL-2.0
/*
 * Waits that go on, with the stacks that their threads sleep in: for those who want to know, now and then, what has not
 * ended yet. The one program here may sleep, and so read the memory of other processes.
 */
#define WALKS_OTHER_TASKS
#include "common.bpf.h"
#include "off-cpu.bpf.h"
#include "task-stack.bpf.h"
#include "thread-places.bpf.h"
#include "unseen-switch.bpf.h"
#include "wait-class.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* One pass at a time. */
struct room {
	struct record_stack stack;
	struct walk_state walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* What is known of the wait that a thread is in; false where it is in none. */
static __always_inline bool look(struct task_struct *task, const struct thread *thread, struct record_open_wait *record)
{
	__u32 state = *(volatile const __u32 *)&thread->state;
	__u64 woken = *(volatile const __u64 *)&thread->woken_ns;

	record->since_ns = *(volatile const __u64 *)&thread->since_ns;
	record->time_ns = bpf_ktime_get_ns();
	record->woken_ns = 0;
	if (has_gone(task, thread, state, record->since_ns, record->time_ns))
		state = state_since_gone(task, thread, &record->since_ns, record->time_ns);
	record->state = state;
	if (state == STATE_BLOCKED) {
		record->state = blocked_state(task, thread->prev_state);
		if (woken >= record->since_ns && woken <= record->time_ns)
			record->woken_ns = woken;
		return true;
	}
	return state == STATE_RUNNABLE || state == STATE_THROTTLED;
}

SEC("iter.s/task")
int read_open_waits(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	const struct configuration *config = configuration();
	struct record_open_wait record = {};
	struct thread *thread;
	struct room *room;
	__u32 version, zero = 0, i;
	long bytes;

	if (!task || !config || task->pid == 0 || !wanted_task(task))
		return 0;
	thread = thread_of(task);
	room = bpf_map_lookup_elem(&rooms, &zero);
	if (!thread || !room)
		return 0;
	record.pid = task->tgid;
	record.tid = task->pid;
	for (i = 0; i < 4; i++) {
		version = *(volatile __u32 *)&thread->version;
		barrier();
		if (!look(task, thread, &record))
			return 0;
		bytes = bpf_get_task_stack(task, room->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), 0);
		record.kernel_stack = send_kernel_stack(&room->stack, bytes, record.time_ns, config->generation);
		if (has_user_mode(task))
			record.user_stack = send_user_stack(task, &room->stack, &room->walk, record.time_ns,
							    config->generation);
		barrier();
		/* Else it has run meanwhile, and the stacks are of different moments. */
		if (!(version & 1) && version == *(volatile __u32 *)&thread->version)
			break;
	}
	/* Else it is being switched all the time, and its present wait is short; or it is gone, and its room may be another's. */
	if (i < 4 && thread_of(task) == thread)
		bpf_seq_write(seq, &record, sizeof(record));
	return 0;
}
