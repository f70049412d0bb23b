/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scheduler itself accounts to a thread, which /proc/PID/task/TID/schedstat shows, too: with it, the sums of
 * off-CPU profiling are checked, and the way from a wakeup to a run queue is told apart from the time in the queue. Where it
 * is known to be otherwise, that is measured: because its clock is not read at each switch and leaves out what the host of a
 * virtual machine takes, because it takes sleeps for time in a queue, or misses some.
 */
#ifndef HEARTH_SCHEDULER_ACCOUNT_BPF_H
#define HEARTH_SCHEDULER_ACCOUNT_BPF_H

#include "kernel.h"
#include "hearth.h"
#include "off-cpu.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct rq___run {
	__u64 clock;
};

struct cfs_rq___run {
	struct rq___run *rq;
};

struct sched_entity___run {
	struct cfs_rq___run *cfs_rq;
	__u64 exec_start;
	__u64 sum_exec_runtime;
	__u64 prev_sum_exec_runtime;
};

struct sched_info___run {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_queued;
};

struct task_struct___run {
	struct sched_entity___run se;
	struct sched_info___run sched_info;
	int prio;
	unsigned int policy;
};
#pragma clang attribute pop

#define MAX_RT_PRIO 100
#define SCHED_EXT 7

/* Only the fair scheduler remembers what a thread that runs had before it got its CPU. */
static __always_inline bool is_fair(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return run->prio >= MAX_RT_PRIO && run->policy != SCHED_EXT;
}

/* On CPUs; of a thread that runs, as of the last tick. */
static __always_inline __u64 run_sum(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return run->se.sum_exec_runtime;
}

/* The same when a thread of the fair scheduler last got a CPU. */
static __always_inline __u64 prior_run_sum(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return run->se.prev_sum_exec_runtime;
}

/* The same of any thread; where the scheduler does not remember it, as of when it was last seen to go or come. */
static __always_inline __u64 run_sum_at_arrival(struct task_struct *task, const struct thread *thread)
{
	__u64 sum = prior_run_sum(task);

	return sum > thread->run_sum_ns && is_fair(task) ? sum : thread->run_sum_ns;
}

/* How often a thread has got a CPU, without the one that it gets in this moment. */
static __always_inline __u64 arrivals(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return bpf_core_field_exists(run->sched_info.pcount) ? run->sched_info.pcount : 0;
}

/* Without what is under way: in a kernel without this account, UNKNOWN_NS. */
static __always_inline __u64 queue_sum(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return bpf_core_field_exists(run->sched_info.run_delay) ? run->sched_info.run_delay : UNKNOWN_NS;
}

/* A CPU, by the address of its run queue, and what its scheduler takes for the time; 0 where that is not known. */
struct scheduler_time {
	__u64 cpu;
	__u64 clock;
};

/*
 * Of the CPU on which a task is, or was last. The scheduler reads its clock as it switches, but not where a wakeup has asked for
 * the switch: there the wakeup's time counts, for the account of who comes and of who goes. Each thread has the queue of the
 * fair scheduler, whatever its policy.
 */
static __always_inline struct scheduler_time scheduler_time(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;
	const struct rq___run *rq;

	if (!bpf_core_field_exists(run->se.cfs_rq->rq))
		return (struct scheduler_time){};
	rq = run->se.cfs_rq->rq;
	return (struct scheduler_time){.cpu = (__u64)rq, .clock = rq->clock};
}

/* With what is under way at this time of its scheduler. */
static __always_inline __u64 queue_sum_until(struct task_struct *task, struct scheduler_time time)
{
	const struct task_struct___run *run = (void *)task;
	__u64 since;

	if (!bpf_core_field_exists(run->sched_info.run_delay) || !bpf_core_field_exists(run->se.cfs_rq->rq))
		return UNKNOWN_NS;
	since = run->sched_info.last_queued;
	return queue_sum(task) + (since ? elapsed_ns(since, time.clock) : 0);
}

/* For how long a thread of this sum has been in run queues since it was last seen to go or come; UNKNOWN_NS where that is not known. */
static __always_inline __u64 queued_ns(const struct thread *thread, __u64 queue_sum_ns)
{
	return thread->queue_sum_ns == UNKNOWN_NS || queue_sum_ns == UNKNOWN_NS ?
		       UNKNOWN_NS :
		       elapsed_ns(thread->queue_sum_ns, queue_sum_ns);
}

#define CLOCKS_DIFFER_NS 20000ULL

/*
 * Since Linux 6.12 the scheduler takes a sleep for time in a run queue now and then: it seems to begin to count where it moves a
 * thread that falls asleep to another CPU. What is from before the wakeup is left out of the account.
 */
