/* Several workers, each with a state and a thread of its own: which one a frame belongs to, and a
 * batch through all of them. nfverify/cythonized/sharding.py finds the fields that decide, and
 * hashes alike. Included last, when the generated functions are there. */
#ifndef NF_SHARD_H
#define NF_SHARD_H
#include <pthread.h>
#include <stdlib.h>
#include "nf_core.h"

/* Fields, as bits of a mask. */
enum { NF_S_SIP = 1, NF_S_DIP = 2, NF_S_SIP6 = 4, NF_S_DIP6 = 8, NF_S_SPORT = 16, NF_S_DPORT = 32,
       NF_S_PROTO = 64, NF_S_SMAC = 128, NF_S_DMAC = 256, NF_S_VLAN = 512 };

#define NF_SHARD_FACTOR 0xd6e8feb86659fd93u
#define NF_SHARD_STEP 0x9e3779b97f4a7c15u
#define NF_SHARD_BATCH 256u

typedef struct nf_worker {
    struct nf_shards *shards;
    nf_core *core;
    pthread_t thread;
    u32 n, room;
    i32 error;
    u32 *places;        /* of its packets in the batch */
    u8 **frames;
    u32 *lengths, *originals;
    u64 *times;
    u16 *ports;
    i32 *verdicts;
} nf_worker;

typedef struct nf_shards {
    u32 n, fields, started; /* started: threads that run */
    nf_worker *workers;
    u64 latest;             /* stamp so far */
    const nf_batch *batch;  /* what is worked on; NULL: time goes on to `latest` */
    nf_output *sent;        /* what all sent, in order */
    u32 room;
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    u64 turn;
    u32 busy;
    u8 over;
} nf_shards;

u32 nf_shard(u8 *frame, u32 length, u32 fields);
nf_shards *nf_shards_new(nf_core *const *cores, u32 n, u32 fields);
void nf_shards_free(nf_shards *shards);
i32 nf_shards_run(nf_shards *shards, const nf_batch *batch);
i32 nf_shards_advance(nf_shards *shards, u64 time);
const nf_output *nf_shards_sent(nf_shards *shards, u32 *count);
void nf_shards_clear(nf_shards *shards);

/* Whose a frame is ------------------------------------------------------------------------------ */

NF_INL u64 nf_shard_part(u64 word)
{
    word *= NF_SHARD_FACTOR;
    word = (word ^ word >> 32) * NF_SHARD_STEP;
    return word ^ word >> 29;
}

/* A field of a class; the two fields of a pair have one class, so that their order is lost. */
NF_INL u64 nf_shard_value(u128 value, const u64 kind)
{
    const u64 salt = kind * NF_SHARD_STEP;
    return nf_shard_part((u64)value ^ salt) + nf_shard_part((u64)(value >> 64) ^ ~salt);
}

NF_INL u32 nf_shard_hash(const nf_head *h, const u32 fast, u32 fields)
{
    u64 total = 0;
    if (fields & NF_S_SIP)
        total += nf_shard_value(nf_sip(h, fast), 1);
    if (fields & NF_S_DIP)
        total += nf_shard_value(nf_dip(h, fast), 1);
    if (fields & NF_S_SIP6)
        total += nf_shard_value(nf_sip6(h, fast), 2);
    if (fields & NF_S_DIP6)
        total += nf_shard_value(nf_dip6(h, fast), 2);
    if (fields & NF_S_SPORT)
        total += nf_shard_value(nf_sport(h, fast), 3);
    if (fields & NF_S_DPORT)
        total += nf_shard_value(nf_dport(h, fast), 3);
    if (fields & NF_S_PROTO)
        total += nf_shard_value(nf_proto(h, fast), 4);
    if (fields & NF_S_SMAC)
        total += nf_shard_value(nf_smac(h, fast), 5);
    if (fields & NF_S_DMAC)
        total += nf_shard_value(nf_dmac(h, fast), 5);
    if (fields & NF_S_VLAN)
        total += nf_shard_value(nf_vlan(h, fast), 6);
    return (u32)(nf_shard_part(total) >> 32);
}

/* A hash of these fields of a frame that arrives, the same in both directions of a flow; worker
 * hash * n >> 32 of n has it. 0 for malformed frames. */
u32 nf_shard(u8 *frame, u32 length, u32 fields)
{
    nf_head h;
    if (nf_likely(nf_parse_fast(&h, frame, length, 0)))
        return nf_shard_hash(&h, 1, fields);
    return nf_parse(&h, frame, length) == NF_PARSED ? nf_shard_hash(&h, 0, fields) : 0;
}

/* Workers --------------------------------------------------------------------------------------- */

