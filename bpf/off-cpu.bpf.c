// SPDX-License-Identifier: GPL-2.0
/*
 * Off-CPU: what threads do while they don't run. Two timestamps per switch keep each thread's sums by state exact. A
 * stack is taken of a wait of length d with probability min(1, d/T), and stands for max(d, T): unbiased, and what it
 * costs is bounded by the time waited and not by the number of switches. Nothing here looks into a hash table or writes
 * to the ring for a wait that was not drawn.
 *
 * A wait ends in two parts: blocked, until somebody wakes the thread; then runnable, until it has a CPU. Each is drawn
 * for itself. The blocked part is drawn when it ends, by its waker, who is the current task there. The sums tell apart, of
 * the runnable part, the way to a run queue, which is longer where an idle CPU has to wake up.
 *
 * The blocked part is always counted here in histograms, too, and the runnable part where the latency of the run queue is
 * wanted: each program costs as much by being called as by what it does.
 */
#include "draw.bpf.h"
#include "late-stack.bpf.h"
#include "off-cpu.bpf.h"
#include "scheduler-account.bpf.h"
#include "stack-room.bpf.h"
#include "task-stack.bpf.h"
#include "thread-places.bpf.h"
#include "wait-class.bpf.h"
#include "wait-latency.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * User stacks are taken on the way to user mode; else (before Linux 6.18) when the thread is switched out. In sections of
 * their own so that the loader can set them.
 */
const volatile __u32 takes_stacks_late SEC(".rodata.late") = 1;

#define LONG_BLOCK_NS 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct off_cpu_configuration);
} off_cpu_configurations SEC(".maps");

__u64 last_thread_id;

/* Counts what went wrong with a thread that the filter lets through: what happens to others is nobody's loss. */
static __noinline void count_missed(struct task_struct *task, enum counter lost)
{
	if (wanted_task(task))
		count(lost);
}

static __always_inline __u64 threshold_ns(void)
{
	__u32 zero = 0;
	const struct off_cpu_configuration *config = bpf_map_lookup_elem(&off_cpu_configurations, &zero);

	return config ? config->threshold_ns : 0;
}

static __always_inline __u64 draw_wait(struct thread *thread, __u64 length_ns, __u64 threshold)
{
	return takes_stacks_late ?
		       draw_weight(random(thread), length_ns, threshold) :
		       draw_early_weight(random(thread), thread->early.probability, length_ns, threshold);
}

struct wait_part {
	enum thread_state state;
	__u64 end_ns;
	__u64 duration_ns;
	__u64 weight_ns;
};

static __always_inline void send_wait(struct task_struct *task, const struct thread *thread,
				      const struct wait_part *part, __u64 kernel, __u64 user, __u64 key)
{
	struct record_wait record = {
		.type = RECORD_WAIT,
		.state = part->state,
		.time_ns = part->end_ns,
		.pid = task->tgid,
		.tid = task->pid,
		.duration_ns = part->duration_ns,
		.weight_ns = part->weight_ns,
		.kernel_stack = kernel,
		.user_stack = user,
		.user_key = key,
	};

	/* Nobody ends a wait for a CPU. */
	if (part->state > STATE_THROTTLED) {
		record.waker_pid = thread->waker >> 32;
		record.waker_tid = thread->waker;
		record.waker_kernel_stack = thread->waker_kernel;
		record.waker_user_stack = thread->waker_user;
		record.waker_user_key = thread->waker_key;
	}
	emit(&record, sizeof(record), LOST_WAIT);
}

