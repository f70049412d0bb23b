// SPDX-License-Identifier: Apache-2.0
/* A fixed amount of work on a stack DEPTH deep: ROUNDS times SLICE. Prints how long it took, as JSON. */
#include "workload.h"

static uint64_t state = 88172645463325252ull;

KEEP void do_work(long rounds)
{
	for (long i = 0; i < rounds; i++)
		state = spin(state, SLICE);
}

KEEP int descend(int depth, long rounds)
{
	if (depth == 0)
		do_work(rounds);
	else
		descend(depth - 1, rounds);
	__asm__ volatile(""); /* no tail call */
	return depth;
}

int main(int argc, char **argv)
{
	double start = now_seconds();

	descend(argc > 1 ? atoi(argv[1]) : 20, argc > 2 ? atol(argv[2]) : 20000);
	printf("{\"seconds\": %.6f, \"cpuSeconds\": %.6f, \"state\": %u}\n", now_seconds() - start,
	       cpu_seconds(RUSAGE_SELF), (unsigned)(state & 1));
	return 0;
}
