/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups by the C library's resolver, and how long each took, as the program itself sees it. Waits for a line on its
 * standard input before it begins and before it ends, and prints one line of JSON in between.
 *
 *   dns N SERVER NAME           N look-ups of NAME, one after the other, asking SERVER (an IPv4 address) once each
 *   dns N SERVER NAME unconnected   the same, by sockets that are not connected, as musl's resolver has them
 */
#include "workload.h"
#include <arpa/inet.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t *durations;
static int count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void await_line(void)
{
	char byte;

	while (read(0, &byte, 1) == 1 && byte != '\n')
		;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void ask_unconnected(struct __res_state *state, const char *name)
{
	unsigned char query[512], answer[512];
	int length = res_nmkquery(state, ns_o_query, name, ns_c_in, ns_t_a, NULL, 0, NULL, query, sizeof(query));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sendto(fd, query, length, 0, (struct sockaddr *)&state->nsaddr_list[0], sizeof(state->nsaddr_list[0]));
	recv(fd, answer, sizeof(answer), 0);
	close(fd);
}

int main(int argc, char **argv)
{
	struct __res_state state = {0};
	unsigned char answer[512];

	if (argc < 4 || res_ninit(&state))
		return 2;
	state.nscount = 1;
	state.nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
	inet_pton(AF_INET, argv[2], &state.nsaddr_list[0].sin_addr);
	state.retrans = 1;
	state.retry = 1;
	count = atoi(argv[1]);
	durations = calloc(count, sizeof(*durations));
	await_line();
	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		if (argc > 4)
			ask_unconnected(&state, argv[3]);
		else
			res_nquery(&state, argv[3], ns_c_in, ns_t_a, answer, sizeof(answer));
		durations[i] = now_ns() - start;
	}
	qsort(durations, count, sizeof(*durations), ascending);
	printf("{\"count\":%d,\"p50\":%lu,\"p90\":%lu,\"max\":%lu}\n", count, durations[(count + 1) / 2 - 1],
	       durations[(count * 9 + 9) / 10 - 1], durations[count - 1]);
	fflush(stdout);
	await_line();
	return 0;
}
