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
#include "catch-up.bpf.h"
#include "draw.bpf.h"
#include "late-stack.bpf.h"
#include "off-cpu.bpf.h"
#include "scheduler-account.bpf.h"
#include "stack-room.bpf.h"
#include "task-stack.bpf.h"
#include "thread-places.bpf.h"
#include "unseen-switch.bpf.h"
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

	forget_early_stacks(thread);
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

static __always_inline void switch_out(void *ctx, struct task_struct *task, bool preempted, __u32 prev_state, __u64 now,
				       struct scheduler_time time)
{
	struct thread *thread = known(task, STATE_RUNNING);

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	thread->version++;
	barrier();
	if (thread->state != STATE_RUNNING || was_away(task, thread, now))
		catch_up_until_going(task, thread, now);
	add_time(thread, STATE_RUNNING, elapsed_ns(thread->since_ns, now));
	take_clock_going(task, thread, time, now);
	thread->since_ns = now;
	thread->prev_state = prev_state;
	thread->run_sum_ns = run_sum(task);
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

static __always_inline void switch_in(struct task_struct *task, __u64 now, struct scheduler_time time)
{
	struct thread *thread = known(task, STATE_RUNNABLE);
	struct wait_part blocked = {}, runnable = {.state = STATE_RUNNABLE, .end_ns = now};
	__u64 threshold = threshold_ns();
	bool was_blocked = false, is_queued_anew = false, is_known = true;	/* since when it was runnable */
	__u64 since, queued = UNKNOWN_NS, waking = 0;
	__u32 modes;

	if (!thread) {
		count_missed(task, LOST_THREAD);
		return;
	}
	thread->version++;
	barrier();
	if (thread->state == STATE_RUNNING || run_sum(task) > thread->run_sum_ns)
		catch_up_until_coming(task, thread, now);
	since = thread->since_ns;
	if (since > now)
		since = now;
	if (thread->state == STATE_BLOCKED || !thread->clock_lag_ns) {
		/* Woken, or new. */
		is_queued_anew = true;
		queued = queued_ns(task, thread, time);
	}
	if (thread->state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;

		/* By a CPU whose clock is ahead of this one's, or in this moment by a second waker. */
		if (woken > now)
			woken = now;

		blocked.weight_ns = thread->blocked_weight_ns;
		if (woken < since) {
			if (woken >= thread->ran_ns) {
				/* Woken on another CPU in the moment in which it was switched out. */
				woken = since;
			} else {
				/* Not seen. The scheduler knows when it came to a run queue. */
				woken = queued == UNKNOWN_NS ? now : since + elapsed_ns(queued, now - since);
				thread->waker = thread->waker_key = thread->waker_kernel = thread->waker_user = 0;
				blocked.weight_ns = draw_wait(thread, woken - since, threshold);
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
	} else {
		if (thread->state == STATE_THROTTLED)
			runnable.state = STATE_THROTTLED;
		runnable.duration_ns = now - since;
	}
	if (is_queued_anew) {
		if (queued < runnable.duration_ns)
			waking = runnable.duration_ns - queued;
		else if (is_known)
			leave_out_sleep(thread, queued, runnable.duration_ns);
		add_time(thread, STATE_WAKING, waking);
		come_by_clock(task, thread, time, now);
	} else {
		take_clock_coming(task, thread, time, now);
		if (thread->prev_state != TASK_RUNNING)
			put_in_missed(thread, queued_ns(task, thread, time), runnable.duration_ns);
	}
	add_time(thread, runnable.state, runnable.duration_ns - waking);
	thread->state = STATE_RUNNING;
	thread->since_ns = now;
	thread->ran_ns = now;
	thread->run_sum_ns = run_sum(task);
	thread->arrivals = arrivals(task);
	barrier();
	thread->version++;
	runnable.weight_ns = draw_wait(thread, runnable.duration_ns, threshold);
	modes = modes_at(now, task);
	if (was_blocked && modes & MODE_BLOCKED)
		count_blocked(task, thread, blocked.state, blocked.duration_ns);
	if (is_known && modes & MODE_RUNQUEUE)
		count_runnable(task, thread, runnable.duration_ns);
	if (!takes_stacks_late)
		thread->early.expected_ns = expected_after(thread->early.expected_ns, now - since);
	if (blocked.weight_ns | runnable.weight_ns)
		take_wait(task, thread, now, &blocked, &runnable);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct *prev, struct task_struct *next, __u32 prev_state)
{
	struct scheduler_time time = scheduler_time(prev);
	__u64 now = bpf_ktime_get_ns();

	/* The idle tasks, one per CPU, have pid 0. */
	if (prev->pid)
		switch_out(ctx, prev, preempted, prev_state, now, time);
	if (next->pid)
		switch_in(next, now, time);
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
	__u64 now, since, weight;

	if (!thread)
		return 0;
	now = bpf_ktime_get_ns();
	since = thread->since_ns;
	if (thread->state != STATE_BLOCKED || thread->woken_ns >= since) {
		if (has_gone(task, thread, thread->state, since, now)) {
			since = begin_unseen_block(task, thread, now);
		} else {
			/* Else woken already. */
			if (thread->state != STATE_BLOCKED)
				thread->woken_ns = now;
			return 0;
		}
	}
	thread->woken_ns = now;
	weight = draw_wait(thread, elapsed_ns(since, now), threshold_ns());
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

/* The kernel stack of a thread that has been blocked for long: read once for each block. */
static __always_inline __u64 long_block_stack(struct task_struct *task, struct thread *thread, __u64 since, __u64 now)
{
	const struct configuration *config = configuration();
	struct scratch *scratch;

	if (!config)
		return 0;
	if (thread->looked_at_since_ns == since && thread->looked_at_generation == config->generation)
		return thread->looked_at_stack;
	scratch = take_scratch();
	if (!scratch)
		return 0;
	thread->looked_at_stack =
		send_kernel_stack(&scratch->stack,
				  bpf_get_task_stack(task, scratch->stack.addresses, MAX_KERNEL_FRAMES * sizeof(__u64), 0),
				  now, config->generation);
	thread->looked_at_since_ns = since;
	thread->looked_at_generation = config->generation;
	give_back(scratch);
	return thread->looked_at_stack;
}

static __always_inline void add_elapsed(struct record_thread *record, __u32 state, __u64 ns)
{
	barrier_var(state);
	if (state < STATE_MAX)
		record->ns[state] += ns;
}

/* Adds what a thread has done since it was last seen to go or come. */
static __always_inline void fill_present(struct record_thread *record, struct task_struct *task, struct thread *thread)
{
	__u64 now = record->time_ns, since = record->since_ns, until = now;
	bool is_unseen = record->state != STATE_RUNNING && present_state(task) == STATE_RUNNING &&
			 elapsed_ns(since, now) > AWAY_NS;

	if (is_unseen)
		until = came_at(task, thread, since, now);
	if (record->state == STATE_BLOCKED) {
		__u64 woken = *(volatile __u64 *)&thread->woken_ns;

		record->state = is_unseen ? past_blocked_state(task, thread) : blocked_state(task, thread->prev_state);
		if (woken >= since && woken <= until) {
			add_elapsed(record, record->state, woken - since);
			record->since_ns = woken;
			record->state = is_unseen || is_queued(task) ? STATE_RUNNABLE : STATE_WAKING;
		} else if (!is_unseen && elapsed_ns(since, now) > LONG_BLOCK_NS) {
			record->kernel_stack = long_block_stack(task, thread, since, now);
			if (thread->looked_at_since_ns == since)
				thread->looked_at_state = record->state;
		}
	}
	if (record->state == STATE_RUNNABLE && !thread->clock_lag_ns) {
		/* New: whoever made it has not woken it yet, or needed some time for it. */
		__u64 queued = queued_ns(task, thread, scheduler_time(task));
		__u64 runnable = elapsed_ns(since, until);

		if (queued < runnable) {
			add_elapsed(record, STATE_WAKING, runnable - queued);
			record->since_ns += runnable - queued;
		}
	}
	add_elapsed(record, record->state, elapsed_ns(record->since_ns, until));
	if (is_unseen) {
		add_elapsed(record, STATE_RUNNING, now - until);
		record->since_ns = until;
		record->state = STATE_RUNNING;
	} else {
		add_present(record, elapsed_ns(record->since_ns, now));
	}
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
	__u64 now, since;
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
		now = bpf_ktime_get_ns();
		fill_record(&record, task, thread, now);
		if (has_gone(task, thread, record.state, record.since_ns, now)) {
			since = record.since_ns;
			record.state = state_since_gone(task, thread, &record.since_ns, now);
			record.ns[STATE_RUNNING] += elapsed_ns(since, record.since_ns);
			fill_account(&record, task, thread);
		}
		barrier();
		if (!(version & 1) && version == *(volatile __u32 *)&thread->version)
			break;
	}
	/* It is being begun, or switched all the time: then with the next reading. Or gone, and its room may be another's. */
	if (i == 4 || record.state == STATE_DEAD || record.id == 0 || thread_of(task) != thread)
		return 0;
	fill_present(&record, task, thread);
	bpf_seq_write(seq, &record, sizeof(record));
	return 0;
}
