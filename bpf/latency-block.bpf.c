// SPDX-License-Identifier: GPL-2.0
/*
 * Block I/O, by device and operation: the time of a request in the queue (from insertion until it is issued) and in
 * service (from issue until it is complete). A request that skips the queue has a service time only. Counted for the
 * process that inserted or issued it, which for buffered writes is often a kernel thread.
 */
#include "latency-stacks.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct gendisk {
	int major;
	int first_minor;
} __attribute__((preserve_access_index));

struct request_queue {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
} __attribute__((preserve_access_index));

#define OPERATION_MASK 0xff

struct request_times {
	__u64 inserted_ns;
	__u64 issued_ns;
	__u32 pid;
	__u32 padding;
};

/* Those under way. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct request_times);
} requests SEC(".maps");

/* The stacks of those of them that were chosen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct early_latency);
} request_stacks SEC(".maps");

#define BLOCK_KINDS (1ULL << LATENCY_BLOCK_QUEUED | 1ULL << LATENCY_BLOCK_SERVICE)

static __always_inline void forget_request(__u64 request)
{
	bpf_map_delete_elem(&requests, &request);
	if (takes_stacks)
		bpf_map_delete_elem(&request_stacks, &request);
}

/* A request begins: with its insertion, or with its issue where it skips the queue. */
static __always_inline void begin_request(void *ctx, __u64 request, bool is_inserted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct request_times times = {.pid = task->tgid};
	struct early_latency early;
	__u64 now;

	if (!wanted_task(task))
		return;
	if (takes_stacks && begin_with_stacks(ctx, task, BLOCK_KINDS, &early) &&
	    bpf_map_update_elem(&request_stacks, &request, &early, BPF_ANY))
		count(LOST_MAP_FULL);
	now = bpf_ktime_get_ns();
	if (is_inserted)
		times.inserted_ns = now;
	else
		times.issued_ns = now;
	if (bpf_map_update_elem(&requests, &request, &times, BPF_ANY)) {
		count_loss(LATENCY_NO_ROOM, 1);
		forget_request(request);
	}
}

static __always_inline void end_part(struct latency_key *key, const struct early_latency *early, __u64 now, __u64 ns)
{
	count_latency(key, ns);
	if (takes_stacks)
		end_with_stacks(key, early, now, ns);
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(latency_block_insert, struct request *request)
{
	begin_request(ctx, (__u64)request, true);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(latency_block_issue, struct request *request)
{
	__u64 key = (__u64)request;
	struct request_times *known = bpf_map_lookup_elem(&requests, &key);

	if (known)
		known->issued_ns = bpf_ktime_get_ns();
	else
		begin_request(ctx, key, false);
	return 0;
}

/* Requests that are merged into others end without being issued. */
SEC("tp_btf/block_rq_merge")
int BPF_PROG(latency_block_merge, struct request *request)
{
	forget_request((__u64)request);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(latency_block_complete, struct request *request, int error, unsigned int bytes)
{
	__u64 address = (__u64)request, now = bpf_ktime_get_ns();
	struct request_times *times = bpf_map_lookup_elem(&requests, &address);
	struct latency_key key = {.operation = request->cmd_flags & OPERATION_MASK};
	const struct early_latency *early = NULL;
	struct gendisk *disk;

	/* A part of it; the rest is still under way. */
	if (!times || bytes < request->__data_len)
		return 0;
	disk = BPF_CORE_READ(request, q, disk);
	key.label[0] = (__u64)BPF_CORE_READ(disk, major) << 20 | (__u32)BPF_CORE_READ(disk, first_minor);
	key.pid = times->pid;
	if (takes_stacks)
		early = bpf_map_lookup_elem(&request_stacks, &address);
	if (times->inserted_ns && times->issued_ns) {
		key.kind = LATENCY_BLOCK_QUEUED;
		end_part(&key, early, now, times->issued_ns - times->inserted_ns);
	}
	if (times->issued_ns) {
		key.kind = LATENCY_BLOCK_SERVICE;
		end_part(&key, early, now, now - times->issued_ns);
	}
	forget_request(address);
	return 0;
}
