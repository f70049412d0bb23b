/* SPDX-License-Identifier: Apache-2.0 */
/* What the workloads share: work whose amount is known, and a report of the CPU time that the kernel accounted. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define KEEP __attribute__((noinline, noclone))

/* About 0.1 ms of work on a machine of today. */
#define SLICE 100000u

/* Pure calculation: each round costs the same, whichever function calls it, so shares of rounds are shares of time. */
static inline __attribute__((always_inline)) uint64_t spin(uint64_t seed, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
	}
	return seed;
}

static inline double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static inline double cpu_seconds(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

#endif
