// SPDX-License-Identifier: GPL-2.0
/* The CPU sampler: one perf event per CPU runs it at each period while the CPU is not idle. */
#include "bell.bpf.h"
#include "common.bpf.h"
#include "stack.bpf.h"
#include "unwind.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct scratch {
	int busy;
	struct record_stack kernel;
	struct record_stack user;
	struct walk_state walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* The thread is in execve, past the point at which its old memory was let go. */
static __always_inline bool has_let_go(struct task_struct *task, const struct record_stack *record)
{
	return record->count == 1 && record->end != END_COMPLETE && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

/* ID of the user stack, which is sent if it is new; 0 where there is none. */
static __always_inline __u64 user_stack(const struct registers *regs, struct task_struct *task,
					const struct record_sample *sample, struct scratch *scratch, __u32 generation)
{
	struct record_stack *record = &scratch->user;
	/* As a number: the verifier lets nobody calculate with the pointer. */
	__u64 mm = 0;

	bpf_probe_read_kernel(&mm, sizeof(mm), &task->mm);
	record->type = RECORD_STACK;
	record->pid = sample->pid;
	record->time_ns = sample->time_ns;
	record->is_user = 1;
	walk_user_stack(record, regs, task, sample->pid, &scratch->walk);
	if (has_let_go(task, record))
		return 0;
	if (record->end == END_NEW_MAPPING)
		ring_bell();
	/* Equal addresses mean other code in another address space, or after a library was loaded or unloaded. */
	record->id = stack_id(record, scratch->walk.hash, mm + ((__u64)task->mm->exec_vm << 48) + sample->pid);
	send_stack_once(record, generation);
	return record->id;
}

SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	const struct configuration *config = configuration();
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 pid_tid = bpf_get_current_pid_tgid();
	__u32 zero = 0, pid = pid_tid >> 32;
	struct record_sample sample = {
		.type = RECORD_SAMPLE,
		.cpu = bpf_get_smp_processor_id(),
		.time_ns = bpf_ktime_get_ns(),
		.pid = pid,
		.tid = (__u32)pid_tid,
	};
	struct scratch *scratch;

	if (!config || pid == 0 || !wanted_task(task))
		return 0;
	sample.period_ns = config->period_ns;
	count(COUNT_SAMPLES);
	scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (!scratch)
		return 0;
	/* Not atomic: what comes in between is over, on this CPU, before this goes on. */
	if (scratch->busy++) {
		count(LOST_SCRATCH_BUSY);
	} else {
		struct registers regs;

		if (in_user_mode(ctx)) {
			interrupted_registers(ctx, &regs);
		} else {
			long bytes = bpf_get_stack(ctx, scratch->kernel.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), 0);

			sample.kernel_stack =
				send_kernel_stack(&scratch->kernel, bytes, sample.time_ns, config->generation);
			saved_registers(task, &regs);
		}
		/* Kernel threads borrow the address space of whoever ran before them. */
		if (task->mm && !(task->flags & PF_KTHREAD))
			sample.user_stack = user_stack(&regs, task, &sample, scratch, config->generation);
		emit(&sample, sizeof(sample), LOST_SAMPLE_RING_FULL);
	}
	scratch->busy--;
	return 0;
}
