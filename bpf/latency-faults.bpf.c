// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of user memory, from the exception until the page is mapped: those of user code, and those of the kernel
 * where it copies from or to user memory for a system call. No tracepoint marks the end, but the kernel counts each fault
 * there as a software perf event, minor or major, after all retries. The agent opens both events on each CPU with a
 * period of 1. A fault that fails has no such event: one that ends in a signal is counted as such when the signal is
 * made; one that makes a system call fail is not counted.
 *
 * Memory that the kernel faults in for others, or ahead (get_user_pages, MAP_POPULATE), makes no exception, and is not in
 * here.
 */
#include "latency-slots.bpf.h"
#include "latency-stacks.bpf.h"
#include <linux/bpf_perf_event.h>

char LICENSE[] SEC("license") = "GPL";

struct task_struct___fault {
	int pagefault_disabled;
} __attribute__((preserve_access_index));

struct sigfault {
	void *_addr;
} __attribute__((preserve_access_index));

union sifields {
	struct sigfault _sigfault;
} __attribute__((preserve_access_index));

struct kernel_siginfo {
	union sifields _sifields;
} __attribute__((preserve_access_index));

/* Bits of the exception's error code on x86 (enum x86_pf_error_code). */
#define CODE_PROTECTION 1
#define CODE_WRITE 2
#define CODE_INSTRUCTION 16

#define SIGBUS 7
#define SIGSEGV 11

/* Of user memory: the upper half of addresses is the kernel's. */
#define IS_USER_ADDRESS(address) ((__s64)(address) >= 0)

struct fault {
	__u64 start_ns;	/* 0: none is under way */
	__u64 address;
	__u32 access;	/* enum fault_access */
	__u32 in_kernel;
};

/* A thread has one fault under way at most. One that failed is overwritten by the next. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fault);
} faults SEC(".maps");

static __always_inline __u32 access_of(unsigned long code)
{
	if (code & CODE_INSTRUCTION)
		return FAULT_EXECUTE;
	if (code & CODE_WRITE)
		return code & CODE_PROTECTION ? FAULT_WRITE_PROTECTED : FAULT_WRITE;
	return FAULT_READ;
}

static __always_inline int begin_fault(struct task_struct *task, unsigned long address, unsigned long code,
				       bool in_kernel)
{
	struct fault *fault;

	if (!wanted_task(task))
		return 0;
	fault = bpf_task_storage_get(&faults, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!fault) {
		count_loss(LATENCY_NO_ROOM, 1);
		return 0;
	}
	fault->address = address;
	fault->access = access_of(code);
	fault->in_kernel = in_kernel;
	fault->start_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(latency_fault_user, unsigned long address, struct pt_regs *regs, unsigned long code)
{
	return begin_fault(bpf_get_current_task_btf(), address, code, false);
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(latency_fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long code)
{
	struct task_struct *task = bpf_get_current_task_btf();

	/* Reads that must not wait, as profilers do in interrupts, give up at once: they are no faults, and may interrupt one. */
	if (!IS_USER_ADDRESS(address) || ((struct task_struct___fault *)task)->pagefault_disabled > 0)
		return 0;
	return begin_fault(task, address, code, true);
}

/* A fault that ends now may be drawn. What of the stack is the kernel's is the same for all. */
static __always_inline void sample_fault(struct task_struct *task, __u64 now, __u64 ns, const struct latency_key *key)
{
	const struct latency_stack_configuration *config = stack_configuration();
	struct latency_stacks stacks;
	__u64 weight;

	if (!config || !(config->kinds & 1ULL << LATENCY_FAULT))
		return;
	weight = draw_weight(bpf_get_prandom_u32(), ns, config->threshold_ns);
	if (!weight)
		return;
	take_stacks(NULL, task, now, &stacks);
	send_latency(key, task->pid, now, ns, weight, &stacks);
}

static __always_inline int end_fault(__u64 address, enum fault_outcome outcome)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fault *fault = bpf_task_storage_get(&faults, task, NULL, 0);
	struct latency_key key = {.kind = LATENCY_FAULT};
	__u64 now, ns;

	if (!fault || fault->start_ns == 0 || fault->address != address)
		return 0;
	now = bpf_ktime_get_ns();
	ns = now - fault->start_ns;
	fault->start_ns = 0;
	key.pid = task->tgid;
	key.operation = fault->access;
	key.label[0] = outcome;
	key.label[1] = fault->in_kernel;
	count_latency_fast(&key, ns);
	if (takes_stacks)
		sample_fault(task, now, ns, &key);
	return 0;
}

SEC("perf_event")
int latency_fault_minor(struct bpf_perf_event_data *event)
{
	return end_fault(event->addr, FAULT_MINOR);
}

SEC("perf_event")
int latency_fault_major(struct bpf_perf_event_data *event)
{
	return end_fault(event->addr, FAULT_MAJOR);
}

SEC("tp_btf/signal_generate")
int BPF_PROG(latency_fault_signal, int signal, struct kernel_siginfo *info, struct task_struct *task)
{
	/* Values up to 2 are no pointers (SEND_SIG_PRIV). Signals that others send are not about the current thread. */
	if ((signal != SIGSEGV && signal != SIGBUS) || (unsigned long)info <= 2 || task != bpf_get_current_task_btf())
		return 0;
	return end_fault((__u64)BPF_CORE_READ(info, _sifields._sigfault._addr), FAULT_SIGNAL);
}
