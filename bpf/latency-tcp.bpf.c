// SPDX-License-Identifier: GPL-2.0
/*
 * TCP by process and peer: how long connecting took, the smoothed round-trip time at each segment that was received, the
 * bytes of each send and receive call, and those of retransmitted segments. A socket belongs to the process that last
 * connected, sent or received through it: segments come in whatever context the network card interrupts.
 */
#include "latency-stacks.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2

struct in6_addr {
	__u8 bytes[16];
};

struct sock_common {
	__u32 skc_daddr;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct tcp_sock {
	__u32 srtt_us;
} __attribute__((preserve_access_index));

struct sk_buff {
	unsigned int len;
} __attribute__((preserve_access_index));

struct owner {
	__u64 connecting_ns;	/* since when; 0 where it isn't */
	__u32 pid;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/* The stacks of connections that are being made, of those that were chosen. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct early_latency);
} connect_stacks SEC(".maps");

static __always_inline void begin_connect(void *ctx, struct sock *sk)
{
	struct early_latency early, *kept;

	if (!takes_stacks || !begin_with_stacks(ctx, bpf_get_current_task_btf(), 1ULL << LATENCY_TCP_CONNECT, &early))
		return;
	kept = bpf_sk_storage_get(&connect_stacks, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (kept)
		*kept = early;
	else
		count(LOST_MAP_FULL);
}

static __always_inline void set_peer(struct latency_key *key, const struct sock *sk)
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		bpf_probe_read_kernel(key->label, sizeof(key->label), &sk->__sk_common.skc_v6_daddr);
	} else {
		key->label[0] = 0;
		/* ::ffff:a.b.c.d; bytes in the network's order */
		key->label[1] = (__u64)sk->__sk_common.skc_daddr << 32 | 0xffff0000ULL;
	}
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP &&
	       (sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6);
}

/* The process that uses a socket; without one only where all are wanted. */
static __always_inline bool owner_pid(struct sock *sk, __u32 *pid)
{
	const struct configuration *config = configuration();
	struct owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0);

	*pid = owner ? owner->pid : 0;
	return *pid != 0 || (config && config->filter == FILTER_ALL);
}

/* Now the current process's; NULL where that isn't wanted. */
static __always_inline struct owner *take_socket(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct owner *owner;

	if (!wanted_task(task))
		return NULL;
	owner = bpf_sk_storage_get(&owners, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!owner) {
		count_loss(LATENCY_NO_ROOM, 1);
		return NULL;
	}
	owner->pid = task->tgid;
	return owner;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(latency_tcp_state, struct sock *sk, int old_state, int new_state)
{
	struct latency_key key = {.kind = LATENCY_TCP_CONNECT};
	struct owner *owner;
	__u64 now, ns;

	if (!is_tcp(sk))
		return 0;
	if (new_state == TCP_SYN_SENT) {
		owner = take_socket(sk);
		if (owner) {
			begin_connect(ctx, sk);
			owner->connecting_ns = bpf_ktime_get_ns();
		}
		return 0;
	}
	if (old_state != TCP_SYN_SENT)
		return 0;
	owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (!owner || owner->connecting_ns == 0)
		return 0;
	if (new_state == TCP_ESTABLISHED) {
		set_peer(&key, sk);
		key.pid = owner->pid;
		now = bpf_ktime_get_ns();
		ns = now - owner->connecting_ns;
		count_latency(&key, ns);
		if (takes_stacks)
			end_with_stacks(&key, bpf_sk_storage_get(&connect_stacks, sk, NULL, 0), now, ns);
	}
	if (takes_stacks)
		bpf_sk_storage_delete(&connect_stacks, sk);
	owner->connecting_ns = 0;
	return 0;
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(latency_tcp_probe, struct sock *sk)
{
	struct latency_key key = {.kind = LATENCY_TCP_ROUND_TRIP};
	/* In eighths of a microsecond. */
	__u64 round_trip = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us);

	if (round_trip == 0 || !owner_pid(sk, &key.pid))
		return 0;
	set_peer(&key, sk);
	count_latency(&key, round_trip * 125);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(latency_tcp_retransmit, struct sock *sk, struct sk_buff *segment)
{
	struct latency_key key = {.kind = LATENCY_TCP_RETRANSMITTED};

	if (!owner_pid(sk, &key.pid))
		return 0;
	set_peer(&key, sk);
	count_latency(&key, segment->len);
	return 0;
}

static __always_inline int count_bytes(struct sock *sk, int bytes, __u8 kind)
{
	struct latency_key key = {.kind = kind};
	struct owner *owner;

	if (bytes <= 0 || !is_tcp(sk))
		return 0;
	owner = take_socket(sk);
	if (!owner)
		return 0;
	key.pid = owner->pid;
	set_peer(&key, sk);
	count_latency(&key, bytes);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(latency_tcp_send, struct sock *sk, int bytes)
{
	return count_bytes(sk, bytes, LATENCY_TCP_SENT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(latency_tcp_receive, struct sock *sk, int bytes, int flags)
{
	/* MSG_PEEK leaves what it reads. */
	return flags & 2 ? 0 : count_bytes(sk, bytes, LATENCY_TCP_RECEIVED);
}
