/* IPFilter: a list of rules, read from the top; what one of them names is dropped. */
#ifndef IPFILTER_H
#define IPFILTER_H
#include "common.h"

typedef struct acl { u32 sip, sip_mask, dip, dip_mask, dport, proto; } acl; /* 0: any */

static const acl IPFILTER_RULES[] = {
    {0, 0, 0, 0, 23, 6},                                    /* telnet */
    {0, 0, 0xac100000, 0xfffffff0, 22, 6},                  /* ssh to the backends */
    {0xc0000200, 0xffffff00, 0, 0, 0, 0},                   /* 192.0.2.0/24 */
    {0, 0, 0x0a000000, 0xff000000, 53, 17},                 /* answers from no resolver */
};

static u32 ipfilter_blocks(u64 sip, u64 dip, u64 dport, u64 proto) {
    for (u32 i = 0; i < sizeof IPFILTER_RULES / sizeof *IPFILTER_RULES; i++) {
        const acl *rule = IPFILTER_RULES + i;
        if ((sip & rule->sip_mask) == rule->sip && (dip & rule->dip_mask) == rule->dip &&
            (!rule->dport || dport == rule->dport) && (!rule->proto || proto == rule->proto))
            return 1;
    }
    return 0;
}

static void ipfilter_process(void *nf, sb_packet *p) {
    int fid = nf_extract_fid(p);
    (void)nf;
    if (!has_ports(p))
        return;
    if (ipfilter_blocks(sb_get(p, SB_SIP), sb_get(p, SB_DIP), sb_get(p, SB_DPORT),
                        sb_get(p, SB_PROTO))) {
        localmat_add_HA(fid, SB_DROP, NULL);
        sb_drop(p);
    } else {
        localmat_add_HA(fid, SB_FORWARD, NULL);
    }
}

#endif
