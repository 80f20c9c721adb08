/* MazuNAT (after Click's mazu-nat): flows of 10.0.0.0/8 leave from one address by ports of their own;
 * what comes back to such a port goes to the flow's host. */
#ifndef MAZUNAT_H
#define MAZUNAT_H
#include "common.h"

enum { NAT_PUBLIC = 0xcb007107 }; /* 203.0.113.7 */

typedef struct mazunat {
    map ports;  /* flow -> port */
    map hosts;  /* (port, protocol) -> address << 16 | port */
    u64 next;
} mazunat;

static void mazunat_init(mazunat *nat) {
    map_init(&nat->ports, 8);
    map_init(&nat->hosts, 8);
    nat->next = 1024;
}

static u32 mazunat_known(void *nf, sb_packet *p, const sb_args *args) {
    (void)p;
    return map_get(&((mazunat *)nf)->hosts, args->at) != NULL;
}

static void mazunat_process(void *nf, sb_packet *p) {
    mazunat *nat = nf;
    int fid = nf_extract_fid(p);
    u64 key[2], sip = sb_get(p, SB_SIP), dip = sb_get(p, SB_DIP);
    if (!has_ports(p))
        return;
    if (sip >> 24 == 10) {
        flow_key(p, key);
        u64 *port = map_get(&nat->ports, key);
        if (!port) {
            if (nat->next > 65535) {
                localmat_add_HA(fid, SB_DROP, NULL);
                sb_drop(p);
                return;
            }
            port = map_make(&nat->ports, key);
            *port = nat->next++;
            u64 *host = map_make(&nat->hosts, (u64[]){*port, sb_get(p, SB_PROTO)});
            *host = sip << 16 | sb_get(p, SB_SPORT);
        }
        localmat_add_HA(fid, SB_MODIFY, sb_list(SB_SIP, NAT_PUBLIC));
        localmat_add_HA(fid, SB_MODIFY, sb_list(SB_SPORT, *port));
        sb_set(p, SB_SIP, NAT_PUBLIC);
        sb_set(p, SB_SPORT, *port);
    } else if (dip == NAT_PUBLIC) {
        u64 inside[2] = {sb_get(p, SB_DPORT), sb_get(p, SB_PROTO)};
        u64 *host = map_get(&nat->hosts, inside);
        if (!host) { /* until somebody gets that port */
            register_event(fid, mazunat_known, sb_list(inside[0], inside[1]), SB_NONE, NULL);
            localmat_add_HA(fid, SB_DROP, NULL);
            sb_drop(p);
            return;
        }
        localmat_add_HA(fid, SB_MODIFY, sb_list(SB_DIP, *host >> 16));
        localmat_add_HA(fid, SB_MODIFY, sb_list(SB_DPORT, *host & 0xffff));
        sb_set(p, SB_DIP, *host >> 16);
        sb_set(p, SB_DPORT, *host & 0xffff);
    } else {
        localmat_add_HA(fid, SB_FORWARD, NULL);
    }
}

static void mazunat_show(FILE *to, void *nf) {
    mazunat *nat = nf;
    fprintf(to, "mazunat.next %llu\n", (unsigned long long)nat->next);
    map_show(to, "mazunat.ports", &nat->ports, 1);
    map_show(to, "mazunat.hosts", &nat->hosts, 1);
}

#endif