/* Sends the parts that were drawn of a wait that has just ended. The thread's kernel stack is still that of the wait. */
static __always_inline void take_wait(struct task_struct *task, struct thread *thread, __u64 now,
				      const struct wait_part *blocked, const struct wait_part *runnable)
{
	const struct configuration *config = configuration();
	__u64 kernel = thread->early.kernel, user = thread->early.user, key = 0;

	if (!config || !wanted_task(task))
		return;
	if (takes_stacks_late) {
		struct scratch *scratch = take_scratch();

		kernel = 0;
		user = 0;
		if (scratch) {
			long bytes = bpf_get_task_stack(task, scratch->stack.addresses,
							MAX_KERNEL_FRAMES * sizeof(__u64), 0);

			kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
			give_back(scratch);
		}
		key = take_user_stack_later(task, thread, now);
	}
	if (blocked->weight_ns)
		send_wait(task, thread, blocked, kernel, user, key);
	if (runnable->weight_ns)
		send_wait(task, thread, runnable, kernel, user, key);
}

/*
 * Takes the stacks of the current task, which is about to be switched out, with the probability with which a wait as long
 * as those before would be drawn.
 */
static __always_inline void take_early_stacks(void *ctx, struct task_struct *task, struct thread *thread, __u64 now)
{
	const struct configuration *config = configuration();
	struct early_stacks *early = &thread->early;
	__u64 threshold = threshold_ns(), probability;
	struct scratch *scratch;
	long bytes;

	early->probability = early->kernel = early->user = 0;
	if (!config || threshold == 0)
		return;
	probability = early_probability(early->expected_ns, threshold);
	if (random(thread) >= probability || !wanted_task(task))
		return;
	scratch = take_scratch();
	if (!scratch)
		return;
	bytes = bpf_get_stack(ctx, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), OWN_FRAMES);
	early->kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
	if (has_user_mode(task))
		early->user = send_user_stack(task, &scratch->stack, &scratch->walk, now, config->generation);
	early->probability = probability;
	give_back(scratch);
}

static __always_inline void fill_record(struct record_thread *record, struct task_struct *task, struct thread *thread,
					__u64 now)
{
	record->type = RECORD_THREAD;
	record->state = thread->state;
	record->time_ns = now;
	record->id = thread->id;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->since_ns = thread->since_ns;
	record->kernel_stack = 0;
	record->waker_pid = thread->waker >> 32;
	record->waker_tid = thread->waker;
	__builtin_memcpy(record->ns, thread->ns, sizeof(record->ns));
	__builtin_memcpy(record->count, thread->count, sizeof(record->count));
	fill_account(record, task, thread);
}

static __always_inline void add_time(struct thread *thread, __u32 state, __u64 ns)
{
	/* For the verifier: the compiler takes it to be so. */
	barrier_var(state);
	if (state >= STATE_MAX)
		return;
	thread->ns[state] += ns;
	thread->count[state] += 1;
}

/*
 * Begins to follow a thread, if it isn't followed yet; NULL where there is no room, or another CPU begins to in this moment:
 * the reading of all threads comes by while they are switched.
 */
static __always_inline struct thread *follow(struct task_struct *task, enum thread_state state, bool may_allocate)
{
	struct thread *thread = thread_of(task) ?: room_for(task, may_allocate);

	if (!thread || thread->id)
		return thread;
	if (__sync_val_compare_and_swap(&thread->begun, 0, 1))
		return NULL;
	thread->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	thread->state = state;
	thread->since_ns = thread->ran_ns = bpf_ktime_get_ns();
	begin_account(task, thread);
	/* Stacks of its first five waits are taken, however short: else the first long one would stand for 64, or for none. */
	if (!takes_stacks_late)
		thread->early.expected_ns = 2 * threshold_ns();
	barrier();
	thread->id = __sync_fetch_and_add(&last_thread_id, 1) + 1;
	return thread;
}

/*
 * What is known of a thread in the scheduler, where memory may only be asked for in kernels that have their own for BPF. It
 * is there already, unless many threads began faster than the kernel could make room for them.
 */
static __always_inline struct thread *known(struct task_struct *task, enum thread_state state)
{
	struct thread *thread = thread_of(task);

	if (!thread)
		return follow(task, state, takes_stacks_late);
	return thread->id ? thread : NULL;
}

/*
 * Makes good for a switch-in that was not seen: some machines hide the switches of some threads, and with them who comes
 * next. The scheduler knows how long the thread that goes now has run. Where it sat the wait out, nothing can be drawn. What
 * it waited for is known only where somebody has looked meanwhile: it has been in user mode since.
 */
