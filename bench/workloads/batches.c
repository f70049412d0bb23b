// SPDX-License-Identifier: Apache-2.0
/*
 * The same work over and over, in batches of about 5 ms, on a stack DEPTH deep, in 32 KiB of memory, until SIGTERM. On
 * one CPU: what a move to another costs is not the profiler's. Then it prints, for each batch, a line: when it ended
 * (CLOCK_MONOTONIC, seconds), and what it took by the clock and of the thread's CPU time, in microseconds.
 *
 *   batches CPU DEPTH
 */
#define _GNU_SOURCE
#include "workload.h"
#include <sched.h>
#include <signal.h>

#define MAX_BATCHES 200000
#define BATCH_US 5000
#define WORDS 4096

static struct {
	double end, wall_us, cpu_us;
} batches[MAX_BATCHES];
static volatile sig_atomic_t ended;
static uint64_t memory[WORDS];
static uint64_t state = 88172645463325252ull;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static double thread_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

KEEP void work(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		state = spin(state, 1);
		memory[state % WORDS] += state;
	}
}

KEEP int descend(int depth, long rounds)
{
	/* As large as frames are. */
	volatile char local[128];

	local[0] = (char)depth;
	if (depth == 0)
		work(rounds);
	else
		descend(depth - 1, rounds);
	return local[0]; /* no tail call */
}

int main(int argc, char **argv)
{
	int depth = argc > 2 ? atoi(argv[2]) : 25, count = 0;
	long rounds = 1000000;
	double start, least = 1e9;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(argc > 1 ? atoi(argv[1]) : 0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
		perror("batches");
		return 1;
	}
	signal(SIGTERM, end);
	for (int i = 0; i < 10; i++) {
		start = thread_us();
		descend(depth, rounds);
		least = thread_us() - start < least ? thread_us() - start : least;
	}
	rounds = (long)(rounds * (BATCH_US / least));
	for (; count < MAX_BATCHES && !ended; count++) {
		double wall = now_seconds();

		start = thread_us();
		descend(depth, rounds);
		batches[count].cpu_us = thread_us() - start;
		batches[count].end = now_seconds();
		batches[count].wall_us = (batches[count].end - wall) * 1e6;
	}
	for (int i = 0; i < count; i++)
		printf("%.6f %.1f %.1f\n", batches[i].end, batches[i].wall_us, batches[i].cpu_us);
	return 0;
}
