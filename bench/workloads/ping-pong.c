/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What perf bench sched pipe does, in batches: two processes on one CPU pass four bytes there and back through pipes, 1000
 * times in each batch. What else runs on the machine makes batches longer, never shorter: prints, in microseconds for
 * each operation, the time that one batch in twenty does not exceed.
 *
 *   ping-pong CPU BATCHES
 */
#define _GNU_SOURCE
#include "workload.h"
#include <sched.h>
#include <unistd.h>

#define OPERATIONS 1000

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	int there[2], back[2], message = 0, batches = argc > 2 ? atoi(argv[2]) : 0;
	double *durations = calloc(batches, sizeof(*durations));
	cpu_set_t cpus;

	if (batches < 1)
		return 2;
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || pipe(there) || pipe(back)) {
		perror("ping-pong");
		return 1;
	}
	if (fork() == 0) {
		close(there[1]);
		while (read(there[0], &message, sizeof(message)) == sizeof(message))
			if (write(back[1], &message, sizeof(message)) != sizeof(message))
				return 1;
		return 0;
	}
	close(there[0]);
	for (int batch = 0; batch < batches; batch++) {
		double start = now_us();

		for (int i = 0; i < OPERATIONS; i++)
			if (write(there[1], &message, sizeof(message)) != sizeof(message) ||
			    read(back[0], &message, sizeof(message)) != sizeof(message))
				return 1;
		durations[batch] = (now_us() - start) / OPERATIONS;
	}
	qsort(durations, batches, sizeof(*durations), ascending);
	printf("%.3f\n", durations[batches / 20]);
	return 0;
}
