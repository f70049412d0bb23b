// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that wait in known ways. KIND ARGS...: see the table at the end. Prints, as JSON, for each thread what it measured
 * itself: how often it waited and for how long in all, and what the kernel's scheduler accounted for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "workload.h"

#define MAX_THREADS 64

struct worker {
	pthread_t thread;
	const char *name;
	int tid;
	uint64_t count;
	double waited;
	double waited_squares;
	double created;
	double elapsed;		/* from its creation to the end of its work */
	double lifetime;	/* until it was joined */
	unsigned long long run_ns;
	unsigned long long queue_ns;
	long blocks;		/* how often it gave its CPU away to wait */
	void (*work)(struct worker *);
};

static struct worker workers[MAX_THREADS];
static int worker_count;
static double seconds = 3;
static double end;

static void read_schedstat(struct worker *worker)
{
	struct rusage usage;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (!file || fscanf(file, "%llu %llu", &worker->run_ns, &worker->queue_ns) != 2)
		exit(2);
	fclose(file);
	getrusage(RUSAGE_THREAD, &usage);
	worker->blocks = usage.ru_nvcsw;
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	worker->tid = syscall(SYS_gettid);
	pthread_setname_np(pthread_self(), worker->name);
	worker->work(worker);
	worker->elapsed = now_seconds() - worker->created;
	read_schedstat(worker);
	return NULL;
}

static void add_worker(const char *name, void (*work)(struct worker *))
{
	workers[worker_count].name = name;
	workers[worker_count++].work = work;
}

static void add_wait(struct worker *worker, double start)
{
	double waited = now_seconds() - start;

	worker->count++;
	worker->waited += waited;
	worker->waited_squares += waited * waited;
}

#define SLEEPER(n)                                                             \
	KEEP void sleep_##n##ms(struct worker *worker)                         \
	{                                                                      \
		struct timespec length = {.tv_nsec = n * 1000000L};            \
                                                                               \
		while (now_seconds() < end) {                                  \
			double start = now_seconds();                          \
                                                                               \
			nanosleep(&length, NULL);                              \
			add_wait(worker, start);                               \
		}                                                              \
	}

SLEEPER(1)
SLEEPER(10)
SLEEPER(50)
SLEEPER(200)

static struct timespec time_at(double at)
{
	return (struct timespec){.tv_sec = at, .tv_nsec = (at - (long)at) * 1e9};
}

/* One wait, from its start to the end of all. */
KEEP void sleep_all_the_time(struct worker *worker)
{
	struct timespec until = time_at(end);
	double start = now_seconds();

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	add_wait(worker, start);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

KEEP void wait_all_the_time(struct worker *worker)
{
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec until = time_at(end);
	double start = now_seconds();

	pthread_mutex_lock(&mutex);
	pthread_cond_clockwait(&never, &mutex, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&mutex);
	add_wait(worker, start);
}

KEEP void hold_the_lock(void)
{
	struct timespec length = {.tv_nsec = 2000000};

	nanosleep(&length, NULL);
}

KEEP void wait_for_the_lock(struct worker *worker)
{
	while (now_seconds() < end) {
		double start = now_seconds();

		pthread_mutex_lock(&mutex);
		add_wait(worker, start);
		hold_the_lock();
		pthread_mutex_unlock(&mutex);
		sched_yield();
	}
}

static int pipes[2][2];

KEEP void ping(struct worker *worker)
{
	char byte = 0;

	while (now_seconds() < end) {
		if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
			exit(2);
		worker->count++;
	}
	close(pipes[0][1]);
}

KEEP void pong(struct worker *worker)
{
	char byte;

	while (read(pipes[0][0], &byte, 1) == 1) {
		if (write(pipes[1][1], &byte, 1) != 1)
			exit(2);
		worker->count++;
	}
}

KEEP void burn(struct worker *worker)
{
	uint64_t state = 1;

	while (now_seconds() < end)
		state = spin(state, SLICE);
	worker->count = state & 1;
}

#define FILE_BYTES (16 << 20)
#define READ_BYTES 4096

static const char *file_path;

/* Appends a little, and waits until it is on the device. */
KEEP void sync_file(struct worker *worker)
{
	int fd = open(file_path, O_WRONLY);
	char bytes[READ_BYTES] = {1};

	while (now_seconds() < end) {
		/* Writing may have to wait for the device, too: for what is being written of the same file. */
		double start = now_seconds();

		if (pwrite(fd, bytes, sizeof(bytes), worker->count % 256 * READ_BYTES) != READ_BYTES)
			exit(2);
		if (fsync(fd))
			exit(2);
		add_wait(worker, start);
	}
	close(fd);
}

/* Reads what is not in the page cache, page by page. */
KEEP void read_uncached(struct worker *worker)
{
	int fd = open(file_path, O_RDONLY | O_DIRECT);
	void *bytes;

	if (fd < 0 || posix_memalign(&bytes, READ_BYTES, READ_BYTES))
		exit(2);
	while (now_seconds() < end) {
		double start = now_seconds();

		if (pread(fd, bytes, READ_BYTES, FILE_BYTES / 2 + worker->count % 1024 * READ_BYTES) != READ_BYTES)
			exit(2);
		add_wait(worker, start);
	}
	close(fd);
}

static void make_file(const char *path)
{
	static char bytes[1 << 20];
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	file_path = path;
	memset(bytes, 1, sizeof(bytes));
	for (int i = 0; i < FILE_BYTES / (1 << 20); i++)
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			exit(2);
	if (fsync(fd) || close(fd))
		exit(2);
}

static void pin_to_one_cpu(void)
{
	cpu_set_t cpus, one;
	int cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* How often it really slept: a timer of a microsecond may be over before its thread is asleep. */
static void *sleep_shortly(void *blocks)
{
	struct timespec length = {.tv_nsec = 1000};
	struct rusage usage;

	nanosleep(&length, NULL);
	getrusage(RUSAGE_THREAD, &usage);
	*(long *)blocks += usage.ru_nvcsw;
	return NULL;
}

#define STARTERS 8

static struct starter {
	int tid;
	int count;
	long blocks;
} starters[STARTERS];

/* One after another, so that numbers come again soon. */
static void *start_short_lived(void *argument)
{
	struct starter *starter = argument;

	starter->tid = syscall(SYS_gettid);
	for (int i = 0; i < starter->count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, sleep_shortly, &starter->blocks))
			exit(2);
		pthread_join(thread, NULL);
	}
	return NULL;
}

