/* Packets through a chain: by the record of their flow, by its rows after an event, or NF by NF. */
#ifndef SB_RUN_H
#define SB_RUN_H
#include "sb_box.h"

enum { SB_LARGEST = 60000 }; /* bytes of a frame that is served: headers always fit in front */

/* Who is asked by the calls of speedybox.h. */
static _Thread_local sb_box *sb_now;

typedef struct sb_out {
    u8 *frame;   /* good until the box's next packet; the given one's place, or the box's */
    u32 length;
} sb_out;

/* One by one ---------------------------------------------------------------------------------- */

/* NFs `from` and on: how many of the chain the packet has reached. */
static u32 sb_chain(sb_box *b, sb_packet *p, u32 from) {
    sb_now = b;
    for (u32 nf = from; nf < b->count; nf++) {
        sb_open(b, p, nf, p->fid);
        b->nfs[nf].process(b->nfs[nf].state, p);
        if (p->dropped)
            return nf + 1;
    }
    return b->count;
}

/* Operations `i` and on, one by one: 1 if they drop the packet. */
static void sb_do_each(sb_box *b, sb_packet *p, const sb_operation *operations, u32 i, u32 end) {
    u32 dropped = 0;
    b->recording = NULL;
    for (; i < end; i++) {
        const sb_operation o = operations[i];
        if (o.kind == SB_HA && !dropped) {
            sb_act(p, &o);
            dropped = p->dropped;
        } else if (o.kind == SB_SF && o.call.function(b->nfs[o.nf].state, p, &o.args) == SB_STOP &&
                   o.drops) {
            p->dropped = 1;
            return;
        }
    }
}

/* Whether the record does to the frame as it came in what the NFs did: checked once a flow. */
static u32 sb_as_said(sb_box *b, const sb_flow *f, sb_packet *first, const sb_packet *last) {
    for (u32 i = 0; i < f->count; i++)
        if (f->operations[i].kind == SB_SF && f->operations[i].what == SB_WRITE)
            return 1; /* what it writes is not known */
    sb_act_each(first, f, 0, f->count);
    if (first->dropped != last->dropped)
        return 0;
    if (first->dropped)
        return 1;
    sb_write_back(first, first->head.frame);
    (void)b;
    return first->head.length == last->head.length &&
           !memcmp(first->head.frame, last->head.frame, first->head.length);
}

/* Ends a packet that went NF by NF, at least from some on: `first` is it as it came in, or NULL. */
static void sb_end(sb_box *b, sb_packet *p, u32 reached, sb_packet *first) {
    b->recording = NULL;
    sb_now = NULL;
    if (!p->dropped)
        sb_write_back(p, p->head.frame);
    if (p->fid < 0)
        return;
    sb_flow *f = b->flows + p->fid;
    sb_record *r = sb_record_flow(b, p->fid, reached);
    if (r->head.number == SB_SLOW)
        return;
    if (p->dropped != f->drops || (first && !sb_as_said(b, f, first, p))) {
        u32 may_drop = 0;
        for (u32 i = 0; i < f->count; i++)
            may_drop |= f->operations[i].kind == SB_SF && f->operations[i].drops;
        b->counts.mistaken += !(p->dropped && may_drop && !f->drops);
        r->head.number = SB_SLOW;
    } else {
        b->counts.recorded++;
    }
}

/* The whole chain. `may`: the flow may be recorded. */
static void sb_slow(sb_box *b, sb_packet *p, u32 may) {
    sb_packet first;
    u32 check = may && b->checked;
    if (check) {
        u8 *copy = nf_wrap_room(&b->core, p->head.length);
        if (copy) {
            memcpy(copy, p->head.frame, p->head.length);
            first = *p;
            first.head.frame = copy;
        } else {
            check = may = 0;
        }
    }
    p->fid = may ? SB_UNASKED : SB_NO_FLOW;
    u32 reached = sb_chain(b, p, 0);
    sb_end(b, p, reached, check ? &first : NULL);
}

/* Events ---------------------------------------------------------------------------------------- */

/* The condition of operation `at` of the flow holds: its NF's row is written anew, and those behind
 * see the packet themselves, for what they do to it may hang on what that row does. */