static __always_inline void catch_up(struct task_struct *task, struct thread *thread, __u64 now)
{
	__u64 came = now - latest_run_ns(task);
	__u64 since = thread->since_ns;
	__u32 state = thread->state;

	count_missed(task, LOST_THREAD);
	if (came < since || came > now)
		came = since;
	if (state == STATE_BLOCKED) {
		__u64 woken = thread->woken_ns;

		if (woken < since || woken > came)
			woken = came;
		state = thread->long_block_since_ns == since ? thread->long_block_state :
							       blocked_state(task, thread->prev_state);
		add_time(thread, state, woken - since);
		if (modes_at(now, task) & MODE_BLOCKED)
			count_blocked(task, thread, state, woken - since);
		since = woken;
		state = STATE_RUNNABLE;
	}
	add_time(thread, state, came - since);
	thread->since_ns = came;
}

static __always_inline void switch_out(void *ctx, struct task_struct *task, bool preempted, __u32 prev_state, __u64 now)
{
	struct thread *thread = known(task, STATE_RUNNING);

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	thread->version++;
	barrier();
	if (thread->state != STATE_RUNNING)
		catch_up(task, thread, now);
	add_time(thread, STATE_RUNNING, elapsed_ns(thread->since_ns, now));
	thread->since_ns = now;
	thread->queue_sum_ns = queue_sum(task);
	if (preempted || prev_state == TASK_RUNNING) {
		thread->state = is_throttled(task) ? STATE_THROTTLED : STATE_RUNNABLE;
	} else if (prev_state & TASK_DEAD) {
		thread->state = STATE_DEAD;
		leave_slot(thread);
		if (thread->wanted || wanted_task(task)) {
			struct record_thread record;

			fill_record(&record, task, thread, now);
			emit(&record, sizeof(record), LOST_THREAD);
		}
	} else {
		thread->prev_state = prev_state;
		thread->blocked_weight_ns = 0;
		/* Another CPU may wake it in this moment. */
		barrier();
		thread->state = STATE_BLOCKED;
	}
	barrier();
	thread->version++;
	if (!takes_stacks_late && thread->state != STATE_DEAD)
		take_early_stacks(ctx, task, thread, now);
}

static __always_inline void switch_in(struct task_struct *task, __u64 now)
{
	struct thread *thread = known(task, STATE_RUNNABLE);
	struct wait_part blocked = {}, runnable = {.state = STATE_RUNNABLE, .end_ns = now};
	__u64 threshold = threshold_ns();
	bool was_blocked = false, is_known = true;	/* since when it was runnable */
	__u64 since, waking = 0;
	__u32 modes;

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	since = thread->since_ns;
	if (since > now)
		since = now;
	thread->version++;
	barrier();
	if (thread->state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;
		__u64 queued = queued_ns(task, thread);

		/* By a CPU whose clock is ahead of this one's, or in this moment by a second waker. */
		if (woken > now)
			woken = now;

		blocked.weight_ns = thread->blocked_weight_ns;
		if (woken < since) {
			if (woken >= thread->ran_ns) {
				/* Woken on another CPU in the moment in which it was switched out. */
				woken = since;
			} else {
				woken = now;
				thread->waker = thread->waker_key = thread->waker_kernel = thread->waker_user = 0;
				blocked.weight_ns = draw_wait(thread, now - since, threshold);
				count_missed(task, LOST_WAKEUP);
				is_known = false;
			}
		}
		blocked.state = blocked_state(task, thread->prev_state);
		blocked.end_ns = woken;
		blocked.duration_ns = woken - since;
		add_time(thread, blocked.state, blocked.duration_ns);
		was_blocked = true;
		runnable.duration_ns = now - woken;
		if (queued < runnable.duration_ns)
			waking = runnable.duration_ns - queued;
		else if (is_known)
			leave_out_sleep(thread, queued, runnable.duration_ns);
		add_time(thread, STATE_WAKING, waking);
	} else if (thread->state == STATE_RUNNING) {
		/* Its switch-out was not seen: what it did since is not known. */
		count_missed(task, LOST_THREAD);
		since = now;
	} else {
		if (thread->state == STATE_THROTTLED)
			runnable.state = STATE_THROTTLED;
		runnable.duration_ns = now - since;
	}
	if (since != now)
		add_time(thread, runnable.state, runnable.duration_ns - waking);
	thread->state = STATE_RUNNING;
	thread->since_ns = now;
	thread->ran_ns = now;
	barrier();
	thread->version++;
	runnable.weight_ns = draw_wait(thread, runnable.duration_ns, threshold);
	modes = modes_at(now, task);
	if (was_blocked && modes & MODE_BLOCKED)
		count_blocked(task, thread, blocked.state, blocked.duration_ns);
	if (is_known && since != now && modes & MODE_RUNQUEUE)
		count_runnable(task, thread, runnable.duration_ns);
	if (!takes_stacks_late)
		thread->early.expected_ns = expected_after(thread->early.expected_ns, now - since);
	if (blocked.weight_ns | runnable.weight_ns)
		take_wait(task, thread, now, &blocked, &runnable);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct *prev, struct task_struct *next, __u32 prev_state)
{
	__u64 now = bpf_ktime_get_ns();

	/* The idle tasks, one per CPU, have pid 0. */
	if (prev->pid)
		switch_out(ctx, prev, preempted, prev_state, now);
	if (next->pid)
		switch_in(next, now);
	return 0;
}

