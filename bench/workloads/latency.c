/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose number is known, and how long each took, as the program itself sees it. Waits for a line on its standard
 * input before it begins and before it ends, and prints one line of JSON in between.
 *
 *   latency getpid N            N calls of getpid
 *   latency crowd N             N threads that are there at the same time, 10 calls of getpid in each
 *   latency sleep N NS          N sleeps
 *   latency varied N            N sleeps of 50 us to 1 ms, and how long each was, in order of length
 *   latency sleeps N            N sleeps of 1 ms in short_sleeps, and a twentieth of them, of 20 ms, in long_sleeps
 *   latency frequent N          one after the other and N times, 4 calls of getpid, a read of 64 KiB of zeros and a sleep of no
 *                               time; and after each thousand of that, a sleep of 250 ms
 *   latency futex N NS          N waits for a futex that time out, and as many whose value has changed
 *   latency file N PATH         N writes of 64 KiB with an fsync each in write_synced, then as many reads that are not in
 *                               memory in read_back
 *   latency tcp N               N connections over loopback in connections, 1000 bytes there and 500 back on each
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

/* A frame of its own in stacks. */
#define FUNCTION static __attribute__((noinline, noipa))

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

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void print_quantiles(const char *name)
{
	qsort(durations, count, sizeof(*durations), ascending);
	printf("\"%s\":{\"count\":%d,\"p50\":%lu,\"p90\":%lu,\"max\":%lu}", name, count, durations[(count + 1) / 2 - 1],
	       durations[(count * 9 + 9) / 10 - 1], durations[count - 1]);
}

static pthread_barrier_t all_are_there;

static void *getpid_in_crowd(void *nothing)
{
	pthread_barrier_wait(&all_are_there);
	for (int i = 0; i < 10; i++)
		syscall(SYS_getpid);
	pthread_barrier_wait(&all_are_there);
	return nothing;
}

static void crowd(void)
{
	pthread_t *threads = calloc(count, sizeof(*threads));
	pthread_attr_t attributes;

	pthread_barrier_init(&all_are_there, NULL, count);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], &attributes, getpid_in_crowd, NULL))
			fail("pthread_create");
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("\"done\":true");
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

static void varied_sleeps(void)
{
	for (int i = 0; i < count; i++) {
		struct timespec t = {0, 50000 * (i % 20 + 1)};
		uint64_t start = now_ns();

		nanosleep(&t, NULL);
		durations[i] = now_ns() - start;
	}
	qsort(durations, count, sizeof(*durations), ascending);
	printf("\"durations\":[");
	for (int i = 0; i < count; i++)
		printf("%s%lu", i ? "," : "", durations[i]);
	printf("]");
}

static uint64_t sleep_often(int times, uint64_t ns)
{
	struct timespec t = {0, ns};
	uint64_t start = now_ns();

	for (int i = 0; i < times; i++)
		nanosleep(&t, NULL);
	return now_ns() - start;
}

FUNCTION uint64_t short_sleeps(void)
{
	return sleep_often(count, 1000000) + 1;
}

FUNCTION uint64_t long_sleeps(void)
{
	return sleep_often(count / 20, 20000000) + 1;
}

FUNCTION void futexes(uint64_t ns)
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

static char block[BLOCK];

FUNCTION void write_synced(int fd)
{
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
}

FUNCTION void read_back(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		if (pread(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			fail("pread");
		durations[i] = now_ns() - start;
	}
	print_quantiles("read");
}

static void files(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		fail(path);
	write_synced(fd);
	printf(",");
	read_back(fd);
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

FUNCTION void connections(void)
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

static void frequent_calls(void)
{
	struct timespec no_time = {0}, long_time = {.tv_nsec = 250000000};
	int zeros = open("/dev/zero", O_RDONLY);
	static char bytes[BLOCK];
	uint64_t sum = 0;

	for (int i = 0; i < count; i++) {
		uint64_t start;

		for (int call = 0; call < 4; call++)
			syscall(SYS_getpid);
		start = now_ns();
		if (read(zeros, bytes, BLOCK) != BLOCK)
			fail("read");
		durations[i] = now_ns() - start;
		sum += durations[i];
		clock_nanosleep(CLOCK_MONOTONIC, 0, &no_time, NULL);
		if ((i + 1) % 1000 == 0)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL);
	}
	printf("\"sum\":%lu,", sum);
	print_quantiles("read");
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
	} else if (strcmp(argv[1], "crowd") == 0) {
		crowd();
	} else if (strcmp(argv[1], "sleep") == 0) {
		sleeps(strtoull(argv[3], NULL, 10));
	} else if (strcmp(argv[1], "varied") == 0) {
		varied_sleeps();
	} else if (strcmp(argv[1], "frequent") == 0) {
		frequent_calls();
	} else if (strcmp(argv[1], "sleeps") == 0) {
		uint64_t brief = short_sleeps();

		printf("\"short_sleeps\":%lu,\"long_sleeps\":%lu", brief, long_sleeps());
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
