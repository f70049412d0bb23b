/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults whose number and kind are known, and how long each access took, as the program itself sees it. Waits for a
 * line on its standard input before it begins and before it ends, and prints one line of JSON in between.
 *
 *   faults minor N ROUNDS       writes to N pages of fresh memory for the first time, ROUNDS times over; the times are the last round's
 *   faults protected N          writes to N pages that a child shares
 *   faults kernel N             has the kernel write to N pages for the first time
 *   faults major N PATH         reads N pages, far apart, of a file that is mapped but not in memory
 *   faults delayed N NS         writes to N pages, each of which another thread delivers NS later
 *   faults signal N             writes N times to memory that it must not touch, and N times to fresh pages afterwards
 */
#define _GNU_SOURCE
#include "workload.h"
#include <fcntl.h>
#include <setjmp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
/* Between pages of the file: further than the kernel maps or reads around a fault. */
#define STRIDE (64 * PAGE)

static uint64_t *durations;
static int count;
static sigjmp_buf after_signal;

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

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_quantiles(void)
{
	qsort(durations, count, sizeof(*durations), ascending);
	printf("{\"count\":%d,\"p50\":%lu,\"p90\":%lu,\"max\":%lu}\n", count, durations[(count + 1) / 2 - 1],
	       durations[(count * 9 + 9) / 10 - 1], durations[count - 1]);
}

/* Pages of the ordinary size, none of them there yet. */
static volatile char *fresh_pages(void)
{
	char *memory = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, (size_t)count * PAGE, MADV_NOHUGEPAGE))
		fail("memory");
	return memory;
}

KEEP static void touch(volatile char *memory)
{
	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		memory[(size_t)i * PAGE] = 1;
		durations[i] = now_ns() - start;
	}
}

static void minor(int rounds)
{
	volatile char *memory = fresh_pages();

	for (int round = 0; round < rounds; round++) {
		madvise((void *)memory, (size_t)count * PAGE, MADV_DONTNEED);
		touch(memory);
	}
}

static void protected(void)
{
	volatile char *memory = fresh_pages();
	int pipes[2];
	char byte;
	pid_t child;

	touch(memory);
	if (pipe(pipes))
		fail("pipe");
	child = fork();
	if (child == 0) {
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) != 0);
	}
	touch(memory);
	close(pipes[1]);
	waitpid(child, NULL, 0);
}

static void in_kernel(void)
{
	volatile char *memory = fresh_pages();
	int zeros = open("/dev/zero", O_RDONLY);

	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		if (read(zeros, (char *)memory + (size_t)i * PAGE, 1) != 1)
			fail("read");
		durations[i] = now_ns() - start;
	}
}

static void major(const char *path)
{
	static char block[STRIDE];
	size_t bytes = (size_t)count * STRIDE;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	volatile char *memory;

	memset(block, 1, STRIDE);
	for (int i = 0; i < count; i++)
		if (write(fd, block, STRIDE) != STRIDE)
			fail(path);
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fail(path);
	memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || madvise((void *)memory, bytes, MADV_RANDOM))
		fail("mmap");
	for (int i = 0; i < count; i++) {
		uint64_t start = now_ns();

		(void)memory[(size_t)i * STRIDE];
		durations[i] = now_ns() - start;
	}
	unlink(path);
}

struct delivery {
	int userfaults;
	struct timespec delay;
};

static void *deliver(void *argument)
{
	struct delivery *delivery = argument;
	struct uffd_msg message;

	for (int i = 0; i < count; i++) {
		if (read(delivery->userfaults, &message, sizeof(message)) != sizeof(message))
			fail("userfaultfd");
		nanosleep(&delivery->delay, NULL);
		struct uffdio_zeropage page = {.range = {message.arg.pagefault.address & -PAGE, PAGE}};

		if (ioctl(delivery->userfaults, UFFDIO_ZEROPAGE, &page))
			fail("UFFDIO_ZEROPAGE");
	}
	return NULL;
}

KEEP static void delayed(uint64_t ns)
{
	volatile char *memory = fresh_pages();
	struct delivery delivery = {syscall(SYS_userfaultfd, O_CLOEXEC), {ns / 1000000000, ns % 1000000000}};
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.range = {(uintptr_t)memory, (size_t)count * PAGE},
					.mode = UFFDIO_REGISTER_MODE_MISSING};
	pthread_t thread;

	if (delivery.userfaults < 0 || ioctl(delivery.userfaults, UFFDIO_API, &api) ||
	    ioctl(delivery.userfaults, UFFDIO_REGISTER, &range))
		fail("userfaultfd");
	pthread_create(&thread, NULL, deliver, &delivery);
	touch(memory);
	pthread_join(thread, NULL);
}

static void on_signal(int number)
{
	(void)number;
	siglongjmp(after_signal, 1);
}

static void signals(void)
{
	volatile char *memory = fresh_pages(), *forbidden = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	int zeros = open("/dev/zero", O_RDONLY);

	signal(SIGSEGV, on_signal);
	for (volatile int i = 0; i < count; i++) {
		uint64_t start;

		if (sigsetjmp(after_signal, 1) == 0)
			*forbidden = 1;
		/* Neither does a call that fails stay, and pair with what comes next. */
		if (read(zeros, (char *)forbidden, 1) != -1)
			fail("read");
		start = now_ns();
		memory[(size_t)i * PAGE] = 1;
		durations[i] = now_ns() - start;
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	count = atoi(argv[2]);
	durations = malloc(count * sizeof(*durations));
	/* Everything but what is measured is there before it begins. */
	memset(durations, 1, count * sizeof(*durations));
	mlockall(MCL_CURRENT);
	await_line();
	if (strcmp(argv[1], "minor") == 0)
		minor(argc > 3 ? atoi(argv[3]) : 1);
	else if (strcmp(argv[1], "protected") == 0)
		protected();
	else if (strcmp(argv[1], "kernel") == 0)
		in_kernel();
	else if (strcmp(argv[1], "major") == 0)
		major(argv[3]);
	else if (strcmp(argv[1], "delayed") == 0)
		delayed(strtoull(argv[3], NULL, 10));
	else
		signals();
	print_quantiles();
	fflush(stdout);
	await_line();
	return 0;
}
