/* Monitor: packets and bytes of each flow. */
#ifndef MONITOR_H
#define MONITOR_H
#include "common.h"

typedef struct monitor { map flows; } monitor; /* flow -> packets, bytes */

static void monitor_init(monitor *mon) {
    map_init(&mon->flows, 16);
}

static u32 monitor_count(void *nf, sb_packet *p, const sb_args *args) {
    u64 *counters = (u64 *)(uintptr_t)args->at[0];
    (void)nf;
    counters[0]++;
    counters[1] += sb_get(p, SB_SIZE);
    return SB_GO;
}

static void monitor_process(void *nf, sb_packet *p) {
    monitor *mon = nf;
    u64 key[2];
    if (!has_ports(p))
        return;
    flow_key(p, key);
    const sb_args *args = sb_list((u64)(uintptr_t)map_make(&mon->flows, key));
    localmat_add_SF(nf_extract_fid(p), monitor_count, SB_IGNORE, args);
    monitor_count(nf, p, args);
}

static void monitor_show(FILE *to, void *nf) {
    map_show(to, "monitor.flows", &((monitor *)nf)->flows, 2);
}

#endif