/* COUNT threads that each sleep once. Prints who started them, and how often they blocked up to the end of their sleep. */
static void short_lived(int count)
{
	pthread_t threads[STARTERS];
	double start = now_seconds();
	long blocks = 0;

	for (int i = 0; i < STARTERS; i++) {
		starters[i].count = count / STARTERS;
		if (pthread_create(&threads[i], NULL, start_short_lived, &starters[i]))
			exit(2);
	}
	for (int i = 0; i < STARTERS; i++) {
		pthread_join(threads[i], NULL);
		blocks += starters[i].blocks;
	}
	printf("{\"seconds\": %.6f, \"blocks\": %ld, \"starters\": [", now_seconds() - start, blocks);
	for (int i = 0; i < STARTERS; i++)
		printf("%s%d", i ? ", " : "", starters[i].tid);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	double start = now_seconds();
	int count = argc > 2 ? atoi(argv[2]) : 3;

	seconds = count;
	if (!strcmp(kind, "sleeps")) {
		add_worker("sleep-1", sleep_1ms);
		add_worker("sleep-10", sleep_10ms);
		add_worker("sleep-50", sleep_50ms);
		add_worker("sleep-200", sleep_200ms);
	} else if (!strcmp(kind, "still")) {
		add_worker("sleeps", sleep_all_the_time);
		add_worker("waits", wait_all_the_time);
	} else if (!strcmp(kind, "convoy")) {
		for (int i = 0; i < 4; i++)
			add_worker("convoy", wait_for_the_lock);
	} else if (!strcmp(kind, "pipe")) {
		if (pipe(pipes[0]) || pipe(pipes[1]))
			return 2;
		pin_to_one_cpu();
		add_worker("ping", ping);
		add_worker("pong", pong);
	} else if (!strcmp(kind, "busy")) {
		pin_to_one_cpu();
		for (int i = 0; i < (argc > 3 ? atoi(argv[3]) : 2); i++)
			add_worker("busy", burn);
	} else if (!strcmp(kind, "disk") && argc > 3) {
		make_file(argv[3]);
		add_worker("syncs", sync_file);
		add_worker("reads", read_uncached);
	} else if (!strcmp(kind, "short")) {
		short_lived(count);
		return 0;
	} else {
		fprintf(stderr, "usage: waits sleeps|still|convoy|pipe SECONDS | busy SECONDS THREADS | disk SECONDS FILE | short THREADS\n");
		return 2;
	}
	end = now_seconds() + seconds;
	for (int i = 0; i < worker_count; i++) {
		workers[i].created = now_seconds();
		pthread_create(&workers[i].thread, NULL, run, &workers[i]);
	}
	for (int i = 0; i < worker_count; i++) {
		pthread_join(workers[i].thread, NULL);
		workers[i].lifetime = now_seconds() - workers[i].created;
	}
	printf("{\"seconds\": %.6f, \"threads\": [", now_seconds() - start);
	for (int i = 0; i < worker_count; i++)
		printf("%s{\"name\": \"%s\", \"tid\": %d, \"count\": %llu, \"waitedSeconds\": %.9f, \"waitedSquares\": %.9f, "
		       "\"elapsedSeconds\": %.9f, \"lifetimeSeconds\": %.9f, \"runNs\": %llu, \"queueNs\": %llu, \"blocks\": %ld}",
		       i ? ", " : "", workers[i].name, workers[i].tid, (unsigned long long)workers[i].count,
		       workers[i].waited, workers[i].waited_squares, workers[i].elapsed, workers[i].lifetime, workers[i].run_ns,
		       workers[i].queue_ns, workers[i].blocks);
	printf("]}\n");
	return 0;
}
