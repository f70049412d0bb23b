/* SPDX-License-Identifier: GPL-2.0 */
/* The registers that unwinding needs: all that is particular to one architecture's register file. */
#ifndef HEARTH_REGISTERS_H
#define HEARTH_REGISTERS_H

#include "kernel.h"
#include <asm/ptrace.h>
#include <linux/bpf_perf_event.h>

struct registers {
	__u64 ip;
	__u64 sp;
	__u64 fp;
};

#if defined(__TARGET_ARCH_x86)

/* As the kernel names them: the user's registers at the top of the kernel stack. */
struct pt_regs___kernel {
	unsigned long bp;
	unsigned long ip;
	unsigned long sp;
} __attribute__((preserve_access_index));

/* Code segment selectors carry the privilege level in their low two bits. */
static __always_inline bool in_user_mode(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.cs & 3) == 3;
}

static __always_inline void interrupted_registers(const struct bpf_perf_event_data *ctx, struct registers *regs)
{
	regs->ip = ctx->regs.rip;
	regs->sp = ctx->regs.rsp;
	regs->fp = ctx->regs.rbp;
}

/* Those that were saved when the task entered the kernel. */
static __always_inline void saved_registers(struct task_struct *task, struct registers *regs)
{
	struct pt_regs___kernel *saved = (void *)bpf_task_pt_regs(task);

	regs->ip = BPF_CORE_READ(saved, ip);
	regs->sp = BPF_CORE_READ(saved, sp);
	regs->fp = BPF_CORE_READ(saved, bp);
}

/* rbx, by its DWARF number; and in a signal's frame, where it is from where rbp is. */
#define BASE_REGISTER 3
#define SIGNAL_BASE_FROM_FP 8

/* Where they have been saved in struct pt_regs, in words, by DWARF number (System V ABI, figure 3.36). */
const __u8 saved_register_words[16] SEC(".rodata") = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0};

/* One of those, by its DWARF number. False where there is none. */
static __always_inline bool saved_register(struct task_struct *task, __u32 number, __u64 *value)
{
	__u64 *saved = (void *)bpf_task_pt_regs(task);

	if (number >= 16)
		return false;
	/* The compiler would drop the mask, and the verifier has forgotten the comparison. */
	barrier_var(number);
	return bpf_probe_read_kernel(value, sizeof(*value), saved + saved_register_words[number & 15]) == 0;
}

#elif defined(__TARGET_ARCH_arm64)

/* None. */
#define BASE_REGISTER 0xff
#define SIGNAL_BASE_FROM_FP 0

struct pt_regs___kernel {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
} __attribute__((preserve_access_index));

static __always_inline bool in_user_mode(const struct bpf_perf_event_data *ctx)
{
	return (ctx->regs.pstate & 0xf) == 0;
}

static __always_inline void interrupted_registers(const struct bpf_perf_event_data *ctx, struct registers *regs)
{
	regs->ip = ctx->regs.pc;
	regs->sp = ctx->regs.sp;
	regs->fp = ctx->regs.regs[29];
}

static __always_inline void saved_registers(struct task_struct *task, struct registers *regs)
{
	struct pt_regs___kernel *saved = (void *)bpf_task_pt_regs(task);

	regs->ip = BPF_CORE_READ(saved, pc);
	regs->sp = BPF_CORE_READ(saved, sp);
	regs->fp = BPF_CORE_READ(saved, regs[29]);
}

/* One of those, by its DWARF number. False where there is none. */
static __always_inline bool saved_register(struct task_struct *task, __u32 number, __u64 *value)
{
	struct pt_regs___kernel *saved = (void *)bpf_task_pt_regs(task);

	return number < 31 && bpf_probe_read_kernel(value, sizeof(*value), &saved->regs[number]) == 0;
}

#else
#error "Hearth knows the registers of x86-64 and arm64 only"
#endif

#endif
