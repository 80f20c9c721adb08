/* Load balancing by hand: the work of models/lb.nfd on plain TCP and UDP. Connections to
 * 198.51.100.1 have one of four servers each, in turn. */
#include "expert.h"

struct connection { __be32 source, destination; __be16 ports[2]; __u32 protocol; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct connection);
    __type(value, __be32);
} connections SEC(".maps");

__u32 turn; /* whose turn it is */

SEC("xdp.frags")
int lb(struct xdp_md *ctx)
{
    const __be32 vip = bpf_htonl(IP4(198, 51, 100, 1));
    struct plain p;

    if (unlikely(!parse(ctx, &p)))
        return XDP_PASS;
    if (p.ip->daddr == vip) {
        struct connection c = {p.ip->saddr, vip, {p.ports[0], p.ports[1]}, p.ip->protocol};
        __be32 *found = bpf_map_lookup_elem(&connections, &c), server;
        if (found) {
            server = *found;
        } else {
            server = bpf_htonl(IP4(192, 168, 1, 1) + turn);
            turn = (turn + 1) % 4;
            bpf_map_update_elem(&connections, &c, &server, BPF_ANY);
        }
        fix(&p, of_address(vip, server), 0);
        p.ip->daddr = server;
    } else if ((p.ip->saddr & bpf_htonl(IP4(255, 255, 255, 0))) == bpf_htonl(IP4(192, 168, 1, 0))) {
        fix(&p, of_address(p.ip->saddr, vip), 0);
        p.ip->saddr = vip;
    }
    return forward(ctx);
}
