// SPDX-License-Identifier: Apache-2.0
/* Recurses DEPTH deep, burns CPU there for SECONDS. Prints the CPU time, as JSON. */
#include "workload.h"

static uint64_t state = 88172645463325252ull;

KEEP void burn_at_the_bottom(double seconds)
{
	double end = now_seconds() + seconds;

	while (now_seconds() < end)
		state = spin(state, SLICE);
}

KEEP int descend(int depth, double seconds)
{
	if (depth == 0)
		burn_at_the_bottom(seconds);
	else
		descend(depth - 1, seconds);
	__asm__ volatile(""); /* no tail call */
	return depth;
}

int main(int argc, char **argv)
{
	descend(argc > 1 ? atoi(argv[1]) : 50, argc > 2 ? atof(argv[2]) : 2);
	printf("{\"cpuSeconds\": %.6f, \"state\": %u}\n", cpu_seconds(RUSAGE_SELF), (unsigned)(state & 1));
	return 0;
}
