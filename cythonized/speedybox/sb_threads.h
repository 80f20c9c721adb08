/* State functions of different NFs side by side (SpeedyBox, V-C and Table I). Off unless asked for: to
 * hand a packet to another core costs more than most functions do. */
#ifndef SB_THREADS_H
#define SB_THREADS_H
#include <errno.h>
#include <pthread.h>
#include "sb_flow.h"

enum { SB_MOST_THREADS = 8, SB_SPINS = 2000 };

/* The functions of one NF for one packet. */
typedef struct sb_job {
    sb_packet packet;
    const sb_flow *flow;
    u32 from, to;    /* operations */
    u8 stopped;
} sb_job;

typedef struct sb_helper {
    pthread_t thread;
    const sb_nf *nfs;
    sb_job job;
    u32 asked, done; /* counts of jobs */
    u32 stop;
} __attribute__((aligned(64))) sb_helper;

typedef struct sb_team {
    sb_helper *helpers;
    u32 count;
    u64 least;       /* bytes of payload for which it is worth it */
} sb_team;

/* Consolidation: which batches may run beside those before them. As Table I has it, but that one which
 * writes the payload may not run beside one before it that reads it, for it may be first; and that
 * behind one which may drop the packet none may begin. */
static void sb_pair_up(sb_flow *f) {
    u32 reads = 0, writes = 0, drops = 0, headers = 0, begun = 0, i = 0;
    f->beside = 0;
    while (i < f->count) {
        u32 nf = f->operations[i].nf, end = i, first = f->count;
        u32 batch_reads = 0, batch_writes = 0, batch_drops = 0;
        for (; end < f->count && f->operations[end].nf == nf; end++) {
            sb_operation *o = f->operations + end;
            headers |= o->kind == SB_HA && (o->what == SB_ENCAP || o->what == SB_DECAP);
            if (o->kind != SB_SF)
                continue;
            o->beside = 0;
            first = first == f->count ? end : first;
            batch_reads |= o->what == SB_READ;
            batch_writes |= o->what == SB_WRITE;
            batch_drops |= o->drops;
        }
        i = end;
        if (first == f->count)
            continue;
        u32 apart = !begun || drops || headers || (batch_writes && (reads || writes)) ||
                    (batch_reads && writes);
        if (apart)
            reads = writes = drops = 0;
        f->operations[first].beside = !apart;
        f->beside |= !apart;
        reads |= batch_reads;
        writes |= batch_writes;
        drops |= batch_drops;
        begun = 1;
    }
}

/* The functions among some operations: 1 if one drops the packet. */
static u32 sb_call_each(const sb_nf *nfs, sb_packet *p, const sb_flow *f, u32 from, u32 to) {
    for (u32 i = from; i < to; i++) {
        const sb_operation *o = f->operations + i;
        if (o->kind != SB_SF)
            continue;
        p->position = i;
        p->nf = o->nf;
        if (o->call.function(nfs[o->nf].state, p, &o->args) == SB_STOP && o->drops)
            return 1;
    }
    return 0;
}

/* Helpers ------------------------------------------------------------------------------------- */

static void sb_wait(const u32 *at, u32 value) {
    for (u32 spins = 0; __atomic_load_n(at, __ATOMIC_ACQUIRE) != value; spins++)
        if (spins > SB_SPINS)
            sched_yield();
        else
            __builtin_ia32_pause();
}

static void *sb_help(void *argument) {
    sb_helper *h = argument;
    for (u32 n = 1;; n++) {
        sb_wait(&h->asked, n);
        if (h->stop)
            return NULL;
        sb_job *j = &h->job;
        j->stopped = (u8)sb_call_each(h->nfs, &j->packet, j->flow, j->from, j->to);
        __atomic_store_n(&h->done, n, __ATOMIC_RELEASE);
    }
}

static void sb_team_end(sb_team *t) {
    for (u32 i = 0; i < t->count; i++) {
        sb_helper *h = t->helpers + i;
        h->stop = 1;
        __atomic_store_n(&h->asked, h->asked + 1, __ATOMIC_RELEASE);
        pthread_join(h->thread, NULL);
    }
    free(t->helpers);
    *t = (sb_team){0};
}

/* So many more threads for payloads of at least so many bytes: 0, or -1 with none. */
static int sb_team_begin(sb_team *t, const sb_nf *nfs, u32 threads, u64 least) {
    if (threads > SB_MOST_THREADS)
        return -1;
    t->helpers = aligned_alloc(64, (threads + 1) * sizeof *t->helpers);
    if (!t->helpers)
        return -1;
    memset(t->helpers, 0, (threads + 1) * sizeof *t->helpers);
    t->least = least;
    for (; t->count < threads; t->count++) {
        sb_helper *h = t->helpers + t->count;
        h->nfs = nfs;
        if (pthread_create(&h->thread, NULL, sb_help, h)) {
            sb_team_end(t);
            return -1;
        }
    }
    return 0;
}

/* Where the batch that begins at operation i ends, or the whole group if `group`. */
static u32 sb_batch_end(const sb_flow *f, u32 i, u32 group) {
    u32 nf = f->operations[i].nf;
    for (; i < f->count; i++) {
        const sb_operation *o = f->operations + i;
        if (o->kind == SB_SF && o->nf != nf && !(group && o->beside))
            return i;
        nf = o->kind == SB_SF ? o->nf : nf;
    }
    return i;
}

/* All functions of a flow, groups side by side: 1 if one drops the packet. */
static u32 sb_call_beside(sb_team *t, const sb_nf *nfs, sb_packet *p, const sb_flow *f) {
    for (u32 i = 0; i < f->count;) {
        if (f->operations[i].kind != SB_SF) {
            i++;
            continue;
        }
        /* The batch that writes keeps the packet, else the first. */
        const u32 end = sb_batch_end(f, i, 1);
        u32 used = 0, own = i, own_end = sb_batch_end(f, i, 0), stopped = 0;
        for (u32 from = i, to; from < end; from = to) {
            to = sb_batch_end(f, from, 0);
            for (u32 k = from; k < to; k++)
                if (f->operations[k].kind == SB_SF && f->operations[k].what == SB_WRITE) {
                    own = from;
                    own_end = to;
                }
        }
        for (u32 from = i, to; from < end; from = to) {
            to = sb_batch_end(f, from, 0);
            if (from == own)
                continue;
            if (used == t->count) { /* nobody is left */
                sb_packet copy = *p;
                stopped |= sb_call_each(nfs, &copy, f, from, to);
                continue;
            }
            sb_helper *h = t->helpers + used++;
            h->job = (sb_job){.packet = *p, .flow = f, .from = from, .to = to};
            __atomic_store_n(&h->asked, h->asked + 1, __ATOMIC_RELEASE);
        }
        stopped |= sb_call_each(nfs, p, f, own, own_end);
        while (used--) {
            sb_wait(&t->helpers[used].done, t->helpers[used].asked);
            stopped |= t->helpers[used].job.stopped;
        }
        if (stopped)
            return 1;
        i = end;
    }
    return 0;
}

#endif