/*
 * In an interrupt the current task is only where it happened to come, and wakes nobody. Interrupts have stacks of their
 * own, but those that come in user mode, in no system call, begin on the task's. (The kernel's count of interrupts can't
 * be had where kallsyms leaves out variables.)
 */
static __always_inline bool in_interrupt(void *ctx, struct task_struct *current)
{
	return !on_task_stack(ctx, current) ||
	       (has_user_mode(current) && system_call((void *)bpf_task_pt_regs(current)) < 0);
}

/* The blocked part was drawn: who ended it, and from where? */
static __always_inline void take_waker(void *ctx, struct thread *thread, __u64 now)
{
	const struct configuration *config = configuration();
	struct task_struct *waker = bpf_get_current_task_btf();
	struct scratch *scratch;

	thread->waker = in_interrupt(ctx, waker) ? 0 : bpf_get_current_pid_tgid();
	thread->waker_key = thread->waker_kernel = thread->waker_user = 0;
	if (!config)
		return;
	scratch = take_scratch();
	if (scratch) {
		long bytes = bpf_get_stack(ctx, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64),
					   OWN_FRAMES);

		thread->waker_kernel = send_kernel_stack(&scratch->stack, bytes, now, config->generation);
		if (!takes_stacks_late && thread->waker && has_user_mode(waker))
			thread->waker_user = send_user_stack(waker, &scratch->stack, &scratch->walk, now,
							     config->generation);
		give_back(scratch);
	}
	if (takes_stacks_late && thread->waker) {
		struct thread *own = thread_of(waker);

		if (own)
			thread->waker_key = take_user_stack_later(waker, own, now);
	}
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct thread *thread = thread_of(task);
	__u64 now, weight;

	if (!thread)
		return 0;
	now = bpf_ktime_get_ns();
	if (thread->state != STATE_BLOCKED) {
		thread->woken_ns = now;
		return 0;
	}
	/* Woken already. */
	if (thread->woken_ns >= thread->since_ns)
		return 0;
	thread->woken_ns = now;
	weight = draw_wait(thread, elapsed_ns(thread->since_ns, now), threshold_ns());
	if (weight && wanted_task(task)) {
		take_waker(ctx, thread, now);
		thread->blocked_weight_ns = weight;
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_new_thread, struct task_struct *parent, struct task_struct *child)
{
	struct thread *thread;

	/* Of a task that was at this address before, whose end was not seen. */
	leave_place(child);
	thread = follow(child, STATE_RUNNABLE, true);
	/* At its end, the filter may have forgotten its process already. */
	if (thread)
		thread->wanted = wanted_task(child);
	return 0;
}

