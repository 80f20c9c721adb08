/* DoS prevention (SpeedyBox, Fig. 3): SYNs of each flow; beyond a threshold it is dropped. What passes
 * goes to port 8080. */
#ifndef DOS_H
#define DOS_H
#include "common.h"

enum { DOS_THRESHOLD = 2, DOS_PORT = 8080, TCP_SYN = 2 };

typedef struct dos { map syns; } dos; /* flow -> SYNs */

static void dos_init(dos *d) {
    map_init(&d->syns, 8);
}

static u32 dos_count(void *nf, sb_packet *p, const sb_args *args) {
    (void)nf;
    *(u64 *)(uintptr_t)args->at[0] += sb_get(p, SB_FLAGS) >> 1 & 1;
    return SB_GO;
}

static u32 dos_over(void *nf, sb_packet *p, const sb_args *args) {
    (void)nf, (void)p;
    return *(const u64 *)(uintptr_t)args->at[0] > DOS_THRESHOLD;
}

static void dos_stop(void *nf, sb_packet *p, const sb_args *args) {
    (void)nf, (void)args;
    localmat_add_HA(nf_extract_fid(p), SB_DROP, NULL);
}

static void dos_process(void *nf, sb_packet *p) {
    dos *d = nf;
    u64 key[2];
    if (!has_ports(p))
        return;
    flow_key(p, key);
    const sb_args *args = sb_list((u64)(uintptr_t)map_make(&d->syns, key));
    int fid = nf_extract_fid(p);
    if (dos_over(nf, p, args)) {
        localmat_add_HA(fid, SB_DROP, NULL);
        sb_drop(p);
        return;
    }
    register_event(fid, dos_over, args, SB_NONE, dos_stop);
    localmat_add_SF(fid, dos_count, SB_IGNORE, args);
    localmat_add_HA(fid, SB_MODIFY, sb_list(SB_DPORT, DOS_PORT));
    dos_count(nf, p, args);
    sb_set(p, SB_DPORT, DOS_PORT);
}

static void dos_show(FILE *to, void *nf) {
    map_show(to, "dos.syns", &((dos *)nf)->syns, 1);
}

#endif
