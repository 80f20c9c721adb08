/* A chain of NFs with its Local MATs, its Global MAT and its events (SpeedyBox, III and V). */
#ifndef SB_BOX_H
#define SB_BOX_H
#include "sb_threads.h"

typedef struct sb_counts {
    u64 packets, served, recorded, events, removed, evicted;
    u64 mistaken; /* flows whose rows say another thing than what the NFs did to their packet */
} sb_counts;

struct sb_box {
    nf_core core;     /* memory of an event, and counters of what drops for good */
    nf_mat mat;
    sb_nf nfs[SB_MAX_NFS];
    u32 count;
    u8 fast;          /* 0: the chain as it is, without records */
    u8 checked;       /* records are compared with what the NFs did to the first packet */
    u32 most;         /* flows */
    sb_flow *flows;
    u32 made, room;
    i32 free;
    u32 hand;
    sb_flow *recording; /* whose rows are being written */
    u32 row;            /* of which NF */
    const struct sb_arrival *now; /* the packet whose turn it is */
    sb_operation staged[SB_MAX_OPERATIONS];
    sb_team team;       /* who helps with state functions; nobody, unless asked for */
    sb_counts counts;
};

/* What a flow's record in the Global MAT says: SB_PLAIN needs nothing else. */
typedef struct sb_record {
    nf_mat_head head;
    i32 fid;
    u64 a;            /* addresses as they leave */
    u32 ports;
} sb_record;

static nf_core *sb_core(sb_box *box) {
    return &box->core;
}

/* Making one -------------------------------------------------------------------------------- */

/* An empty chain for `most` flows at a time: 0, or -1. */
static __attribute__((unused)) int sb_init(sb_box *b, u32 fast, u32 most) {
    memset(b, 0, sizeof *b);
    nf_seed(NULL);
    b->fast = (u8)(fast != 0);
    b->checked = 1;
    b->most = most ? most : 1;
    b->free = SB_NO_FLOW;
    return nf_mat_init(&b->mat, NF_MAT_LINE, 0, UINT64_MAX);
}

/* One more NF at the end: 0, or -1: too many. */
static __attribute__((unused)) int sb_add(sb_box *b, const char *name, sb_process *process,
                                          void *state) {
    if (b->count == SB_MAX_NFS)
        return -1;
    b->nfs[b->count++] = (sb_nf){name, state, process};
    return 0;
}

/* State functions of different NFs run side by side on so many more threads, for packets with at
 * least so many bytes of payload: 0, or -1. All NFs have been added, each with a state of its own. */
static __attribute__((unused)) int sb_threads(sb_box *b, u32 threads, u64 least) {
    sb_team_end(&b->team);
    for (u32 i = 0; i < b->count; i++)
        for (u32 j = 0; j < i; j++)
            if (b->nfs[i].state && b->nfs[i].state == b->nfs[j].state)
                return -1;
    return threads ? sb_team_begin(&b->team, b->nfs, threads, least) : 0;
}

static __attribute__((unused)) void sb_free(sb_box *b) {
    sb_team_end(&b->team);
    for (u32 i = 0; i < b->made; i++)
        free(b->flows[i].operations);
    free(b->flows);
    nf_arena_free(&b->core.scratch);
    nf_mat_free(&b->mat);
    memset(b, 0, sizeof *b);
}

/* Flows ------------------------------------------------------------------------------------- */

/* The rows and the record of a flow are gone. */
static void sb_forget(sb_box *b, i32 fid) {
    sb_flow *f = b->flows + fid;
    nf_mat_remove(&b->mat, f->key, f->hash, NF_MAT_LINE);
    free(f->operations);
    *f = (sb_flow){.next = b->free};
    b->free = fid;
}

/* A flow less, whose turn it is. */
static void sb_evict(sb_box *b) {
    for (;; b->hand++) {
        b->hand %= b->made;
        if (b->flows[b->hand].used && b->flows + b->hand != b->recording) {
            sb_forget(b, (i32)b->hand);
            b->counts.evicted++;
            return;
        }
    }
}