/* Only now will nothing happen to the thread any more, but that the reading of all threads may still come by. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_thread_free, struct task_struct *task)
{
	leave_place(task);
	return 0;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___state {
	unsigned int __state;
	int on_cpu;
};
#pragma clang attribute pop

static __always_inline bool is_dead(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	return seen->__state & TASK_DEAD;
}

/* Nobody has been told of it yet: `on_new_thread` will begin to follow it. */
static __always_inline bool is_new(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	return seen->__state & TASK_NEW;
}

/* State of a thread that is seen for the first time. A wait that is under way counts from now on. */
static __always_inline enum thread_state present_state(struct task_struct *task)
{
	const struct task_struct___state *seen = (void *)task;

	if (seen->on_cpu)
		return STATE_RUNNING;
	return seen->__state == TASK_RUNNING ? STATE_RUNNABLE : STATE_BLOCKED;
}

/* The kernel stack of a thread that has been blocked for long: read once for each block. */
static __always_inline __u64 long_block_stack(struct task_struct *task, struct thread *thread, __u64 now)
{
	const struct configuration *config = configuration();
	struct scratch *scratch;

	if (!config)
		return 0;
	if (thread->long_block_since_ns == thread->since_ns && thread->long_block_generation == config->generation)
		return thread->long_block_stack;
	scratch = take_scratch();
	if (!scratch)
		return 0;
	thread->long_block_stack =
		send_kernel_stack(&scratch->stack,
				  bpf_get_task_stack(task, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), 0),
				  now, config->generation);
	thread->long_block_since_ns = thread->since_ns;
	thread->long_block_generation = config->generation;
	give_back(scratch);
	return thread->long_block_stack;
}

/* Writes what each thread's time was spent on until now. */
SEC("iter/task")
int read_threads(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	const struct configuration *config = configuration();
	struct record_thread record;
	struct thread *thread;
	__u64 now, elapsed;
	__u32 version, i;

	if (!task || !config || task->pid == 0 || is_new(task))
		return 0;
	thread = is_dead(task) ? thread_of(task) : follow(task, present_state(task), true);
	if (!thread)
		return 0;
	thread->wanted = wanted_task(task);
	if (!thread->wanted)
		return 0;
	for (i = 0; i < 4; i++) {
		version = *(volatile __u32 *)&thread->version;
		barrier();
		fill_record(&record, task, thread, 0);
		barrier();
		if (!(version & 1) && version == *(volatile __u32 *)&thread->version)
			break;
	}
	/* It is being begun, or switched all the time: then with the next reading. Or gone, and its room may be another's. */
	if (i == 4 || record.state == STATE_DEAD || record.id == 0 || thread_of(task) != thread)
		return 0;
	now = bpf_ktime_get_ns();
	record.time_ns = now;
	elapsed = elapsed_ns(record.since_ns, now);
	if (record.state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;

		record.state = blocked_state(task, thread->prev_state);
		if (woken >= record.since_ns && woken <= now) {
			i = record.state;
			barrier_var(i);
			if (i < STATE_MAX)
				record.ns[i] += woken - record.since_ns;
			elapsed = now - woken;
			record.since_ns = woken;
			record.state = is_queued(task) ? STATE_RUNNABLE : STATE_WAKING;
		} else if (elapsed > LONG_BLOCK_NS) {
			record.kernel_stack = long_block_stack(task, thread, now);
			if (thread->long_block_since_ns == record.since_ns)
				thread->long_block_state = record.state;
		}
	}
	i = record.state;
	barrier_var(i);
	if (i < STATE_MAX)
		record.ns[i] += elapsed;
	add_present(&record, task, elapsed);
	bpf_seq_write(seq, &record, sizeof(record));
	return 0;
}
