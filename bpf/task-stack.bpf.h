/* SPDX-License-Identifier: GPL-2.0 */
/* The stacks of a task that is in the kernel. */
#ifndef HEARTH_TASK_STACK_BPF_H
#define HEARTH_TASK_STACK_BPF_H

#include "common.bpf.h"
#include "stack.bpf.h"
#include "unwind.bpf.h"

/* Leaf frames of the current task's stack that are the tracing itself: the program, and what calls it. */
#define OWN_FRAMES 2

static __always_inline bool has_user_mode(struct task_struct *task)
{
	return task->mm && !(task->flags & PF_KTHREAD);
}

/* ID of the task's user stack as it entered the kernel, which is sent if it is new. */
static __always_inline __u64 send_user_stack(struct task_struct *task, struct record_stack *record,
					     struct walk_state *walk, __u64 time_ns, __u32 generation)
{
	struct registers regs;
	/* As a number: the verifier lets nobody calculate with the pointer. */
	__u64 mm = 0;

	bpf_probe_read_kernel(&mm, sizeof(mm), &task->mm);
	saved_registers(task, &regs);
	record->type = RECORD_STACK;
	record->pid = task->tgid;
	record->time_ns = time_ns;
	record->is_user = 1;
	walk_user_stack(record, &regs, task, record->pid, walk);
	record->id = stack_id(record, walk->hash, mm + ((__u64)task->mm->exec_vm << 48) + record->pid);
	send_stack_once(record, generation);
	return record->id;
}

struct task_struct___stack {
	void *stack;
} __attribute__((preserve_access_index));

#define THREAD_STACK_BYTES 16384

/*
 * Whether a tracepoint was come across on the current task's own stack. Interrupts have stacks of their own, but for those
 * that come in user mode.
 */
static __always_inline bool on_task_stack(void *ctx, struct task_struct *current)
{
	struct task_struct___stack *task = (void *)current;
	__u64 arguments = 0, stack = 0;

	/* As numbers. The arguments of a tracepoint are on the stack of whoever comes across it. */
	bpf_probe_read_kernel(&arguments, sizeof(arguments), &ctx);
	bpf_probe_read_kernel(&stack, sizeof(stack), &task->stack);
	return arguments - stack < THREAD_STACK_BYTES;
}

#endif
