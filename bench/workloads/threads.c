// SPDX-License-Identifier: Apache-2.0
/* THREADS threads, named worker-0 and so on, that burn CPU for SECONDS together. Prints the CPU time, as JSON. */
#define _GNU_SOURCE
#include <pthread.h>
#include "workload.h"

static double end;

KEEP uint64_t burn_in_thread(uint64_t state)
{
	while (now_seconds() < end)
		state = spin(state, SLICE);
	return state;
}

static void *run(void *argument)
{
	char name[16];

	snprintf(name, sizeof(name), "worker-%d", (int)(intptr_t)argument);
	pthread_setname_np(pthread_self(), name);
	return (void *)(uintptr_t)burn_in_thread((uintptr_t)argument + 1);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 200;
	pthread_t *threads = calloc(count, sizeof(*threads));

	end = now_seconds() + (argc > 2 ? atof(argv[2]) : 3);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("{\"cpuSeconds\": %.6f, \"threads\": %d}\n", cpu_seconds(RUSAGE_SELF), count);
	free(threads);
	return 0;
}
