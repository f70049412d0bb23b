// SPDX-License-Identifier: Apache-2.0
/* Three functions that burn CPU 60 : 30 : 10, for SECONDS. Prints their exact shares and the CPU time, as JSON. */
#include "workload.h"

static uint64_t state = 88172645463325252ull;
static uint64_t rounds[3];

/* About two milliseconds: longer than a period at 1,000 Hz, so that chance adds less to their shares than to single samples. */
#define TURN (10 * SLICE)

KEEP void burn_sixty(void) { state = spin(state, TURN); rounds[0]++; __asm__ volatile(""); }
KEEP void burn_thirty(void) { state = spin(state, TURN); rounds[1]++; __asm__ volatile(""); }
KEEP void burn_ten(void) { state = spin(state, TURN); rounds[2]++; __asm__ volatile(""); }

/* The order is random: a regular one could run in step with the sampling period. */
KEEP void work(double seconds)
{
	double end = now_seconds() + seconds;
	uint32_t random = 1;

	while (now_seconds() < end) {
		random = random * 1664525u + 1013904223u;
		uint32_t dice = (random >> 16) % 10;

		if (dice < 6)
			burn_sixty();
		else if (dice < 9)
			burn_thirty();
		else
			burn_ten();
	}
}

int main(int argc, char **argv)
{
	work(argc > 1 ? atof(argv[1]) : 3);
	double all = rounds[0] + rounds[1] + rounds[2];

	printf("{\"cpuSeconds\": %.6f, \"shares\": {\"burn_sixty\": %.6f, \"burn_thirty\": %.6f, \"burn_ten\": %.6f}, \"state\": %u}\n",
	       cpu_seconds(RUSAGE_SELF), rounds[0] / all, rounds[1] / all, rounds[2] / all, (unsigned)(state & 1));
	return 0;
}
