/* What the hand-written programs of this folder share: parsing of plain frames, checksums by
 * differences (RFC 1624), and how a frame leaves. They take IPv4 without options and fragments that
 * carries TCP or UDP, behind Ethernet; all else goes to the kernel's stack (XDP_PASS). */
#ifndef EXPERT_H
#define EXPERT_H
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP4(a, b, c, d) ((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Stands before the frame in test runs, as it does for the programs that nfverify writes. */
struct nf_meta { __u64 time; __u32 port; __u32 out; };
const volatile __u32 nf_test_run = 0;

struct { /* port -> interface */
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} nf_devices SEC(".maps");

struct plain {
    struct iphdr *ip;
    __be16 *ports; /* source, destination */
    __sum16 *sum;  /* of TCP or UDP */
};

/* Is it a plain frame? */
static __always_inline int parse(struct xdp_md *ctx, struct plain *p)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip = (void *)(eth + 1);

    if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
        return 0;
    if (*(__u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff))
        return 0;
    p->ip = ip;
    p->ports = (void *)(ip + 1);
    if (ip->protocol == IPPROTO_TCP) {
        struct tcphdr *tcp = (void *)(ip + 1);
        if ((void *)(tcp + 1) > end)
            return 0;
        __u32 header = tcp->doff * 4;
        if (header < sizeof(*tcp) || bpf_ntohs(ip->tot_len) < sizeof(*ip) + header)
            return 0;
        if ((void *)tcp + header > end)
            return 0;
        p->sum = &tcp->check;
        return 1;
    }
    if (ip->protocol == IPPROTO_UDP) {
        struct udphdr *udp = (void *)(ip + 1);
        if ((void *)(udp + 1) > end || bpf_ntohs(ip->tot_len) < sizeof(*ip) + sizeof(*udp))
            return 0;
        p->sum = &udp->check;
        return 1;
    }
    return 0;
}

/* HC' = ~(~HC + ~m + m'), of 16-bit words in whatever order they lie. */
static __always_inline __u32 folded(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __sum16 changed(__sum16 check, __u64 difference)
{
    return ~folded((__u16)~check + difference);
}

/* What an address and a port add to a checksum when they change. */
static __always_inline __u64 of_address(__be32 from, __be32 to)
{
    return (__u64)(__u32)~from + to;
}

static __always_inline __u64 of_port(__be16 from, __be16 to)
{
    return (__u64)(__u16)~from + to;
}

static __always_inline void fix(struct plain *p, __u64 address, __u64 port)
{
    p->ip->check = changed(p->ip->check, address);
    if (p->ip->protocol == IPPROTO_TCP) {
        *p->sum = changed(*p->sum, address + port);
    } else if (*p->sum) { /* 0: the sender made none */
        __sum16 sum = changed(*p->sum, address + port);
        *p->sum = sum ? sum : 0xffff;
    }
}

/* Out by the other of two ports; attached, by the one that stands second in nf_devices. */
static __always_inline int forward(struct xdp_md *ctx)
{
    if (nf_test_run) {
        struct nf_meta *meta = (void *)(long)ctx->data_meta;
        if ((void *)(meta + 1) > (void *)(long)ctx->data)
            return XDP_ABORTED;
        meta->out = !meta->port;
        return XDP_TX;
    }
    return bpf_redirect_map(&nf_devices, 1, XDP_DROP);
}

char _license[] SEC("license") = "GPL";
#endif