static void sb_happen(sb_box *b, sb_packet *p, i32 fid, u32 at) {
    sb_flow *f = b->flows + fid;
    const sb_operation o = f->operations[at];
    u32 begin = at, end = at, n = f->count;
    while (begin && f->operations[begin - 1].nf == o.nf)
        begin--;
    while (end < n && f->operations[end].nf == o.nf)
        end++;
    b->counts.events++;
    memcpy(b->staged, f->operations, begin * sizeof *b->staged);
    f->count = begin;
    f->said &= (1u << o.nf) - 1;
    f->wrong = 0;
    p->fid = fid;
    sb_now = b;
    sb_do_each(b, p, b->staged, 0, begin);
    u32 reached = o.nf + 1u;
    if (!p->dropped && (o.what != SB_NONE || o.update)) {
        sb_open(b, p, o.nf, fid);
        if (o.what != SB_NONE)
            sb_say(b, &(sb_operation){.kind = SB_HA, .what = o.what});
        if (o.update)
            o.update(b->nfs[o.nf].state, p, &o.args);
        else
            for (u32 i = begin; i < end; i++)
                if (i != at && f->operations[i].kind != SB_HA)
                    sb_say(b, f->operations + i);
        sb_do_each(b, p, b->staged, begin, f->count);
        if (!p->dropped)
            reached = sb_chain(b, p, o.nf + 1u);
    } else if (!p->dropped) {
        reached = sb_chain(b, p, o.nf);
    }
    sb_end(b, p, reached, NULL);
}

/* The first operation whose event happens, or the flow's count. */
static u32 sb_event_of(sb_box *b, sb_packet *p, const sb_flow *f) {
    for (u32 i = 0; i < f->count; i++) {
        const sb_operation *o = f->operations + i;
        p->position = i;
        if (o->kind == SB_EVENT && o->call.condition(b->nfs[o->nf].state, p, &o->args))
            return i;
    }
    return f->count;
}

/* By the record -------------------------------------------------------------------------------- */

/* The header of a plain frame as the record says. */
NF_INL void sb_rewrite(u8 *frame, const sb_record *r) {
    const u32 tcp = 0u - (u32)(frame[23] == 6), udp = ~tcp & 0xffff;
    u8 *at = frame + 40 + (tcp & 10);
    u32 old = nf_ld16(at), now = (u16)~nf_fold(r->head.l4 + (u64)(u16)~old);
    nf_st16(frame + 24, (u16)~nf_fold(r->head.ip + (u64)(u16)~nf_ld16(frame + 24)));
    nf_st64(frame + 26, r->a);
    nf_st32(frame + 34, r->ports);
    now |= (0u - (u32)(now == 0)) & udp;    /* UDP sends a sum of 0 as 0xffff */
    now &= ~((0u - (u32)(old == 0)) & udp); /* and 0 means that there is none */
    nf_st16(at, (u16)now);
}

/* State functions, events and headers: what needs the flow's rows. */
static void sb_serve(sb_box *b, sb_packet *p, const sb_record *r) {
    const u32 class = r->head.number;
    const i32 fid = r->fid;
    sb_flow *f = b->flows + fid;
    nf_complete(&p->head);
    p->served = f;
    if (f->events) {
        u32 at = sb_event_of(b, p, f);
        if (at < f->count) {
            p->served = NULL;
            sb_happen(b, p, fid, at);
            return;
        }
    }
    b->counts.served++;
    p->position = 0;
    u32 beside = f->beside && b->team.count && sb_payload(p).length >= b->team.least;
    if (beside ? sb_call_beside(&b->team, b->nfs, p, f) : sb_call_each(b->nfs, p, f, 0, f->count)) {
        p->dropped = 1;
        return;
    }
    p->served = NULL;
    p->dropped |= f->drops;
    if (p->dropped)
        return;
    if (class == SB_CALLS && !p->payload_written) {
        if (f->written)
            sb_rewrite(p->head.frame, r);
        return;
    }
    for (u32 i = 0; i < SB_WRITABLE; i++)
        if (f->written >> i & 1)
            sb_set(p, (sb_field)i, f->values[i]);
    sb_act_each(p, f, f->bare, f->count);
    if (!p->dropped)
        sb_write_back(p, p->head.frame);
}

