/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose number is known, and how long each took, as the program itself sees it. Waits for a line on its standard
 * input before it begins and before it ends, and prints one line of JSON in between.
 *
 *   latency getpid N            N calls of getpid
 *   latency sleep N NS          N sleeps
 *   latency futex N NS          N waits for a futex that time out, and as many whose value has changed
 *   latency file N PATH         N writes of 64 KiB with an fsync each, then as many reads that are not in memory
 *   latency tcp N               N connections over loopback, 1000 bytes there and 500 back on each
 */
#define _GNU_SOURCE
#include "workload.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 65536
#define SENT 1000
#define ANSWERED 500

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

static void print_quantiles(const char *name)
{
	qsort(durations, count, sizeof(*durations), ascending);
	printf("\"%s\":{\"count\":%d,\"p50\":%lu,\"p90\":%lu,\"max\":%lu}", name, count, durations[(count + 1) / 2 - 1],
	       durations[(count * 9 + 9) / 10 - 1], durations[count - 1]);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void sleeps(uint64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		nanosleep(&t, NULL);
		durations[i] = now_ns() - start;
	}
	print_quantiles("sleep");
}

static void futexes(uint64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	int word = 0;

	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
		durations[i] = now_ns() - start;
	}
	for (int i = 0; i < count; i++)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &t, NULL, 0);
	print_quantiles("wait");
}

static void files(const char *path)
{
	static char block[BLOCK];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		fail(path);
	for (int i = 0; i < count; i++) {
		uint64_t start;

		if (write(fd, block, BLOCK) != BLOCK)
			fail("write");
		start = now_ns();
		if (fsync(fd))
			fail("fsync");
		durations[i] = now_ns() - start;
	}
	print_quantiles("fsync");
	printf(",");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		if (pread(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			fail("pread");
		durations[i] = now_ns() - start;
	}
	print_quantiles("read");
	close(fd);
	unlink(path);
}

static void *answer(void *listener)
{
	char bytes[SENT];

	for (int i = 0; i < count; i++) {
		int fd = accept(*(int *)listener, NULL, NULL);

		if (recv(fd, bytes, SENT, MSG_WAITALL) != SENT || send(fd, bytes, ANSWERED, 0) != ANSWERED)
			fail("answer");
		close(fd);
	}
	return NULL;
}

static void connections(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char bytes[SENT] = {0};
	pthread_t thread;

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		fail("listen");
	pthread_create(&thread, NULL, answer, &listener);
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		uint64_t start = now_ns();

		if (connect(fd, (struct sockaddr *)&address, length))
			fail("connect");
		durations[i] = now_ns() - start;
		if (send(fd, bytes, SENT, 0) != SENT || recv(fd, bytes, ANSWERED, MSG_WAITALL) != ANSWERED)
			fail("talk");
		close(fd);
	}
	pthread_join(thread, NULL);
	print_quantiles("connect");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	count = atoi(argv[2]);
	durations = calloc(count, sizeof(*durations));
	setvbuf(stdout, NULL, _IOFBF, 4096);
	await_line();
	printf("{");
	if (strcmp(argv[1], "getpid") == 0) {
		for (int i = 0; i < count; i++)
			syscall(SYS_getpid);
		printf("\"done\":true");
	} else if (strcmp(argv[1], "sleep") == 0) {
		sleeps(strtoull(argv[3], NULL, 10));
	} else if (strcmp(argv[1], "futex") == 0) {
		futexes(strtoull(argv[3], NULL, 10));
	} else if (strcmp(argv[1], "file") == 0) {
		files(argv[3]);
	} else {
		connections();
	}
	printf("}\n");
	fflush(stdout);
	await_line();
	return 0;
}
