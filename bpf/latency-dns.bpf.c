// SPDX-License-Identifier: GPL-2.0
/*
 * DNS look-ups over UDP, by server: from a query's first packet until the answer with its ID comes to its port. Whichever
 * library asks, with a connected socket or not, it sends a packet to port 53: the packets of sockets of this machine are
 * read as they go to a device, and those from port 53 as they come from one. A query that is forwarded has no socket, so a
 * container's look-up is counted once. The process is the one that sends, which it is not where the packet had to wait
 * for its neighbour's address.
 *
 * Over TCP, TLS or HTTPS, look-ups are like other connections.
 */
#include "latency.bpf.h"
#include <bpf/bpf_endian.h>
#include <linux/errno.h>

char LICENSE[] SEC("license") = "GPL";

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_UDP 17
#define DNS_PORT 53
#define QR_BIT 0x80
#define TIMEOUT_NS 5000000000ULL
#define SWEEP_NS 1000000000ULL

struct sock {
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct sk_buff {
	struct sock *sk;
	unsigned char *head;
	unsigned char *data;
	__u16 protocol;
	__u16 network_header;
} __attribute__((preserve_access_index));

struct udp_dns {
	__u16 source;
	__u16 destination;
	__u16 length;
	__u16 checksum;
	__u16 id;
	__u8 flags[2];
};

struct ipv4_packet {
	__u8 version_and_length;
	__u8 service;
	__u16 length;
	__u16 id;
	__u16 fragment;
	__u8 time_to_live;
	__u8 protocol;
	__u16 checksum;
	__u32 source;
	__u32 destination;
	struct udp_dns udp;
};

struct ipv6_packet {
	__u32 flow;
	__u16 length;
	__u8 next;
	__u8 hops;
	__u64 source[2];
	__u64 destination[2];
	struct udp_dns udp;
};

struct query_key {
	__u64 server[2];	/* as a label has it */
	__u32 port;		/* the asker's */
	__u32 id;
};

struct query {
	__u64 start_ns;
	__u32 pid;
	__u32 padding;
};

/* Those without an answer. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct query_key);
	__type(value, struct query);
} queries SEC(".maps");

__u64 last_sweep_ns;

/* Reads the packet at `header`; `to_server`: it should be a query, else an answer. False where it isn't. */
static __always_inline bool read_packet(const unsigned char *header, __u16 protocol, bool to_server,
					struct query_key *key, __u8 *result)
{
	struct udp_dns udp;

	if (protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_packet packet;

		/* What isn't the packet's is still of its buffer. */
		if (bpf_probe_read_kernel(&packet, sizeof(packet), header))
			return false;
		/* Without options, and not a later fragment. */
		if (packet.version_and_length != 0x45 || packet.protocol != IPPROTO_UDP ||
		    packet.fragment & bpf_htons(0x1fff))
			return false;
		key->server[0] = 0;
		key->server[1] = (__u64)(to_server ? packet.destination : packet.source) << 32 | 0xffff0000ULL;
		udp = packet.udp;
	} else if (protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6_packet packet;

		if (bpf_probe_read_kernel(&packet, sizeof(packet), header) || packet.next != IPPROTO_UDP)
			return false;
		key->server[0] = to_server ? packet.destination[0] : packet.source[0];
		key->server[1] = to_server ? packet.destination[1] : packet.source[1];
		udp = packet.udp;
	} else {
		return false;
	}
	if ((to_server ? udp.destination : udp.source) != bpf_htons(DNS_PORT) ||
	    bpf_ntohs(udp.length) < sizeof(udp) || !(udp.flags[0] & QR_BIT) != to_server)
		return false;
	key->port = to_server ? udp.source : udp.destination;
	key->id = udp.id;
	*result = udp.flags[1] & 15;
	return true;
}

static __always_inline void count_query(const struct query_key *query_key, __u32 pid, __u8 result, __u64 ns)
{
	struct latency_key key = {
		.kind = LATENCY_DNS,
		.pid = pid,
		.operation = result,
		.label = {query_key->server[0], query_key->server[1]},
	};

	count_latency(&key, ns);
}

static long sweep(void *map, const struct query_key *key, struct query *query, __u64 *now)
{
	struct query_key copy = *key;

	if (*now - query->start_ns < TIMEOUT_NS)
		return 0;
	count_query(&copy, query->pid, DNS_NO_ANSWER, TIMEOUT_NS);
	bpf_map_delete_elem(&queries, &copy);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(latency_dns_send, struct sk_buff *packet)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sock *sk = packet->sk;
	struct query_key key;
	struct query query = {};
	__u8 result;

	if (!sk || sk->sk_protocol != IPPROTO_UDP ||
	    !read_packet(packet->head + packet->network_header, packet->protocol, true, &key, &result) ||
	    !wanted_task(task))
		return 0;
	query.start_ns = bpf_ktime_get_ns();
	query.pid = task->tgid;
	if (query.start_ns - last_sweep_ns > SWEEP_NS) {
		last_sweep_ns = query.start_ns;
		bpf_for_each_map_elem(&queries, sweep, &query.start_ns, 0);
	}
	/* Sent again, or seen on a second device: it is still the same. */
	if (bpf_map_update_elem(&queries, &key, &query, BPF_NOEXIST) == -E2BIG)
		count_loss(LATENCY_NO_ROOM, 1);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(latency_dns_receive, struct sk_buff *packet)
{
	struct query_key key;
	struct query *query;
	__u8 result;

	if (!read_packet(packet->data, packet->protocol, false, &key, &result))
		return 0;
	query = bpf_map_lookup_elem(&queries, &key);
	if (!query)
		return 0;
	count_query(&key, query->pid, result, bpf_ktime_get_ns() - query->start_ns);
	bpf_map_delete_elem(&queries, &key);
	return 0;
}