/* A packet ---------------------------------------------------------------------------------------- */

/* What is known of a packet before it is its turn. */
typedef struct sb_arrival {
    sb_packet packet;
    u64 key[NF_MAT_WORDS], hash;
    u8 may;      /* have a record */
    u8 ends;     /* FIN or RST: its flow's record goes */
} sb_arrival;

static void sb_arrive(sb_box *b, sb_arrival *a, u8 *frame, u32 length, u64 time, u32 port) {
    sb_packet *p = &a->packet;
    memset(p, 0, sizeof *p);
    p->time = time;
    p->port = (u8)port;
    p->box = b;
    p->fid = SB_NO_FLOW;
    p->plain = (u8)(nf_parse_fast(&p->head, frame, length, 1) && length <= SB_LARGEST);
    a->may = a->ends = 0;
    if (!p->plain) {
        p->head.frame = frame;
        p->head.length = length;
        return;
    }
    if (!b->fast)
        return;
    a->key[0] = p->head.a;
    a->key[1] = p->head.b;
    a->hash = nf_mat_hash(a->key);
    a->may = 1;
    a->ends = frame[23] == 6 && frame[47] & 5;
    nf_mat_prefetch(&b->mat, a->hash, NF_MAT_LINE);
}

/* The packet's turn: 1 and what leaves, or 0: it drops. */
static u32 sb_pass(sb_box *b, sb_arrival *a, sb_out *out) {
    sb_packet *p = &a->packet;
    nf_arena_reset(&b->core.scratch);
    b->counts.packets++;
    b->now = a;
    sb_record *r = a->may ? (sb_record *)nf_mat_find(&b->mat, a->key, a->hash, NF_MAT_LINE) : NULL;
    const u32 serves = r && nf_mat_serves(&b->mat, &r->head) && !a->ends;
    const u32 class = serves ? r->head.number : SB_SLOW;
    if (class == SB_PLAIN) {
        b->counts.served++;
        sb_rewrite(p->head.frame, r);
    } else if (class == SB_DROPPED) {
        b->counts.served++;
        return 0;
    } else if (class != SB_SLOW) {
        sb_serve(b, p, r);
    } else {
        u8 *frame = p->head.frame;
        u32 length = p->head.length;
        if (nf_parse(&p->head, frame, length) == NF_MALFORMED) {
            b->core.counters[NF_MALFORMED_FRAMES]++;
            return 0;
        }
        if (p->head.bits & (NF_IP4 | NF_IP6))
            sb_slow(b, p, a->may && !a->ends);
        if (a->ends && (r = (sb_record *)nf_mat_find(&b->mat, a->key, a->hash, NF_MAT_LINE))) {
            sb_forget(b, r->fid);
            b->counts.removed++;
        }
    }
    *out = (sb_out){p->head.frame, p->head.length};
    return !p->dropped && !b->core.error;
}

/* One packet, rewritten in place unless it grows: 1 and what leaves, or 0: it drops. */
static __attribute__((unused)) u32 sb_run(sb_box *b, u8 *frame, u32 length, u64 time, u32 port,
                                          sb_out *out) {
    sb_arrival a;
    sb_arrive(b, &a, frame, length, time, port);
    nf_mat_tick(&b->mat);
    return sb_pass(b, &a, out);
}

enum { SB_BATCH = 32 };

/* Up to SB_BATCH packets, each told to `leave` when it has passed. */
static __attribute__((unused)) void sb_run_batch(sb_box *b, u8 **frames, const u32 *lengths, u32 n,
                                                 u64 time, u32 port,
                                                 void (*leave)(void *, u32, const sb_out *),
                                                 void *to) {
    sb_arrival a[SB_BATCH];
    nf_mat_tick(&b->mat);
    for (u32 i = 0; i < n; i++)
        sb_arrive(b, a + i, frames[i], lengths[i], time, port);
    for (u32 i = 0; i < n; i++) {
        sb_out out;
        if (sb_pass(b, a + i, &out))
            leave(to, i, &out);
    }
}

#endif
