/* Maglev (Eisenbud et al., NSDI 2016): a consistent hash picks a backend, a connection stays with it
 * until it fails. 192.0.2.9 says which one does, by UDP port 9001, and which is back, by 9000: the
 * source port names it. */
#ifndef MAGLEV_H
#define MAGLEV_H
#include "common.h"

enum {
    MAGLEV_VIP = 0xc6336401,      /* 198.51.100.1 */
    MAGLEV_POOL = 0xac100001,     /* 172.16.0.1 is backend 0 */
    MAGLEV_CONTROL = 0xc0000209,  /* 192.0.2.9 */
    MAGLEV_BACKENDS = 3, MAGLEV_SLOTS = 7
};

/* Each slot's backends, by whom it goes to while those before have failed: the permutations of the
 * paper's Table 1, filled as in its section 3.4. */
static const u8 MAGLEV_TABLE[MAGLEV_SLOTS][MAGLEV_BACKENDS] = {
    {1, 0, 2}, {0, 2, 1}, {1, 0, 2}, {0, 1, 2}, {2, 0, 1}, {2, 0, 1}, {0, 1, 2},
};

typedef struct maglev {
    map connections;  /* flow -> backend + 1 */
    u64 failed;       /* bits of backends */
} maglev;

static void maglev_init(maglev *lb) {
    map_init(&lb->connections, 8);
    lb->failed = 0;
}

/* A backend that lives; MAGLEV_BACKENDS: there is none. */
static u32 maglev_pick(const maglev *lb, u64 sip, u64 sport) {
    const u32 words[] = {(u32)sip, (u32)sport};
    const u8 *slot = MAGLEV_TABLE[nf_hash_words(words, 2) % MAGLEV_SLOTS];
    for (u32 i = 0; i < MAGLEV_BACKENDS; i++)
        if (!(lb->failed >> slot[i] & 1))
            return slot[i];
    return MAGLEV_BACKENDS;
}

static void maglev_serve(maglev *lb, sb_packet *p, u64 *connection, u64 sip, u64 sport);

/* The connection's backend has failed, or is another one: a NAT may let two flows look like one. */
static u32 maglev_failed(void *nf, sb_packet *p, const sb_args *args) {
    (void)p;
    const u64 *connection = (const u64 *)(uintptr_t)args->at[0];
    return *connection != args->at[3] || ((maglev *)nf)->failed >> (*connection - 1) & 1;
}

static u32 maglev_back(void *nf, sb_packet *p, const sb_args *args) {
    (void)p, (void)args;
    return ((maglev *)nf)->failed != (1 << MAGLEV_BACKENDS) - 1;
}

/* The flow gets another one. */
static void maglev_move(void *nf, sb_packet *p, const sb_args *args) {
    maglev_serve(nf, p, (u64 *)(uintptr_t)args->at[0], args->at[1], args->at[2]);
}

/* The connection's row: to its backend, and what is to happen when that fails. */
static void maglev_serve(maglev *lb, sb_packet *p, u64 *connection, u64 sip, u64 sport) {
    int fid = nf_extract_fid(p);
    sb_args args = {{(u64)(uintptr_t)connection, sip, sport}};
    if (!*connection || lb->failed >> (*connection - 1) & 1) {
        u32 backend = maglev_pick(lb, sip, sport);
        if (backend == MAGLEV_BACKENDS) {
            register_event(fid, maglev_back, &args, SB_NONE, NULL);
            localmat_add_HA(fid, SB_DROP, NULL);
            return;
        }
        *connection = backend + 1;
    }
    args.at[3] = *connection;
    register_event(fid, maglev_failed, &args, SB_NONE, maglev_move);
    localmat_add_HA(fid, SB_MODIFY, sb_list(SB_DIP, MAGLEV_POOL + *connection - 1));
}

static void maglev_process(void *nf, sb_packet *p) {
    maglev *lb = nf;
    u64 key[2], sip = sb_get(p, SB_SIP), dport = sb_get(p, SB_DPORT);
    if (!has_ports(p))
        return;
    if (sip == MAGLEV_CONTROL && sb_get(p, SB_PROTO) == 17 && dport >> 1 == 4500) {
        u64 backend = sb_get(p, SB_SPORT); /* no row: each of these is to be seen */
        if (backend < MAGLEV_BACKENDS)
            lb->failed = (lb->failed & ~(1ULL << backend)) | (dport & 1) << backend;
        sb_drop(p);
        return;
    }
    if (sb_get(p, SB_DIP) != MAGLEV_VIP) {
        localmat_add_HA(nf_extract_fid(p), SB_FORWARD, NULL);
        return;
    }
    flow_key(p, key);
    u64 *connection = map_make(&lb->connections, key);
    maglev_serve(lb, p, connection, sip, sb_get(p, SB_SPORT));
    if (lb->failed == (1 << MAGLEV_BACKENDS) - 1)
        sb_drop(p);
    else
        sb_set(p, SB_DIP, MAGLEV_POOL + *connection - 1);
}

static void maglev_show(FILE *to, void *nf) {
    maglev *lb = nf;
    fprintf(to, "maglev.failed %llu\n", (unsigned long long)lb->failed);
    map_show(to, "maglev.connections", &lb->connections, 1);
}

#endif
