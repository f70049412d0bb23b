/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways in which C code calls C code, one after the other until it is killed: each `*_case` is called by main, and the
 * functions below it are known by name. Prints a line when it has begun. With an argument, signal handlers run on the
 * stack that they interrupt, for unwinders that see no more than a copy of that.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Stays a function of its own with this name, whatever the optimization. */
#ifdef __clang__
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noipa))
#endif

static volatile uint64_t sink;

/* About a third of a millisecond. */
#define ROUNDS 150000u

KEEP uint64_t burn(uint64_t seed)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
	}
	return seed;
}

KEEP uint64_t descend(uint32_t depth, uint64_t seed)
{
	if (depth == 0)
		return burn(seed) + 1;
	/* Nothing that could become a loop. */
	seed = descend(depth - 1, seed + depth);
	return seed ^ seed >> 3;
}

KEEP void recursion_case(void)
{
	for (int i = 0; i < 8; i++)
		sink += descend(24, sink);
}

KEEP uint64_t in_variable_frame(uint32_t bytes)
{
	unsigned char *space = alloca(bytes);
	_Alignas(64) volatile uint64_t line[8] = { bytes };

	memset(space, (int)bytes, bytes);
	return burn(space[bytes / 2]) + line[bytes & 7];
}

KEEP void variable_frame_case(void)
{
	for (uint32_t i = 0; i < 8; i++)
		sink += in_variable_frame(200 + i * 777);
}

KEEP void burn_in_handler(void)
{
	sink += burn(sink) & 1;
}

static void on_signal(int number)
{
	burn_in_handler();
	sink += number;
}

static void every(long microseconds)
{
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };

	setitimer(ITIMER_VIRTUAL, &timer, NULL);
}

/* Interrupted wherever it happens to be. */
KEEP void interrupted_case(void)
{
	every(4000);
	for (int i = 0; i < 60; i++)
		sink += descend(3, sink);
	every(0);
}

KEEP int compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	for (int i = 0; i < 20; i++)
		sink = sink * 3 + 1;
	return left < right ? -1 : left > right;
}

KEEP void sort_case(void)
{
	static uint64_t numbers[4096];

	for (int i = 0; i < 4096; i++)
		numbers[i] = sink += (uint64_t)i * 0x9e3779b97f4a7c15u;
	qsort(numbers, 4096, sizeof(numbers[0]), compare_numbers);
	sink++;
}

KEEP void math_case(void)
{
	double sum = 0;

	for (int i = 1; i < 30000; i++)
		sum += sin(i * 0.37) * exp(-1.0 / i) + pow(i, 0.3);
	sink += (uint64_t)sum;
}

KEEP void string_case(void)
{
	static char from[65536], to[65536];

	memset(from, 'x', sizeof(from) - 1);
	for (int i = 0; i < 200; i++) {
		memcpy(to, from + (i & 15), sizeof(to) - 16);
		from[i] = 'y';
		sink += strlen(from) + (strchr(to, 'z') != NULL);
	}
	for (int i = 0; i < 3000; i++)
		sink += (uint64_t)snprintf(to, sizeof(to), "%d %s %f", i, "text", i / 3.0) + strtoul(to, NULL, 10);
}

KEEP void clock_case(void)
{
	struct timespec now;

	for (int i = 0; i < 50000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		sink += (uint64_t)now.tv_nsec;
	}
}

KEEP void kernel_case(int zeros)
{
	static char bytes[1 << 16];

	for (int i = 0; i < 300; i++)
		sink += (uint64_t)read(zeros, bytes, sizeof(bytes));
}

static ucontext_t outside, inside;

#define STACK_BYTES (1 << 16)

/* A stack behind which nothing can be read. */
static void *lone_stack(void)
{
	char *stack = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED || mprotect(stack + STACK_BYTES, STACK_BYTES, PROT_NONE)) {
		perror("calls");
		exit(1);
	}
	return stack;
}

KEEP void burn_in_coroutine(void)
{
	sink += descend(2, sink);
}

static void coroutine(void)
{
	for (;;) {
		burn_in_coroutine();
		swapcontext(&inside, &outside);
	}
}

KEEP void coroutine_case(void)
{
	for (int i = 0; i < 8; i++)
		swapcontext(&outside, &inside);
	sink++;
}

static jmp_buf escape;

KEEP void leap(uint32_t depth)
{
	sink += burn(sink);
	if (depth > 0)
		leap(depth - 1);
	else
		longjmp(escape, 1);
	sink++;
}

KEEP void jump_case(void)
{
	if (setjmp(escape) == 0)
		leap(5);
	sink++;
}

int main(int argc, char **argv)
{
	static char signal_stack[STACK_BYTES];
	stack_t alternate = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | (argc > 1 ? 0 : SA_ONSTACK) };
	int zeros = open("/dev/zero", O_RDONLY);

	(void)argv;
	sigaltstack(&alternate, NULL);
	sigaction(SIGVTALRM, &action, NULL);
	getcontext(&inside);
	inside.uc_stack.ss_sp = lone_stack();
	/* The first frame returns to where no call was: unwinders take what is before for its caller, and read on a little. */
	inside.uc_stack.ss_size = STACK_BYTES - 256;
	makecontext(&inside, coroutine, 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		recursion_case();
		variable_frame_case();
		interrupted_case();
		sort_case();
		math_case();
		string_case();
		clock_case();
		kernel_case(zeros);
		coroutine_case();
		jump_case();
	}
}
