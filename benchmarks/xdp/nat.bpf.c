/* NAPT by hand: the work of models/napt.nfd on plain TCP and UDP. Hosts of 10.0.0.0/8 share
 * 203.0.113.7; one public port for each endpoint, 1024 to 65535, once each. No ICMP. */
#include "expert.h"

struct endpoint { __be32 address; __be16 port; __u8 protocol, pad; };
struct outside { __be16 port; __u8 protocol, pad; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct endpoint);
    __type(value, __be16);
} mapping SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct outside);
    __type(value, struct endpoint);
} inside SEC(".maps");

__u32 next = 1024; /* the next public port */

SEC("xdp.frags")
int nat(struct xdp_md *ctx)
{
    const __be32 pub = bpf_htonl(IP4(203, 0, 113, 7));
    struct plain p;

    if (unlikely(!parse(ctx, &p)))
        return XDP_PASS;
    if ((p.ip->saddr & bpf_htonl(IP4(255, 0, 0, 0))) == bpf_htonl(IP4(10, 0, 0, 0))) {
        struct endpoint from = {p.ip->saddr, p.ports[0], p.ip->protocol, 0};
        __be16 *found = bpf_map_lookup_elem(&mapping, &from), port;
        if (found) {
            port = *found;
        } else {
            __u32 number = next;
            if (number > 65535)
                return XDP_DROP;
            next = number + 1;
            port = bpf_htons(number);
            struct outside to = {port, from.protocol, 0};
            bpf_map_update_elem(&mapping, &from, &port, BPF_ANY);
            bpf_map_update_elem(&inside, &to, &from, BPF_ANY);
        }
        fix(&p, of_address(from.address, pub), of_port(from.port, port));
        p.ip->saddr = pub;
        p.ports[0] = port;
    } else if (p.ip->daddr == pub) {
        struct outside to = {p.ports[1], p.ip->protocol, 0};
        struct endpoint *from = bpf_map_lookup_elem(&inside, &to);
        if (!from)
            return XDP_DROP;
        fix(&p, of_address(pub, from->address), of_port(to.port, from->port));
        p.ip->daddr = from->address;
        p.ports[1] = from->port;
    }
    return forward(ctx);
}
