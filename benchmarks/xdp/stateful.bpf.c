/* A stateful firewall by hand: the work of models/firewall-stateful.nfd on plain TCP and UDP. From
 * outside come only answers to what 10.0.0.0/8 sent. */
#include "expert.h"

struct flow { __be32 source, destination; __be16 ports[2]; __u32 protocol; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct flow);
    __type(value, __u8);
} seen SEC(".maps");

SEC("xdp.frags")
int stateful(struct xdp_md *ctx)
{
    struct plain p;

    if (unlikely(!parse(ctx, &p)))
        return XDP_PASS;
    if ((p.ip->saddr & bpf_htonl(IP4(255, 0, 0, 0))) == bpf_htonl(IP4(10, 0, 0, 0))) {
        struct flow f = {p.ip->saddr, p.ip->daddr, {p.ports[0], p.ports[1]}, p.ip->protocol};
        const __u8 yes = 1;
        if (!bpf_map_lookup_elem(&seen, &f))
            bpf_map_update_elem(&seen, &f, &yes, BPF_ANY);
    } else {
        struct flow f = {p.ip->daddr, p.ip->saddr, {p.ports[1], p.ports[0]}, p.ip->protocol};
        if (!bpf_map_lookup_elem(&seen, &f))
            return XDP_DROP;
    }
    return forward(ctx);
}
