/* A monitor by hand: the work of models/monitor.nfd on plain TCP and UDP, packets and bytes by flow. */
#include "expert.h"

struct flow { __be32 source, destination; __be16 ports[2]; __u32 protocol; };
struct count { __u64 packets, bytes; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct flow);
    __type(value, struct count);
} counts SEC(".maps");

SEC("xdp.frags")
int monitor(struct xdp_md *ctx)
{
    struct plain p;

    if (unlikely(!parse(ctx, &p)))
        return XDP_PASS;
    struct flow f = {p.ip->saddr, p.ip->daddr, {p.ports[0], p.ports[1]}, p.ip->protocol};
    struct count *c = bpf_map_lookup_elem(&counts, &f);
    if (c) {
        c->packets++;
        c->bytes += bpf_ntohs(p.ip->tot_len);
    } else {
        struct count first = {1, bpf_ntohs(p.ip->tot_len)};
        bpf_map_update_elem(&counts, &f, &first, BPF_ANY);
    }
    return forward(ctx);
}
