/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP over a line of known length: two network namespaces with a tun device each, and threads that carry every packet from
 * one to the other, NS after it was sent. Waits for a line on its standard input before it begins and before it ends, and
 * prints how long connecting took, as the program itself sees it but without its own waits for a CPU, as one line of JSON in
 * between.
 *
 *   delayed-tcp N NS [lossy]    N connections from 10.9.0.1 to 10.9.0.2, 3 times 1000 bytes there and 500 back on each;
 *                               lossy: the line loses the first 1000 bytes of each, once
 */
#define _GNU_SOURCE
#include "workload.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT "10.9.0.1"
#define SERVER "10.9.0.2"
#define PORT 7000
#define SENT 1000
#define ANSWERED 500
#define TALKS 3
#define IN_FLIGHT 1024
#define PACKET 2048

struct packet {
	uint64_t due_ns;
	ssize_t length;
	char bytes[PACKET];
};

struct line {
	int from;
	int to;
	uint64_t delay_ns;
	bool is_lossy;
	bool has_lost[1 << 16];	/* by port */
	struct packet packets[IN_FLIGHT];
};

static struct line lines[2];
static uint64_t *durations;
static int count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* How long this thread has waited for a CPU: the second field of /proc/PID/task/TID/schedstat. */
static uint64_t waited_ns(void)
{
	static int fd;
	char text[64] = "";
	unsigned long ran, waited;

	if (fd == 0)
		fd = open("/proc/thread-self/schedstat", O_RDONLY);
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%lu %lu", &ran, &waited) != 2)
		fail("/proc/thread-self/schedstat");
	return waited;
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

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

/* A network namespace of its own for this thread, and the tun device that is its way out. */
static int new_namespace(const char *address)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in own = address_of(address), mask = address_of("255.255.255.0");
	int tun, fd;

	if (unshare(CLONE_NEWNET))
		fail("unshare");
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(request.ifr_name, "line");
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
		fail("/dev/net/tun");
	memcpy(&request.ifr_addr, &own, sizeof(own));
	if (ioctl(fd, SIOCSIFADDR, &request))
		fail("address");
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &request))
		fail("netmask");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		fail("interface");
	close(fd);
	return tun;
}

/* Whether a packet is the first of its port with as many bytes as the client sends, and so is lost. */
static bool is_lost(struct line *line, const struct packet *packet)
{
	uint16_t port;

	if (!line->is_lossy || packet->length < SENT || packet->bytes[0] >> 4 != 4)
		return false;
	memcpy(&port, packet->bytes + (packet->bytes[0] & 15) * 4, sizeof(port));
	if (line->has_lost[port])
		return false;
	line->has_lost[port] = true;
	return true;
}

static void *carry(void *argument)
{
	struct line *line = argument;
	unsigned first = 0, next = 0;

	for (;;) {
		struct packet *packet = &line->packets[first % IN_FLIGHT];
		struct pollfd readable = {.fd = line->from, .events = POLLIN};
		uint64_t now = now_ns(), left = first == next || packet->due_ns < now ? 0 : packet->due_ns - now;
		struct timespec timeout = {left / 1000000000, left % 1000000000};

		if (first != next && left == 0) {
			if (write(line->to, packet->bytes, packet->length) < 0)
				fail("deliver");
			first++;
			continue;
		}
		if (ppoll(&readable, next - first < IN_FLIGHT, first == next ? NULL : &timeout, NULL) <= 0)
			continue;
		packet = &line->packets[next % IN_FLIGHT];
		packet->length = read(line->from, packet->bytes, PACKET);
		packet->due_ns = now_ns() + line->delay_ns;
		if (packet->length > 0 && !is_lost(line, packet))
			next++;
	}
	return NULL;
}

static void *answer(void *listener)
{
	char bytes[SENT];

	for (int i = 0; i < count; i++) {
		int fd = accept(*(int *)listener, NULL, NULL);

		for (int talk = 0; talk < TALKS; talk++)
			if (recv(fd, bytes, SENT, MSG_WAITALL) != SENT || send(fd, bytes, ANSWERED, 0) != ANSWERED)
				fail("answer");
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = address_of(SERVER);
	char bytes[SENT] = {0};
	int listener, client_namespace;
	pthread_t thread;

	if (argc < 3)
		return 2;
	count = atoi(argv[1]);
	durations = calloc(count, sizeof(*durations));
	lines[0].delay_ns = lines[1].delay_ns = strtoull(argv[2], NULL, 10);
	lines[0].is_lossy = argc > 3 && strcmp(argv[3], "lossy") == 0;
	lines[0].from = lines[1].to = new_namespace(CLIENT);
	client_namespace = open("/proc/thread-self/ns/net", O_RDONLY);
	lines[1].from = lines[0].to = new_namespace(SERVER);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&server, sizeof(server)) || listen(listener, 16))
		fail("listen");
	/* A socket stays in the namespace in which it was made. */
	if (setns(client_namespace, CLONE_NEWNET))
		fail("setns");
	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, carry, &lines[i]);
	pthread_create(&thread, NULL, answer, &listener);
	await_line();
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		uint64_t waited = waited_ns(), start = now_ns();

		if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
			fail("connect");
		durations[i] = now_ns() - start;
		durations[i] -= waited_ns() - waited;
		for (int talk = 0; talk < TALKS; talk++)
			if (send(fd, bytes, SENT, 0) != SENT || recv(fd, bytes, ANSWERED, MSG_WAITALL) != ANSWERED)
				fail("talk");
		close(fd);
	}
	qsort(durations, count, sizeof(*durations), ascending);
	printf("{\"count\":%d,\"p50\":%lu,\"p90\":%lu,\"max\":%lu}\n", count, durations[(count + 1) / 2 - 1],
	       durations[(count * 9 + 9) / 10 - 1], durations[count - 1]);
	fflush(stdout);
	await_line();
	return 0;
}
