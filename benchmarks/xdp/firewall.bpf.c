/* A stateless firewall by hand: the work of models/firewall.nfd on plain TCP and UDP. */
#include "expert.h"

SEC("xdp.frags")
int firewall(struct xdp_md *ctx)
{
    struct plain p;

    if (unlikely(!parse(ctx, &p)))
        return XDP_PASS;
    if ((p.ip->saddr & bpf_htonl(IP4(255, 255, 255, 0))) == bpf_htonl(IP4(192, 0, 2, 0)))
        return XDP_DROP;
    if (p.ip->protocol == IPPROTO_TCP) {
        __be16 to = p.ports[1];
        if (to == bpf_htons(23))
            return XDP_DROP;
        if (to == bpf_htons(22)
            && (p.ip->daddr & bpf_htonl(IP4(255, 255, 255, 0))) == bpf_htonl(IP4(192, 168, 1, 0)))
            return XDP_DROP;
        if (to == bpf_htons(25) && p.ip->saddr == bpf_htonl(IP4(203, 0, 113, 7)))
            return XDP_DROP;
    }
    return forward(ctx);
}
