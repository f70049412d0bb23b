// SPDX-License-Identifier: Apache-2.0
/*
 * COUNT processes, one after another, that each burn CPU for MILLISECONDS of their own CPU time and exit. Each is
 * executed anew, as `short-lived child MILLISECONDS N`. Prints the CPU time of all, as JSON.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "workload.h"

KEEP void burn_briefly(double seconds)
{
	uint64_t state = 88172645463325252ull;

	while (cpu_seconds(RUSAGE_SELF) < seconds)
		state = spin(state, SLICE);
	__asm__ volatile("" : : "r"(state));
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "child") == 0) {
		burn_briefly(atof(argv[2]) / 1000);
		return 0;
	}
	int count = argc > 1 ? atoi(argv[1]) : 500;
	const char *milliseconds = argc > 2 ? argv[2] : "20";

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			char number[16];

			snprintf(number, sizeof(number), "%d", i);
			execl(argv[0], "short-lived", "child", milliseconds, number, NULL);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	printf("{\"cpuSeconds\": %.6f, \"processes\": %d}\n", cpu_seconds(RUSAGE_CHILDREN) + cpu_seconds(RUSAGE_SELF), count);
	return 0;
}
