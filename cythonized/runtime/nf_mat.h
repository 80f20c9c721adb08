/* The Global MAT: a record for each flow, found by the whole key, good until what it rests on
 * changes.
 *
 * A table whose keys are two words, the last one never 0, in slots of one cache line or more. A
 * record serves as long as its epoch is the table's; 0 is nobody's. Records may vanish at any time,
 * so what is short of memory forgets. */
#ifndef NF_MAT_H
#define NF_MAT_H
#include "nf_events.h"
#include "nf_table.h"

enum { NF_MAT_WORDS = 2, NF_MAT_LINE = 64 };
enum { NF_MAT_PART = 4 }; /* sparser, it would only have more pages to touch */

/* What a record begins with, behind its key; the class's own values follow. */
typedef struct nf_mat_head {
    u32 epoch;
    u16 number; /* of the class */
    u16 ip, l4; /* sums of the changes under the checksums, folded */
    u16 more;
} nf_mat_head;

typedef struct nf_mat {
    nf_table table;
    nf_events events;
    u32 epoch;
    u32 watches;     /* that a record has at most */
    u64 most;        /* records; UINT64_MAX: no bound */
    u64 hand;        /* position of who goes next when it is full */
    u64 served, recorded, outdated, evicted, flushed; /* how often, for statistics */
} nf_mat;

/* For records of `slot` bytes with their key, each with so many watches at most (none: nobody ever
 * calls nf_mat_watch or nf_mat_event), and `most` records: 0, or -1. */
NF_COLD int nf_mat_init(nf_mat *m, u32 slot, u32 watches, u64 most) {
    memset(m, 0, sizeof *m);
    m->epoch = 1;
    m->watches = watches;
    m->most = most;
    if (nf_table_init(&m->table, NF_MAT_WORDS, slot))
        return -1;
    m->table.part = NF_MAT_PART;
    m->table.limit = nf_table_room(&m->table, m->table.region.size);
    if (!watches || !nf_events_init(&m->events))
        return 0;
    nf_table_free(&m->table);
    return -1;
}

NF_COLD void nf_mat_free(nf_mat *m) {
    nf_table_free(&m->table);
    nf_events_free(&m->events);
}

/* Forgets all records. */
NF_COLD void nf_mat_clear(nf_mat *m) {
    nf_table_clear(&m->table);
    nf_events_clear(&m->events);
    m->epoch = 1;
    m->hand = 0;
}

/* Outdates all records. */
NF_INL void nf_mat_outdate_all(nf_mat *m) {
    if (nf_unlikely(++m->epoch == 0))
        nf_mat_clear(m);
}

NF_INL u64 nf_mat_hash(const u64 *key) {
    return nf_hashn(key, NF_MAT_WORDS);
}

NF_INL void nf_mat_prefetch(const nf_mat *m, u64 h, const u32 slot) {
    nf_prefetch(&m->table, h, slot);
}

/* Where a record's search begins, until the next put, tick or clear. */
NF_INL u8 *nf_mat_home(const nf_mat *m, u64 h, const u32 slot) {
    return nf_place(&m->table, h, slot);
}

/* The flow's record, or NULL; it serves iff nf_mat_serves. Good until the next put, remove, evict,
 * tick or clear. */
NF_INL nf_mat_head *nf_mat_at(u8 *home, const u64 *key, const u32 slot) {
    return (nf_mat_head *)nf_find_at(home, key, NF_MAT_WORDS, slot);
}

NF_INL nf_mat_head *nf_mat_find(nf_mat *m, const u64 *key, u64 h, const u32 slot) {
    return (nf_mat_head *)nf_find(&m->table, key, h, NF_MAT_WORDS, slot);
}

NF_INL u32 nf_mat_serves(const nf_mat *m, const nf_mat_head *r) {
    return r->epoch == m->epoch;
}

NF_INL void nf_mat_remove(nf_mat *m, const u64 *key, u64 h, const u32 slot) {
    nf_del(&m->table, key, h, NF_MAT_WORDS, slot);
}