/* A number for a flow that has none: SB_NO_FLOW without memory. */
static i32 sb_number(sb_box *b) {
    if (b->free == SB_NO_FLOW && b->made == b->most)
        sb_evict(b);
    i32 fid = b->free;
    if (fid != SB_NO_FLOW) {
        b->free = b->flows[fid].next;
        return fid;
    }
    if (b->made == b->room) {
        u32 room = b->room ? 2 * b->room : 64;
        sb_flow *flows = realloc(b->flows, room * sizeof *flows);
        if (!flows)
            return SB_NO_FLOW;
        b->flows = flows;
        b->room = room;
    }
    return (i32)b->made++;
}

/* The number of the flow of a packet that may be recorded, made if it has none. */
static i32 sb_flow_of(sb_box *b, const u64 *key, u64 h) {
    sb_record *r = (sb_record *)nf_mat_find(&b->mat, key, h, NF_MAT_LINE);
    if (r)
        return r->fid;
    i32 fid = sb_number(b);
    if (fid == SB_NO_FLOW)
        return fid;
    r = (sb_record *)nf_mat_put(&b->mat, key, h, NF_MAT_LINE);
    sb_flow *f = b->flows + fid;
    *f = (sb_flow){.key = {key[0], key[1]}, .hash = h, .used = 1};
    if (!r) {
        *f = (sb_flow){.next = b->free};
        b->free = fid;
        return SB_NO_FLOW;
    }
    r->fid = fid;
    r->head.number = SB_SLOW;
    nf_mat_live(&b->mat, &r->head);
    return fid;
}

/* Recording --------------------------------------------------------------------------------- */

/* The row of an NF is open, if the packet's flow is recorded. */
static void sb_open(sb_box *b, sb_packet *p, u32 nf, i32 fid) {
    p->nf = b->row = nf;
    b->recording = fid < 0 ? NULL : b->flows + fid;
}

/* One operation more of the row that is being written. */
static void sb_say(sb_box *b, const sb_operation *o) {
    sb_flow *f = b->recording;
    f->said |= 1u << b->row;
    if (f->count == SB_MAX_OPERATIONS) {
        f->wrong = 1;
        return;
    }
    b->staged[f->count] = *o;
    b->staged[f->count++].nf = (u8)b->row;
}

/* What the rows of the flow come to goes into its record. */
static sb_record *sb_record_flow(sb_box *b, i32 fid, u32 reached) {
    sb_flow *f = b->flows + fid;
    sb_record *r = (sb_record *)nf_mat_find(&b->mat, f->key, f->hash, NF_MAT_LINE);
    u32 all = reached >= 32 ? UINT32_MAX : (1u << reached) - 1;
    u32 class = SB_SLOW;
    sb_operation *kept = realloc(f->operations, (f->count + 1) * sizeof *kept);
    if (kept) {
        f->operations = kept;
        memcpy(kept, b->staged, f->count * sizeof *kept);
        if (!f->wrong && (f->said & all) == all)
            class = sb_consolidate(f);
        sb_pair_up(f);
    } else {
        f->count = 0;
    }
    r->head.number = (u16)class;
    nf_mat_live(&b->mat, &r->head);
    if (class == SB_SLOW)
        return r;
    nf_head from = {.a = f->key[0], .b = f->key[1], .bits = NF_IP4 | NF_TCP}, to = from;
    if (f->written >> SB_SIP & 1)
        nf_set_sip(&to, 1, (u32)f->values[SB_SIP]);
    if (f->written >> SB_DIP & 1)
        nf_set_dip(&to, 1, (u32)f->values[SB_DIP]);
    if (f->written >> SB_SPORT & 1)
        nf_set_sport(&to, 1, (u32)f->values[SB_SPORT]);
    if (f->written >> SB_DPORT & 1)
        nf_set_dport(&to, 1, (u32)f->values[SB_DPORT]);
    const u64 addresses = (u64)(u32)~from.a + (u32)to.a + (u32)~(u32)(from.a >> 32) + (to.a >> 32);
    r->a = to.a;
    r->ports = (u32)to.b;
    r->head.ip = (u16)nf_fold(addresses);
    r->head.l4 = (u16)nf_fold(addresses + (u32)~from.b + (u32)to.b);
    return r;
}

#endif