/* init runs, and aged keys are stamped, at the first packet: in all workers at the first of all. */
static i32 nf_worker_start(nf_worker *w, u64 time)
{
    static u8 nothing[16];
    u8 *frames[1] = {nothing};
    const u32 lengths[1] = {0};
    i32 verdicts[1];
    const nf_batch batch = {frames, lengths, NULL, &time, NULL, verdicts, 1};
    if (w->core->started)
        return NF_OK;
    const u64 malformed = w->core->counters[NF_MALFORMED_FRAMES];
    i32 error = nf_push(w->core, &batch);
    if (!error)
        error = nf_flush(w->core);
    w->core->counters[NF_MALFORMED_FRAMES] = malformed;
    return error;
}

/* The outputs from `first` on, counted from packet `base` of the worker: as of the whole batch. */
static void nf_worker_place(nf_worker *w, u32 first, u32 base)
{
    for (u32 k = first; k < w->core->sent.count; k++) {
        nf_output *out = &w->core->sent.items[k];
        out->cause = w->places[base + out->cause];
        if (out->origin != UINT32_MAX)
            out->origin = w->places[base + out->origin];
    }
}

static i32 nf_worker_run(nf_worker *w, const nf_batch *all)
{
    const u32 simple = nf_describe()->simple;
    i32 error = NF_OK;
    for (u32 i = 0; i < w->n; i++) {
        const u32 at = w->places[i];
        w->frames[i] = all->frames[at];
        w->lengths[i] = all->lengths[at];
        w->originals[i] = all->originals ? all->originals[at] : all->lengths[at];
        w->ports[i] = all->ports ? all->ports[at] : 0;
    }
    for (u32 base = 0; base < w->n && !error; base += NF_SHARD_BATCH) {
        const nf_batch batch = {
            w->frames + base, w->lengths + base, w->originals + base, w->times + base,
            w->ports + base, w->verdicts + base,
            w->n - base < NF_SHARD_BATCH ? w->n - base : NF_SHARD_BATCH,
        };
        const u32 first = w->core->sent.count;
        error = nf_push(w->core, &batch);
        if (!error && !simple)
            error = nf_flush(w->core);
        if (!error && !simple)
            nf_worker_place(w, first, base);
    }
    if (!error)
        error = nf_flush(w->core);
    for (u32 i = 0; i < w->n && !error && all->verdicts; i++)
        all->verdicts[w->places[i]] = w->verdicts[i];
    return error;
}

/* Its part of the batch, then the timers until the batch's end. */
static void nf_worker_turn(nf_worker *w)
{
    const nf_batch *all = w->shards->batch;
    w->error = all ? nf_worker_run(w, all) : NF_OK;
    if (w->error || (all && !nf_describe()->has_timers))
        return;
    const u32 first = w->core->sent.count;
    w->error = nf_advance(w->core, w->shards->latest);
    for (u32 k = first; k < w->core->sent.count; k++) {
        w->core->sent.items[k].cause = all ? all->n - 1 : 0;
        w->core->sent.items[k].origin = UINT32_MAX;
    }
}

static void *nf_worker_main(void *given)
{
    nf_worker *w = given;
    nf_shards *s = w->shards;
    u64 turn = 0;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (s->turn == turn && !s->over)
            pthread_cond_wait(&s->begin, &s->lock);
        turn = s->turn;
        const u8 over = s->over;
        pthread_mutex_unlock(&s->lock);
        if (over)
            return NULL;
        nf_worker_turn(w);
        pthread_mutex_lock(&s->lock);
        if (!--s->busy)
            pthread_cond_signal(&s->end);
        pthread_mutex_unlock(&s->lock);
    }
}

/* All workers take a turn; the first one's error, if any. */
static i32 nf_shards_turn(nf_shards *s)
{
    pthread_mutex_lock(&s->lock);
    s->turn++;
    s->busy = s->n;
    pthread_cond_broadcast(&s->begin);
    while (s->busy)
        pthread_cond_wait(&s->end, &s->lock);
    pthread_mutex_unlock(&s->lock);
    for (u32 i = 0; i < s->n; i++)
        if (s->workers[i].error)
            return s->workers[i].error;
    return NF_OK;
}

/* Workers for n states of one build, which stay the caller's and must not be touched in a run.
 * NULL: no memory, or no threads. */
nf_shards *nf_shards_new(nf_core *const *cores, u32 n, u32 fields)
{
    nf_shards *s = calloc(1, sizeof *s);
    nf_worker *workers = s && n ? calloc(n, sizeof *workers) : NULL;
    if (!workers) {
        free(s);
        return NULL;
    }
    s->n = n;
    s->fields = fields;
    s->workers = workers;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->begin, NULL);
    pthread_cond_init(&s->end, NULL);
    for (; s->started < n; s->started++) {
        nf_worker *w = &workers[s->started];
        w->shards = s;
        w->core = cores[s->started];
        if (w->core->started && w->core->now > s->latest)
            s->latest = w->core->now;
        if (pthread_create(&w->thread, NULL, nf_worker_main, w)) {
            nf_shards_free(s);
            return NULL;
        }
    }
    return s;
}

