/* Who watches what: flows by what their records depend on (SpeedyBox's Event Table, inverted).
 *
 * What is watched is a variable at a key, as 32 bits of their hash: two that share them are taken
 * for one, so a flow may be told too much but never too little. A watch is good for one telling.
 * Linear hashing over lists: it grows by one bucket at a time. */
#ifndef NF_EVENTS_H
#define NF_EVENTS_H
#include <sys/mman.h>
#include "nf_base.h"

#define NF_EVENTS_LEAST 1024u        /* watches that there is always room for */
#define NF_EVENTS_MOST (1u << 28)

#ifndef MREMAP_MAYMOVE /* sys/mman.h shows it only with _GNU_SOURCE */
#define MREMAP_MAYMOVE 1
extern void *mremap(void *, size_t, size_t, int, ...);
#endif

typedef struct nf_watch {
    u64 flow;   /* the hash of its key */
    u32 where, next;
} nf_watch;

typedef struct nf_events {
    nf_watch *watches; /* number 0 ends a list */
    u32 *heads;
    u32 room;          /* of both */
    u32 used, free;    /* watches numbered from here on are new; a list of others to reuse */
    u32 count;
    u32 buckets, mask; /* mask / 2 < buckets <= mask + 1 */
} nf_events;

NF_COLD void *nf_events_map(void *old, u64 before, u64 bytes) {
    void *p = old ? mremap(old, before, bytes, MREMAP_MAYMOVE)
                  : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Forgets all watches. */
NF_COLD void nf_events_clear(nf_events *e) {
    if (e->heads)
        memset(e->heads, 0, e->buckets * sizeof *e->heads);
    e->used = 1;
    e->free = e->count = 0;
    e->buckets = 64;
    e->mask = 127;
}

/* Room for twice as many: 0, or -1 with all as it was. */
NF_COLD int nf_events_grow(nf_events *e) {
    u32 room = e->room ? e->room * 2 : NF_EVENTS_LEAST;
    if (room > NF_EVENTS_MOST)
        return -1;
    u32 *heads = (u32 *)nf_events_map(e->heads, (u64)e->room * 4, (u64)room * 4);
    if (!heads)
        return -1;
    e->heads = heads; /* longer than it is said to be, if the next fails: mremap shrinks it again */
    nf_watch *watches = (nf_watch *)nf_events_map(e->watches, (u64)e->room * sizeof *watches,
                                      (u64)room * sizeof *watches);
    if (!watches) {
        if (e->room)
            e->heads = (u32 *)mremap(heads, (u64)room * 4, (u64)e->room * 4, 0);
        else
            munmap(heads, (u64)room * 4);
        if (!e->room)
            e->heads = NULL;
        return -1;
    }
    e->watches = watches;
    e->room = room;
    return 0;
}

/* 0, or -1: no memory. */
NF_COLD int nf_events_init(nf_events *e) {
    memset(e, 0, sizeof *e);
    nf_events_clear(e);
    return nf_events_grow(e);
}

NF_COLD void nf_events_free(nf_events *e) {
    if (e->heads)
        munmap(e->heads, (u64)e->room * sizeof *e->heads);
    if (e->watches)
        munmap(e->watches, (u64)e->room * sizeof *e->watches);
    memset(e, 0, sizeof *e);
}

NF_INL u32 nf_events_bucket(const nf_events *e, u32 where) {
    u32 b = where & e->mask;
    return b < e->buckets ? b : b & e->mask >> 1;
}

NF_INL void nf_events_prefetch(const nf_events *e, u32 where) {
    __builtin_prefetch(e->heads + nf_events_bucket(e, where), 1, 3);
}

/* One bucket more: what belongs there moves out of the bucket that stood for both. */
NF_COLD void nf_events_split(nf_events *e) {
    const u32 added = e->buckets++, half = e->mask >> 1;
    u32 *from = e->heads + (added & half), moved = 0;
    while (*from) {
        nf_watch *w = e->watches + *from;
        if ((w->where & e->mask) == added) {
            u32 i = *from;
            *from = w->next;
            w->next = moved;
            moved = i;
        } else {
            from = &w->next;
        }
    }
    e->heads[added] = moved;
    if (e->buckets > e->mask)
        e->mask = e->mask << 1 | 1;
}

/* The flow is told when `where` changes: 0, or -1: no memory. */
NF_INL int nf_events_watch(nf_events *e, u32 where, u64 flow) {
    u32 *head = e->heads + nf_events_bucket(e, where), i = e->free;
    nf_watch *w = e->watches + *head;
    if (*head && w->where == where && w->flow == flow)
        return 0;
    if (i) {
        e->free = e->watches[i].next;
    } else {
        if (nf_unlikely(e->used == e->room)) {
            if (nf_events_grow(e))
                return -1;
            head = e->heads + nf_events_bucket(e, where);
        }
        i = e->used++;
    }
    e->watches[i] = (nf_watch){flow, where, *head};
    *head = i;
    if (++e->count > e->buckets)
        nf_events_split(e);
    return 0;
}

/* Whether anybody may watch `where`. */
NF_INL u32 nf_events_any(const nf_events *e, u32 where) {
    return e->heads[nf_events_bucket(e, where)];
}

/* Takes all watches of `where` away: the first, for nf_events_next. */
NF_COLD u32 nf_events_take(nf_events *e, u32 where) {
    u32 *from = e->heads + nf_events_bucket(e, where), taken = 0;
    while (*from) {
        nf_watch *w = e->watches + *from;
        if (w->where == where) {
            u32 i = *from;
            *from = w->next;
            w->next = taken;
            taken = i;
        } else {
            from = &w->next;
        }
    }
    return taken;
}

/* The flow of a watch that was taken, which is free again, and the next one; 0 after the last. */
NF_INL u32 nf_events_next(nf_events *e, u32 taken, u64 *flow) {
    nf_watch *w = e->watches + taken;
    u32 next = w->next;
    *flow = w->flow;
    w->next = e->free;
    e->free = taken;
    e->count--;
    return next;
}

#endif