/* Removes up to n records, whose turn it is. */
NF_COLD void nf_mat_evict(nf_mat *m, u64 n) {
    nf_table *t = &m->table;
    for (; n && t->count; n--) {
        u8 *p = (u8 *)nf_table_next(t, &m->hand);
        if (!p) {
            m->hand = 0;
            p = (u8 *)nf_table_next(t, &m->hand);
        }
        u64 key[NF_MAT_WORDS];
        memcpy(key, p, sizeof key);
        nf_del(t, key, nf_hashn(key, NF_MAT_WORDS), NF_MAT_WORDS, t->slot);
        m->hand -= m->hand > 0; /* a later record may stand there now */
        m->evicted++;
    }
}

/* Watches of records that were made anew, or are gone, are forgotten with all the others, once they
 * are more than half: then as many records were made as are lost by it. */
NF_COLD void nf_mat_flush(nf_mat *m) {
    nf_events_clear(&m->events);
    nf_mat_outdate_all(m);
    m->flushed++;
}

/* The flow's record, to be written anew: outdated until nf_mat_live. What it held is still there,
 * all 0 if it is new. Others may be outdated or evicted by this. NULL: no room, and no record. */
NF_INL nf_mat_head *nf_mat_put(nf_mat *m, const u64 *key, u64 h, const u32 slot) {
    u32 created;
    if (nf_unlikely(m->events.count >= NF_EVENTS_LEAST + 2 * m->watches * m->table.count))
        nf_mat_flush(m);
    nf_mat_head *r = (nf_mat_head *)nf_find(&m->table, key, h, NF_MAT_WORDS, slot);
    if (r) {
        r->epoch = 0;
        return r;
    }
    if (nf_unlikely(m->table.count >= m->most))
        nf_mat_evict(m, m->table.count - m->most + 1);
    if (nf_unlikely(nf_table_reserve(&m->table, 1)))
        return NULL;
    return (nf_mat_head *)nf_put(&m->table, key, h, NF_MAT_WORDS, slot, &created);
}

NF_INL void nf_mat_live(nf_mat *m, nf_mat_head *r) {
    r->epoch = m->epoch;
    m->recorded++;
}

/* The record of a flow with hash h, which has just been put, is outdated by the event w: a hash of
 * a variable's number and the packed key, of which the upper half counts. 0: no memory, so the record
 * must not become live. */
NF_INL u32 nf_mat_watch(nf_mat *m, u64 w, u64 h) {
    return !nf_events_watch(&m->events, (u32)(w >> 32), h);
}

/* Outdates all records whose flows have this hash. */
NF_COLD void nf_mat_outdate(nf_mat *m, u64 h) {
    nf_table *t = &m->table;
    for (u8 *p = nf_place(t, h, t->slot); nf_slot_full(p, NF_MAT_WORDS); p += t->slot)
        if (nf_table_rehash(t, p, NF_MAT_WORDS) == h) {
            ((nf_mat_head *)(p + 8 * NF_MAT_WORDS))->epoch = 0;
            m->outdated++;
        }
}

static __attribute__((noinline, unused)) void nf_mat_tell(nf_mat *m, u32 where) {
    u32 i = nf_events_take(&m->events, where);
    while (i) {
        u64 h;
        i = nf_events_next(&m->events, i, &h);
        nf_mat_outdate(m, h);
    }
}

/* The event w happens: one load unless somebody may watch it. */
NF_INL void nf_mat_event(nf_mat *m, u64 w) {
    if (nf_unlikely(nf_events_any(&m->events, (u32)(w >> 32))))
        nf_mat_tell(m, (u32)(w >> 32));
}

/* A bounded piece of the work under way: once a batch. */
NF_INL void nf_mat_tick(nf_mat *m) {
    nf_table_tick(&m->table);
}

NF_COLD u64 nf_mat_bytes(const nf_mat *m) {
    return nf_table_bytes(&m->table) +
           (u64)m->events.room * (sizeof *m->events.heads + sizeof *m->events.watches);
}

#endif