static void nf_worker_free(nf_worker *w)
{
    free(w->places);
    free(w->frames);
    free(w->lengths);
    free(w->originals);
    free(w->times);
    free(w->ports);
    free(w->verdicts);
}

void nf_shards_free(nf_shards *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->over = 1;
    pthread_cond_broadcast(&s->begin);
    pthread_mutex_unlock(&s->lock);
    for (u32 i = 0; i < s->started; i++)
        pthread_join(s->workers[i].thread, NULL);
    for (u32 i = 0; i < s->n; i++)
        nf_worker_free(&s->workers[i]);
    pthread_cond_destroy(&s->begin);
    pthread_cond_destroy(&s->end);
    pthread_mutex_destroy(&s->lock);
    free(s->workers);
    free(s->sent);
    free(s);
}

/* Room for n packets: 0, or -1. */
static int nf_worker_reserve(nf_worker *w, u32 n)
{
    if (n <= w->room)
        return 0;
    nf_worker_free(w);
    w->room = 0;
    w->places = malloc(n * sizeof *w->places);
    w->frames = malloc(n * sizeof *w->frames);
    w->lengths = malloc(n * sizeof *w->lengths);
    w->originals = malloc(n * sizeof *w->originals);
    w->times = malloc(n * sizeof *w->times);
    w->ports = malloc(n * sizeof *w->ports);
    w->verdicts = malloc(n * sizeof *w->verdicts);
    if (!w->places || !w->frames || !w->lengths || !w->originals || !w->times || !w->ports
        || !w->verdicts)
        return -1;
    w->room = n;
    return 0;
}

/* A batch of any size, all done at the end: the verdicts of simple networks, else nf_shards_sent.
 * An error ends the run: the workers' states are then not those of one moment. */
i32 nf_shards_run(nf_shards *s, const nf_batch *batch)
{
    if (!batch->n)
        return NF_OK;
    for (u32 k = 0; k < s->n; k++) {
        if (nf_worker_reserve(&s->workers[k], batch->n))
            return NF_NO_MEMORY;
        s->workers[k].n = 0;
    }
    for (u32 i = 0; i < batch->n; i++) {
        const u32 hash = nf_shard(batch->frames[i], batch->lengths[i], s->fields);
        nf_worker *w = &s->workers[(u64)hash * s->n >> 32];
        if (batch->times[i] > s->latest)
            s->latest = batch->times[i];
        w->places[w->n] = i;
        w->times[w->n++] = s->latest;
        for (u32 k = 0; i == 0 && k < s->n; k++) {
            const i32 error = nf_worker_start(&s->workers[k], s->latest);
            if (error)
                return error;
        }
    }
    s->batch = batch;
    return nf_shards_turn(s);
}

/* Time goes on; nothing happens before the first packet. */
i32 nf_shards_advance(nf_shards *s, u64 time)
{
    s->batch = NULL;
    s->latest = time > s->latest && s->workers[0].core->started ? time : s->latest;
    return nf_shards_turn(s);
}

/* Does x come before y? */
NF_INL int nf_sent_before(const nf_output *x, const nf_output *y)
{
    return x->time != y->time ? x->time < y->time : x->cause < y->cause;
}

/* What came out of all workers since nf_shards_clear, in order of time, then of the packets at whose
 * step it came; of each worker in its order. NULL if there is nothing, or no memory (*count isn't 0
 * then). */
const nf_output *nf_shards_sent(nf_shards *s, u32 *count)
{
    u64 n = 0;
    for (u32 k = 0; k < s->n; k++) {
        n += s->workers[k].core->sent.count;
        s->workers[k].n = 0; /* taken so far */
    }
    *count = n < UINT32_MAX ? (u32)n : UINT32_MAX;
    if (n > s->room) {
        nf_output *grown = n < UINT32_MAX ? realloc(s->sent, n * sizeof *grown) : NULL;
        if (!grown)
            return NULL;
        s->sent = grown;
        s->room = (u32)n;
    }
    for (u64 i = 0; i < n; i++) {
        nf_worker *first = NULL;
        for (u32 k = 0; k < s->n; k++) {
            nf_worker *w = &s->workers[k];
            const nf_outputs *sent = &w->core->sent;
            if (w->n < sent->count
                && (!first || nf_sent_before(&sent->items[w->n], &first->core->sent.items[first->n])))
                first = w;
        }
        s->sent[i] = first->core->sent.items[first->n++];
    }
    return n ? s->sent : NULL;
}

void nf_shards_clear(nf_shards *s)
{
    for (u32 k = 0; k < s->n; k++) {
        s->workers[k].core->sent.count = 0;
        nf_arena_reset(&s->workers[k].core->sent.bytes);
    }
}
#endif