static __always_inline void leave_out_sleep(struct thread *thread, __u64 queued, __u64 waited)
{
	if (queued != UNKNOWN_NS && queued > waited + CLOCKS_DIFFER_NS)
		thread->queue_before_ns += queued - waited;
}

/*
 * How far a clock of the scheduler is behind, and by how much it began later: only differences mean something. 0 where it is
 * not known.
 */
static __always_inline __u64 clock_lag(__u64 time, __u64 now)
{
	return time ? now - time : 0;
}

/*
 * The same of the clock for the account of CPUs, which leaves out what the host of a virtual machine takes, and interrupts where
 * they are accounted: when the scheduler last accounted to a thread that it runs, or did so until now.
 */
static __always_inline __u64 run_lag(struct task_struct *task, __u64 now)
{
	const struct task_struct___run *run = (void *)task;

	return clock_lag(run->se.exec_start, now);
}

static __always_inline void come_by_clock(struct task_struct *task, struct thread *thread, struct scheduler_time time,
					  __u64 now)
{
	thread->clock_lag_ns = run_lag(task, now);
	thread->clock_cpu = time.cpu;
}

/* By how much the time since a thread last came or went is longer than the scheduler takes it for, which has this lag now. */
static __always_inline __s64 left_out(const struct thread *thread, __u64 lag)
{
	return thread->clock_lag_ns ? lag - thread->clock_lag_ns : 0;
}

/* A thread that has run goes. If it is elsewhere by now, the switches there were not seen. */
static __always_inline void take_clock_going(struct task_struct *task, struct thread *thread, struct scheduler_time time,
					     __u64 now)
{
	if (thread->clock_cpu == time.cpu)
		thread->run_clock_ns += left_out(thread, run_lag(task, now));
	thread->clock_lag_ns = clock_lag(time.clock, now);
}

/* A thread comes that has waited for a CPU since it went. */
static __always_inline void take_clock_coming(struct task_struct *task, struct thread *thread, struct scheduler_time time,
					      __u64 now)
{
	thread->queue_clock_ns += left_out(thread, clock_lag(time.clock, now));
	come_by_clock(task, thread, time, now);
}

/*
 * A thread that was preempted as it was about to sleep is not in a run queue for the account, unless it is moved to another CPU
 * meanwhile. What is missing is put in.
 */
static __always_inline void put_in_missed(struct thread *thread, __u64 queued, __u64 waited)
{
	if (queued < waited)
		thread->queue_missed_ns += waited - queued;
}

/* Whether a thread that was woken has come to a run queue. */
static __always_inline bool is_queued(struct task_struct *task)
{
	const struct task_struct___run *run = (void *)task;

	return !bpf_core_field_exists(run->sched_info.last_queued) || run->sched_info.last_queued;
}

static __always_inline void begin_account(struct task_struct *task, struct thread *thread)
{
	thread->run_before_ns = thread->run_sum_ns = run_sum(task);
	thread->queue_before_ns = thread->queue_sum_ns = queue_sum(task);
	/* The time on a CPU until now is left out of both. Of one that is new, the queue has not begun. */
	if (thread->state == STATE_RUNNING)
		come_by_clock(task, thread, scheduler_time(task), thread->since_ns);
}

/* Up to when the thread's present state began. */
static __always_inline void fill_account(struct record_thread *record, struct task_struct *task,
					 const struct thread *thread)
{
	__u64 at_arrival = thread->run_sum_ns, now = run_sum(task), queued;

	/* Else the compiler makes one load of two addresses of it, which the verifier refuses. */
	barrier_var(at_arrival);
	barrier_var(now);
	record->scheduler_run_ns =
		elapsed_ns(thread->run_before_ns, record->state == STATE_RUNNING ? at_arrival : now);
	/* What it has of a wait for a CPU that goes on, or of the sleep before, is told apart when the thread comes. */
	queued = record->state == STATE_RUNNING || thread->queue_sum_ns == UNKNOWN_NS ? queue_sum(task) :
											thread->queue_sum_ns;
	record->scheduler_queue_ns = thread->queue_before_ns == UNKNOWN_NS ?
					     UNKNOWN_NS :
					     elapsed_ns(thread->queue_before_ns, queued) + thread->queue_missed_ns;
	record->scheduler_run_clock_ns = thread->run_clock_ns;
	record->scheduler_queue_clock_ns = thread->queue_clock_ns;
}

/* Adds the present state, of which both accounts will have the same. */
static __always_inline void add_present(struct record_thread *record, __u64 elapsed)
{
	if (record->state == STATE_RUNNING)
		record->scheduler_run_ns += elapsed;
	else if ((record->state == STATE_RUNNABLE || record->state == STATE_THROTTLED) &&
		 record->scheduler_queue_ns != UNKNOWN_NS)
		record->scheduler_queue_ns += elapsed;
}

#endif
